from collections.abc import Iterator

import pytest

from crawler.browser.launch_options import find_chromium
from tests.crawler.crawling import Crawler
from tests.crawler.loopback import Loopback


@pytest.fixture
def needs_chromium() -> None:
    """Skips, saying so, where no Chromium is installed."""
    if find_chromium() is None:
        pytest.skip("there is no Chromium on this machine")


@pytest.fixture
def server() -> Iterator[Loopback]:
    with Loopback() as loopback:
        yield loopback


@pytest.fixture
def crawler(fresh_database_url: str, server: Loopback) -> Crawler:
    return Crawler(fresh_database_url, server.url)
