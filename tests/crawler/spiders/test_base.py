"""What all spiders have in common: politeness, the time of a fetch, and headers without secrets."""

from datetime import UTC, datetime, timedelta

import pytest
from scrapy import Request
from scrapy.http import Response
from scrapy.settings import Settings

from archive.system import clock
from crawler.requests import ADDRESS_ID, REQUESTED_URL
from crawler.spiders.base import ArchiveSpider


class Synthetic(ArchiveSpider):
    name = "synthetic"


def response(**headers: str) -> Response:
    meta = {ADDRESS_ID: 7, REQUESTED_URL: "https://mp.weixin.qq.com/s/short"}
    request = Request("https://mp.weixin.qq.com/s?mid=1", meta=meta)
    return Response(
        "https://mp.weixin.qq.com/s?mid=1&key=c0ffee", headers=headers, body=b"x", request=request
    )


def spider(**settings: object) -> Synthetic:
    one = Synthetic()
    one.settings = Settings(settings)
    return one


def test_a_replay_has_no_delay_and_a_crawl_starts_at_its_own() -> None:
    replay, crawl = (
        Settings({"CASSETTE_MODE": "replay", "DOWNLOAD_DELAY": 6.0}),
        Settings({"DOWNLOAD_DELAY": 6.0}),
    )
    Synthetic.update_settings(replay)
    Synthetic.update_settings(crawl)
    assert (replay.getfloat("DOWNLOAD_DELAY"), replay.getbool("AUTOTHROTTLE_ENABLED")) == (0, False)
    assert (crawl.getfloat("AUTOTHROTTLE_START_DELAY"), crawl.getbool("AUTOTHROTTLE_ENABLED")) == (6.0, True)


def test_a_response_becomes_a_page_without_secrets() -> None:
    page = spider().fetched_page(response(**{"Set-Cookie": "wap_sid2=c0ffee", "Server": "x"}))
    assert (page.address_id, page.requested_url) == (7, "https://mp.weixin.qq.com/s/short")
    assert "c0ffee" not in page.final_url
    assert page.headers == (("Server", "x"),)


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("Fri, 31 Jul 2026 20:00:00 +0800", datetime(2026, 7, 31, 12, tzinfo=UTC)),
        ("Fri, 31 Jul 2026 12:00:00 -0000", datetime(2026, 7, 31, 12, tzinfo=UTC)),
    ],
)
def test_a_replayed_page_was_fetched_when_the_server_says(date: str, expected: datetime) -> None:
    assert spider(CASSETTE_MODE="replay").fetched_page(response(Date=date)).fetched_at == expected


def test_a_live_page_was_fetched_now_whatever_the_server_says() -> None:
    fetched_at = spider().fetched_page(response(Date="Fri, 31 Jul 2026 12:00:00 GMT")).fetched_at
    assert abs(clock.now() - fetched_at) < timedelta(minutes=1)
