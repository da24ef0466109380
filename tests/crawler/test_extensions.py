"""The end of a crawl: its verdict in the run's row, and no pause that anybody waits for."""

import pytest

from archive.repository.runs import grouped_counts
from tests.crawler import pages
from tests.crawler.crawling import Crawler
from tests.crawler.loopback import Loopback, Reply

URLS = [pages.url(mid) for mid in (1, 2, 3)]


def test_the_verdict_and_the_counts_stand_in_the_runs_row(crawler: Crawler, server: Loopback) -> None:
    server.serve(pages.path(1), Reply(pages.article(1)))
    crawl = crawler.crawl(URLS[:2])
    ((status, stored, finished),) = crawler.rows("SELECT status, counts, finished_at FROM runs")
    assert (status, crawl.exit_code, finished is not None) == ("partly_failed", 3, True)
    counts = grouped_counts(stored)
    assert (counts["wanted"], counts["fetched"], counts["failed"]) == (2, 1, 1)
    assert {name: crawl.counts[name] for name in counts} == counts


@pytest.mark.parametrize("delay", [90])
def test_a_crawl_that_stops_waits_for_no_pause(crawler: Crawler, server: Loopback, delay: int) -> None:
    """Two pauses of 90 s are longer than the crawl may take here."""
    server.serve(pages.path(1), Reply(pages.verification()))
    for mid in (2, 3):
        server.serve(pages.path(mid), Reply(pages.article(mid)))
    crawl = crawler.crawl(URLS, DOWNLOAD_DELAY=delay)
    assert crawl.verdict == "verification", crawl.output
    assert len(server.asked) <= 2
