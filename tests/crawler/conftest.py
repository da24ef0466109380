from collections.abc import Iterator

import pytest

from tests.crawler.crawling import Crawler
from tests.crawler.loopback import Loopback


@pytest.fixture
def server() -> Iterator[Loopback]:
    with Loopback() as loopback:
        yield loopback


@pytest.fixture
def crawler(fresh_database_url: str, server: Loopback) -> Crawler:
    return Crawler(fresh_database_url, server.url)
