"""Feed documents: what is left out of a text, and how it is escaped."""

import html
import json
from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive.db.models import Post
from archive.domain.text import unescape
from archive.rendering.page import PREVIEW_NOTE
from archive.repository.media import StoredFile
from tests.archive.making import BIZ, NOW
from web.feed_formats import (
    PREVIEW_TERM,
    FeedDocument,
    FeedEntry,
    FeedPicture,
    printable,
    write_atom,
    write_json_feed,
    write_rss,
)
from web.feeds import feed_entry, has_visible_character

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
    entry = feed_entry(post(), BIZ, ["一&a", "mp;二\r", "\r \r三"], CHANGED, "http://archive.example")
    assert list(entry.paragraphs) == ["一&二", "三"]
    assert entry.published.isoformat() == "2026-03-02T00:00:00+08:00"
    assert entry.updated == CHANGED
    assert entry.page == f"http://archive.example/posts/{BIZ}/1001_1"
    assert feed_entry(post(published_at=NOW), BIZ, [], None, "").updated == NOW


@pytest.mark.parametrize("title", ["", " \u3000", "\u200b\u2060", "\u3164", "\u202e", "\x01"])
def test_a_title_without_a_visible_character_is_replaced_by_the_aid(title: str) -> None:
    assert not has_visible_character(title)
    assert feed_entry(post(title=title), BIZ, [], None, "").title == "1001_1"


def feed(*entries: FeedEntry) -> FeedDocument:
    return FeedDocument("t", "http://a/feed", "http://a/", "http://a/feed?after=x", NOW, entries)


def test_a_feed_without_entries_is_complete() -> None:
    assert b"<updated>2026-03-02T" in b"".join(write_atom(feed()))
    assert b"".join(write_atom(feed())).endswith(b"<author><name>mparchive</name></author></feed>")
    assert json.loads(b"".join(write_json_feed(feed())))["items"] == []


_STORED = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@pytest.mark.slow
@given(st.lists(_STORED, max_size=3), _STORED)
def test_any_text_is_written_as_xml_and_as_json_however_it_is_cut(pieces: list[str], title: str) -> None:
    """Read both documents again; compare them with the paragraphs of the whole text."""

    def entry() -> FeedEntry:
        return feed_entry(post(title=f'a"items": ["content_html": "{title}'), BIZ, pieces, None, "")

    lines = [line for part in "".join(pieces).split("\r") if (line := unescape(part).strip())]
    content = "".join(f"<p>{html.escape(printable(line))}</p>" for line in lines)
    items = json.loads(b"".join(write_json_feed(feed(entry(), entry()))))["items"]
    assert [(item["content_html"], item["title"]) for item in items] == [(content, entry().title)] * 2
    atom = ElementTree.fromstring(b"".join(write_atom(feed(entry(), entry()))))
    written = [element.text or "" for element in atom.iter("{http://www.w3.org/2005/Atom}content")]
    assert written == [content.replace("\r\n", "\n").replace("\r", "\n")] * 2
    rss = ElementTree.fromstring(b"".join(write_rss(feed(entry(), entry()))))
    encoded = rss.iter("{http://purl.org/rss/1.0/modules/content/}encoded")
    assert [element.text or "" for element in encoded] == written


def test_the_preview_of_a_paid_post_says_so() -> None:
    def entry() -> FeedEntry:
        return feed_entry(
            post(page_metadata={"paid": True, "preview": True}), BIZ, ["一&amp;二\r三"], None, ""
        )

    assert list(entry().paragraphs) == ["一&二", "三", PREVIEW_NOTE]
    assert b'<category term="paid-preview" />' in b"".join(write_atom(feed(entry())))
    items = json.loads(b"".join(write_json_feed(feed(entry()))))["items"]
    assert items[0]["tags"] == ["article", PREVIEW_TERM]
    whole = feed_entry(post(page_metadata={"paid": True, "preview": False}), BIZ, ["一&amp;二\r三"], None, "")
    assert (whole.is_preview, list(whole.paragraphs)) == (False, ["一&二", "三"])


def test_a_file_that_no_browser_shows_is_no_picture_of_an_entry() -> None:
    def entry(media_type: str) -> FeedEntry:
        file = StoredFile(bytes(32), 9, media_type, None, None, "00")
        return feed_entry(post(), BIZ, [], None, "http://a", file)

    assert entry("application/pdf").picture is None
    assert entry("image/png").picture == FeedPicture(f"http://a/files/{'00' * 32}", "image/png", 9)
