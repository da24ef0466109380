"""Many pages in a row: the short form of `python -m bench.browser_memory`, which draws 500 of real size."""

from pathlib import Path

import pytest

from bench.browser_memory import LIMIT, measure, write_pages
from tests.crawler.crawling import ended
from tests.standin import Standin

PAGES = 24
WEIGHT = 200_000  # bytes of script in a page
pytestmark = pytest.mark.browser


def test_pages_in_a_row_stay_within_bounds_and_leave_no_process(
    needs_chromium: None, fresh_database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "pages").mkdir()
    addresses = write_pages(tmp_path / "pages", PAGES, WEIGHT)
    with Standin(captures=tmp_path / "pages") as standin:
        environment = {
            "MPARCHIVE_DATABASE_URL": fresh_database_url,
            "MPARCHIVE_LOOPBACK": standin.origin,
            "MPARCHIVE_DOWNLOAD_DELAY": "0",
        }
        settings = ("-s", "PAGES_PER_BROWSER=8", "-s", "STATS_DUMP=1")
        found = measure(addresses, tmp_path, environment, *settings)
    crawl = ended(found.exit_code, found.output)
    assert (crawl.verdict, crawl.counts["outcomes"]) == ("done", {"article": PAGES}), crawl.output
    assert found.pages == PAGES
    assert found.peak < LIMIT
    assert {"Scrapy", "worker", "driver", "Chromium"} <= {name for one in found.samples for name in one.parts}
    assert "'playwright/browser_count': 3" in crawl.output
    assert found.left == []
