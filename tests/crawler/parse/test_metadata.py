"""Facts of a post's page besides its record: author, album, region, source."""

import pytest

from archive.domain.messages import Message
from archive.domain.outcomes import Outcome
from crawler.parse.page import read_page
from tests.crawler.parse.made import js, page, read


def test_what_the_page_says_of_the_post_is_among_its_facts() -> None:
    page = read(
        script='var author = "合成作者"; var msg_desc = "摘要"; var msg_source_url = "https://x.example/a";'
    ).page
    assert (page["author"], page["digest"], page["source_url"]) == ("合成作者", "摘要", "https://x.example/a")


def test_times_are_seconds_and_iso_instants() -> None:
    page = read().page
    assert (page["ct"], page["published_at"]) == (1700000000, "2023-11-14T22:13:20Z")


def test_what_the_page_does_not_say_is_no_fact() -> None:
    assert "author" not in read().page
    assert "album" not in read().page


FREE = "<p>免费的一段。</p>"
MARK = '<p class="js_pay_preview_filter"><mp-pay-preview-filter data-offset="6"></mp-pay-preview-filter></p>'
PAID = "var is_pay_subscribe = \"1\" * 1; var isPaySubscribe = '1' * 1; var isPaid = '0' * 1;"


@pytest.mark.parametrize(
    ("body", "script"),
    [
        (FREE + MARK, PAID),
        (FREE + MARK, ""),  # saved without scripts
        (FREE, PAID),
        (FREE, 'window.is_pay_subscribe = "1";'),
        (FREE + MARK, f"window.cgiDataNew = {js({'is_pay_subscribe': 1, 'content_noencode': MARK})};"),
        (FREE + MARK, f"window.cgiDataNew = {js({'is_pay_subscribe': 1, 'content_noencode': FREE + MARK})};"),
        (MARK, f"window.cgiDataNew = {js({'is_pay_subscribe': 1, 'content_noencode': FREE})};"),
    ],
)
def test_the_page_of_a_paid_post_has_only_the_preview(body: str, script: str) -> None:
    reading = read(body, script)
    assert (reading.page["paid"], reading.page["preview"]) == (True, True)
    assert reading.record is not None
    assert reading.record.text.strip() == "免费的一段。"


@pytest.mark.parametrize(
    ("body", "script"),
    [
        (FREE + MARK + "<p>付费的一段。</p>", PAID),
        (FREE + MARK + '<p><img data-src="https://mmbiz.qpic.cn/a/b/640"></p>', PAID),
        (FREE + MARK, PAID.replace("isPaid = '0'", "isPaid = '1'")),
        (FREE, f"window.cgiDataNew = {js({'is_pay_subscribe': 1, 'user_info': {'is_paid': 1}})};"),
    ],
)
def test_the_page_of_a_buyer_has_all_of_a_paid_post(body: str, script: str) -> None:
    reading = read(body, script)
    assert (reading.page["paid"], reading.page["preview"]) == (True, False)


@pytest.mark.parametrize(
    ("body", "script"),
    [
        (FREE, ""),
        (FREE, "var isPaySubscribe = '0' * 1; var isPaid = '0' * 1; var previewPercent = '0' || '';"),
        ("<p>元素 &lt;mp-pay-preview-filter&gt; 标出试读部分，付费后可读全文。</p>", ""),
    ],
)
def test_other_posts_are_not_marked_as_paid(body: str, script: str) -> None:
    page = read(body, script).page
    assert page["paid"] is False
    assert "preview" not in page


def test_a_paid_post_without_a_free_part_is_no_article_and_no_work_for_a_browser() -> None:
    reading = read_page(page(MARK, PAID))
    assert (reading.outcome, reading.needs_browser) == (Outcome.UNKNOWN, False)
    assert Message.load(reading.reason).code == "crawler.parse.no_preview"
