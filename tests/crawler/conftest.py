from collections.abc import Iterator
from pathlib import Path

import pytest

from crawler.browser.launch_options import find_chromium
from tests.crawler.crawling import Crawler
from tests.crawler.gallery import Gallery
from tests.crawler.loopback import Loopback
from tests.standin import Standin


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


@pytest.fixture
def standin() -> Iterator[Standin]:
    with Standin() as running:
        yield running


@pytest.fixture
def gallery(fresh_database_url: str, tmp_path: Path, standin: Standin) -> Gallery:
    return Gallery(Crawler(fresh_database_url, standin.origin), tmp_path / "media")


@pytest.fixture
def small(crawler: Crawler, tmp_path: Path) -> Gallery:
    """Return the same for a server that the test scripts."""
    return Gallery(crawler, tmp_path / "media")
