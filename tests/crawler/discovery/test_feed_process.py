"""Feeds and listings that were made to hurt: each ends within its bounds, with a sentence."""

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from crawler.discovery import feed_process
from crawler.discovery.feed_process import read_feed
from crawler.discovery.responses import as_instant, as_number, as_text
from crawler.discovery.source import Reply, SourceError
from crawler.discovery.sources.address_list import AddressList
from crawler.discovery.sources.album import MAX_LISTED, read_album_page, read_listing
from crawler.discovery.sources.feed import FeedEntry, read_entries
from tests.crawler.discovery.driving import drive, page, post_url
from tests.support.growth import MAX_GROWTH, growth

ALBUM = b"<!doctype html><html><script>var cgiData = {albumId: '1'};</script>"


def rss(items: bytes) -> bytes:
    return b'<?xml version="1.0"?><rss version="2.0"><channel>' + items + b"</channel></rss>"


def attributes(count: int) -> bytes:
    return rss(b"<item " + b" ".join(b'a%d="1"' % n for n in range(count)) + b"><link>x</link></item>")


def listing(count: int) -> Reply:
    items = [{"url": post_url(n), "msgid": str(n), "itemidx": "1", "title": "合成"} for n in range(count)]
    answer = {"article_list": items, "continue_flag": "1", "base_info": {"article_count": str(count)}}
    return page({"base_resp": {"ret": 0}, "getalbum_resp": answer})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "work", "size"),
    [
        pytest.param(lambda n: "<em" * n, as_text, 200_000, id="marks of a search"),
        pytest.param(lambda n: ALBUM + b"<div>" * n, read_album_page, 4_000, id="an album's elements"),
        pytest.param(
            lambda n: ALBUM + b'<li class="js_album_item">' * n, read_album_page, 2_000, id="its posts"
        ),
        pytest.param(
            lambda n: rss(b"<item><link>x</link></item>" * n), read_entries, 800, id="a feed's items"
        ),
        pytest.param(lambda n: rss(b"<item>" * n), read_entries, 2_000, id="items within items"),
        pytest.param(
            lambda n: "https://mp.weixin.qq.com/s?&amp;&amp;" * n,
            lambda text: drive(AddressList(text.encode())),
            20_000,
            id="a line of addresses",
        ),
    ],
)
def test_time_grows_with_what_was_sent_and_no_faster(
    make: Callable[[int], bytes], work: Callable[[bytes], object], size: int
) -> None:
    assert growth(make, work, size) < MAX_GROWTH


@pytest.mark.slow
def test_a_feed_is_read_apart_as_it_is_read_here() -> None:
    item = "<item><link>https://x.example/1</link><title>合成</title><guid>7</guid>"
    body = rss(f"{item}<pubDate>Sun, 01 Mar 2026 09:30:00 +0800</pubDate></item><item/>".encode())
    assert read_feed(body) == read_entries(body)
    assert read_feed(body)[0] == FeedEntry(
        "7", "https://x.example/1", "合成", datetime(2026, 3, 1, 1, 30, tzinfo=UTC), ""
    )


@pytest.mark.slow
@pytest.mark.parametrize("body", [b"", b"x", b'{"items": ' + b"[" * 100_000, b"<rss"])
def test_what_is_no_feed_is_said_in_the_same_words(body: bytes) -> None:
    with pytest.raises(SourceError) as here:
        read_entries(body)
    with pytest.raises(SourceError) as apart:
        read_feed(body)
    assert (apart.value.state, apart.value.message) == (here.value.state, here.value.message)


@pytest.mark.slow
def test_a_feed_whose_time_grows_with_the_square_of_its_attributes_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(feed_process, "WALL_SECONDS", 3.0)
    with pytest.raises(SourceError, match="may be made to do harm"):
        read_feed(attributes(200_000))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bound", "value", "body"),
    [
        ("CPU_SECONDS", 2, attributes(200_000)),
        ("MEMORY", 200 * 2**20, b'{"items": [' + b"[]," * 2_600_000 + b"1]}"),
    ],
)
def test_the_process_that_reads_a_feed_has_bounds_of_its_own(
    bound: str, value: int, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    lowered = f"import crawler.discovery.feed_process as p; p.{bound} = {value}; p.main()"
    monkeypatch.setattr(feed_process, "COMMAND", ("-c", lowered))
    assert len(read_feed(attributes(2))) == 1
    with pytest.raises(SourceError, match="may be made to do harm"):
        read_feed(body)


def test_a_character_of_five_thousand_digits_ends_its_feed_alone() -> None:
    with pytest.raises(SourceError, match="the feed cannot be parsed"):
        read_entries(rss(b"<item><title>&#" + b"9" * 5000 + b";</title></item>"))


def test_a_page_of_an_album_that_lists_too_much_is_gone_on_with_as_the_next_page() -> None:
    found = read_listing(listing(MAX_LISTED + 50))
    assert len(found.posts) == MAX_LISTED
    assert found.more
    assert found.last == (str(MAX_LISTED - 1), "1")


@pytest.mark.parametrize("value", [{"msgid": []}, {"msgid": {}, "itemidx": []}, {}])
def test_an_albums_own_variables_may_be_anything(value: object) -> None:
    script = f"<script>var cgiData = {{albumId: '1', articleList: [{json.dumps(value)}]}};</script>"
    shown = read_album_page(f"<!doctype html><html>{script}<li class='js_album_item' data-link='x'>".encode())
    assert shown is not None
    assert len(shown.items) == 1


def test_numbers_and_titles_beyond_reason_are_none() -> None:
    assert as_text(f"合&#{'9' * 5000};") != ""
    assert as_number("9" * 5000) is None
    assert as_number(1e308) is not None
    assert as_instant(1e308) is None
    assert as_instant("9" * 5000) is None
