"""Failures of requests are stored as messages without secrets, and a challenge stops the crawl."""

import pytest
from scrapy.exceptions import DownloadFailedError

from archive.domain.messages import Message
from crawler.cassettes.cassette import CassetteMiss
from crawler.pipelines.posts import scrubbed_message
from tests.crawler import pages
from tests.crawler.crawling import Crawler
from tests.crawler.loopback import Loopback, Reply


@pytest.mark.parametrize(
    "error",
    [
        DownloadFailedError("https://mp.weixin.qq.com/s?key=c0ffee refused"),
        CassetteMiss("crawler.cassette.miss", path="x", method="GET", url="https://x.example/?token=c0ffee"),
    ],
)
def test_an_error_loses_its_secrets_and_keeps_its_text(error: Exception) -> None:
    message = scrubbed_message(error)
    assert "c0ffee" not in message.dump()
    assert "SCRUBBED" in str(message)


def test_an_error_without_text_is_named_by_its_class() -> None:
    assert "TimeoutError" in str(scrubbed_message(TimeoutError()))


def test_a_failed_request_is_stored_by_code(crawler: Crawler, server: Loopback) -> None:
    server.serve(pages.path(1), Reply(b"x" * 99, packed=False, cut=50))
    crawl = crawler.crawl([pages.url(1)], RETRY_TIMES=0)
    assert crawl.verdict == "nothing_fetched", crawl.output
    ((outcome, reason),) = crawler.rows("SELECT last_outcome, last_reason FROM addresses")
    assert (outcome, Message.load(reason).code) == ("no_answer", "archive.error.other")


def test_a_page_that_asks_for_verification_stops_the_crawl(crawler: Crawler, server: Loopback) -> None:
    server.serve(pages.path(1), Reply(pages.verification()))
    server.serve(pages.path(2), Reply(pages.article(2)))
    crawl = crawler.crawl([pages.url(1), pages.url(2)], DOWNLOAD_DELAY="3")
    assert (crawl.verdict, server.paths) == ("verification", [pages.path(1)]), crawl.output
    ((reason,),) = crawler.rows("SELECT reason FROM parse_results")
    assert reason == "crawler.parse.challenge"
