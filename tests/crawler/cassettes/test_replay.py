"""Crawls that record and replay."""

from pathlib import Path

import pytest
import yaml

from tests.crawler import pages
from tests.crawler.crawling import Crawler
from tests.crawler.loopback import Loopback, Reply


@pytest.fixture
def cassette(tmp_path) -> str:
    return str(tmp_path / "cassette.yaml")


def test_a_crawl_is_replayed_with_the_server_down(crawler, server, cassette, fresh_database_url):
    server.serve(pages.path(1), Reply(pages.article(1), headers={"Set-Cookie": "a=c0ffee"}))
    server.serve(pages.path(2), Reply(b"busy", 503, {"Retry-After": "1"}), Reply(pages.deleted()))
    urls = [pages.url(1), pages.url(2)]
    recorded = crawler.crawl(urls, CASSETTE=cassette, CASSETTE_MODE="record")
    assert recorded.verdict == "done", recorded.output
    assert "c0ffee" not in Path(cassette).read_text()
    served = len(server.asked)
    replayed = crawler.crawl(urls, CASSETTE=cassette, CASSETTE_MODE="replay")
    assert replayed.verdict == "done", replayed.output
    assert replayed.counts["outcomes"] == recorded.counts["outcomes"] == {"article": 1, "deleted": 1}
    assert len(server.asked) == served
    bodies = crawler.rows("SELECT count(DISTINCT sha256), count(*) FROM captures")
    assert bodies == [(2, 4)]


def test_a_replayed_capture_carries_the_moment_it_was_served(crawler, server, cassette):
    server.serve(pages.path(1), Reply(pages.article(1)))
    crawler.crawl([pages.url(1)], CASSETTE=cassette, CASSETTE_MODE="record")
    text = Path(cassette).read_text()
    recording = yaml.safe_load(text)
    recording["interactions"][0]["response"]["headers"]["Date"] = ["Fri, 31 Jul 2026 12:00:00 GMT"]
    Path(cassette).write_text(yaml.safe_dump(recording, allow_unicode=True))
    crawler.crawl([pages.url(1)], CASSETTE=cassette, CASSETTE_MODE="replay")
    moments = crawler.rows(
        "SELECT to_char(fetched_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') FROM captures"
    )
    assert ("2026-07-31 12:00",) in moments


def test_an_unrecorded_request_fails_loudly_and_reaches_nobody(crawler, server, cassette):
    server.serve(pages.path(1), Reply(pages.article(1)))
    crawler.crawl([pages.url(1)], CASSETTE=cassette, CASSETTE_MODE="record")
    before = crawler.rows("SELECT count(*) FROM captures")
    with Loopback() as trap:
        lost = Crawler(crawler.database_url, trap.url)
        crawl = lost.crawl([pages.url(77)], CASSETTE=cassette, CASSETTE_MODE="replay")
        assert trap.asked == []
    assert (crawl.exit_code, crawl.verdict) == (1, "failed"), crawl.output
    assert "holds no further answer" in crawl.output
    assert "mid=77" in crawl.output
    assert crawler.rows("SELECT count(*) FROM captures") == before


def test_a_missing_cassette_is_said_before_anything_starts(crawler, server, cassette):
    crawl = crawler.crawl([pages.url(1)], CASSETTE=cassette, CASSETTE_MODE="replay")
    assert crawl.exit_code == 2
    assert f"there is no cassette {cassette}" in crawl.output
    assert crawler.rows("SELECT count(*) FROM runs") == [(0,)]
