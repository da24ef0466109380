"""Feed documents: what is left out of a text, and how it is escaped."""

import json
from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive.db.models import Post
from archive.rendering.page import PREVIEW_NOTE
from tests.archive.making import BIZ, NOW
from web.feeds import (
    PREVIEW_TERM,
    FeedDocument,
    feed_entry,
    has_visible_character,
    paragraphs_html,
    printable,
    write_atom,
    write_json_feed,
)

CHANGED = datetime(2026, 3, 5, tzinfo=UTC)


def post(**values: object) -> Post:
    fields = {
        "aid": "1001_1",
        "mid": 1001,
        "idx": 1,
        "title": "合成标题",
        "account_name": "示例账号",
        "url": "https://mp.weixin.qq.com/s/a",
        "published_on": NOW.date(),
        "published_at": None,
        "text": "一&amp;二\r\r \r三\r",
        "kind": "article",
    }
    return Post(**{**fields, **values})


def test_an_entry_has_decoded_paragraphs_and_the_later_of_its_dates() -> None:
    entry = feed_entry(post(), BIZ, CHANGED, "http://archive.example")
    assert entry.paragraphs == ["一&二", "三"]
    assert entry.published.isoformat() == "2026-03-02T00:00:00+08:00"
    assert entry.updated == CHANGED
    assert entry.page == f"http://archive.example/posts/{BIZ}/1001_1"
    assert feed_entry(post(published_at=NOW), BIZ, None, "").updated == NOW


@pytest.mark.parametrize("title", ["", " \u3000", "\u200b\u2060", "\u3164", "\u202e", "\x01"])
def test_a_title_without_a_visible_character_is_replaced_by_the_aid(title: str) -> None:
    assert not has_visible_character(title)
    assert feed_entry(post(title=title), BIZ, None, "").title == "1001_1"


def test_a_feed_without_entries_has_the_date_it_is_given() -> None:
    feed = FeedDocument("t", "http://a/feed", "http://a/", None, [])
    assert feed.updated(NOW) == NOW
    assert b"<updated>2026-03-02T" in write_atom(feed, NOW)
    assert b'"items": []' in write_json_feed(feed)


@given(st.text())
def test_any_text_is_well_formed_xml_once_it_is_printable(text: str) -> None:
    markup = paragraphs_html([printable(text)])
    assert ElementTree.fromstring(f"<a>{markup}</a>").tag == "a"


def test_the_preview_of_a_paid_post_says_so() -> None:
    entry = feed_entry(post(facts={"paid": True, "preview": True}), BIZ, None, "")
    assert entry.paragraphs == ["一&二", "三", PREVIEW_NOTE]
    feed = FeedDocument("题", "http://a/f", "http://a/", None, [entry])
    assert b'<category term="paid-preview" />' in write_atom(feed, NOW)
    assert json.loads(write_json_feed(feed))["items"][0]["tags"] == ["article", PREVIEW_TERM]
    whole = feed_entry(post(facts={"paid": True, "preview": False}), BIZ, None, "")
    assert (whole.is_preview, whole.paragraphs) == (False, ["一&二", "三"])
