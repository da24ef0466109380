import json
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from archive.domain.messages import Message
from archive.domain.records import SHANGHAI
from crawler.discovery.source import ETAG, Fetch, Reply, State
from crawler.discovery.sources.feed import MAX_RESOLVED, FeedSource, feed_name
from tests.crawler.discovery.driving import drive, page, post_url

ADDRESS = "https://rss.example/wechat/jxw.xml"
SHORT = "https://mp.weixin.qq.com/s/AbCdEfGhIjKlMnOpQrStUv"
AT = datetime(2026, 3, 1, 1, 30, tzinfo=UTC)


def rss(*items: str) -> Reply:
    text = f'<?xml version="1.0"?><rss version="2.0"><channel>{"".join(items)}</channel></rss>'
    return Reply(
        200, ADDRESS, (("ETag", '"v1"'), ("Last-Modified", "Sun, 01 Mar 2026 02:00:00 GMT")), text.encode()
    )


def item(link: str, title: str = "合成标题", content: str = "", guid: str = "") -> str:
    return (
        f"<item><title>{title}</title><link>{link.replace('&', '&amp;')}</link><guid>{guid}</guid>"
        f"<pubDate>Sun, 01 Mar 2026 09:30:00 +0800</pubDate>"
        f"<description><![CDATA[{content}]]></description></item>"
    )


def urls(reply: Reply, *more: Reply) -> list[str]:
    return [seen.url for seen in drive(FeedSource(ADDRESS), [reply, *more])[0].posts]


def test_the_posts_of_an_rss_feed_are_seen_with_title_and_time() -> None:
    found, asked = drive(FeedSource(ADDRESS), [rss(item(post_url(1), "合成 &amp;amp; 标题"), item(SHORT))])
    assert found.state is State.OK
    assert [seen.url for seen in found.posts] == [post_url(1), SHORT]
    assert (found.posts[0].title, found.posts[0].published_at) == ("合成 & 标题", AT)
    assert len(asked) == 1


def test_an_atom_feed_is_read() -> None:
    text = (
        '<feed xmlns="http://www.w3.org/2005/Atom"><entry><title>合成</title>'
        f'<link href="{SHORT}"/><id>1</id><published>2026-03-01T09:30:00+08:00</published></entry></feed>'
    )
    found, _ = drive(FeedSource(ADDRESS), [page(text.encode())])
    assert [(seen.url, seen.title, seen.published_at) for seen in found.posts] == [(SHORT, "合成", AT)]


def test_a_json_feed_is_read() -> None:
    one = {"id": 1, "url": SHORT, "title": "合成", "date_published": "2026-03-01T09:30:00+08:00"}
    found, _ = drive(
        FeedSource(ADDRESS), [page({"version": "https://jsonfeed.org/version/1.1", "items": [one]})]
    )
    assert [(seen.url, seen.title, seen.published_at) for seen in found.posts] == [(SHORT, "合成", AT)]


def test_a_feed_that_begins_with_a_web_page_in_its_first_entry_is_no_web_page() -> None:
    whole = "<!DOCTYPE html><html><body><p>合成</p></body></html>"
    assert urls(rss(item(SHORT, content=whole))) == [SHORT]
    entry = {"content_html": whole, "url": SHORT}
    assert urls(page({"items": [entry], "version": "https://jsonfeed.org/version/1.1"})) == [SHORT]


@pytest.mark.parametrize(
    "written",
    [
        "Sun, 01 Mar 2026 09:30:00 +0800",
        "Sun, 01 Mar 2026 01:30:00 GMT",
        "2026-03-01T01:30:00Z",
        "Sun, 01 Mar 2026 09:30:00",
        "2026-03-01 09:30:00",
        "2026-03-01T09:30:00",
    ],
)
def test_a_time_without_a_zone_is_that_of_beijing(written: str) -> None:
    entry = item(SHORT).replace("Sun, 01 Mar 2026 09:30:00 +0800", written)
    (post,) = drive(FeedSource(ADDRESS), [rss(entry)])[0].posts
    assert post.published_at == AT


def test_so_is_one_of_a_json_feed_and_a_day_is_that_day() -> None:
    entry = {"url": SHORT, "date_published": "2026-03-01T09:30:00"}
    (post,) = drive(FeedSource(ADDRESS), [page({"items": [entry]})])[0].posts
    assert post.published_at == AT
    entry = item(SHORT).replace("Sun, 01 Mar 2026 09:30:00 +0800", "2026-03-01")
    (post,) = drive(FeedSource(ADDRESS), [rss(entry)])[0].posts
    assert post.published_at is not None
    assert post.published_at.astimezone(SHANGHAI).date().isoformat() == "2026-03-01"


def test_what_has_not_changed_is_not_sent_again() -> None:
    first, _ = drive(FeedSource(ADDRESS), [rss(item(SHORT))])
    second, asked = drive(FeedSource(ADDRESS), [Reply(304, ADDRESS)], first.memory)
    assert second.state is State.UNCHANGED
    assert second.state.good
    assert second.memory == first.memory
    headers = dict(asked[0].headers)
    assert headers["If-None-Match"] == '"v1"'
    assert headers["If-Modified-Since"] == "Sun, 01 Mar 2026 02:00:00 GMT"


def test_an_answer_that_was_no_feed_is_asked_for_again_in_full() -> None:
    broken = Reply(200, ADDRESS, (("ETag", '"broken"'),), b"<html>Sorry</html>")
    found, _ = drive(FeedSource(ADDRESS), [broken])
    assert found.state is State.NOT_UNDERSTOOD
    _, asked = drive(FeedSource(ADDRESS), [rss(item(SHORT))], found.memory)
    assert "If-None-Match" not in dict(asked[0].headers)


def test_an_entry_may_carry_the_posts_address_in_a_readers_own() -> None:
    wrapped = "https://reader.example/open?to=https%3A%2F%2Fmp.weixin.qq.com%2Fs%2FAbCdEfGhIjKlMnOpQrStUv&x=1"
    assert urls(rss(item(wrapped))) == [SHORT]


def test_an_entrys_id_may_be_the_address() -> None:
    assert urls(rss(item("https://reader.example/1", guid=SHORT))) == [SHORT]


def test_a_link_in_the_text_of_an_entry_never_stands_in_for_its_own() -> None:
    content = f'<p>合成 <a href="{post_url(3).replace("&", "&amp;")}">旧文</a></p>'
    for own in ("https://reader.example/1", "https://mp.weixin.qq.com/s/broken"):
        found, _ = drive(FeedSource(ADDRESS), [rss(item(own, content=content), item(SHORT))])
        assert [(seen.url, seen.title, seen.aside) for seen in found.posts] == [
            (post_url(3), "", True),
            (SHORT, "合成标题", False),
        ]
        assert found.posts[0].published_at is None
        assert found.state is State.PARTLY
        assert str(found.detail) == f"1 entry leads to no WeChat post: {own}"
        assert ETAG not in found.memory


def test_entries_that_lead_to_no_post_are_counted_with_an_example() -> None:
    entries = [item(f"https://reader.example/{number}") for number in range(3)]
    found, _ = drive(FeedSource(ADDRESS), [rss(item(SHORT), *entries)])
    assert [seen.url for seen in found.posts] == [SHORT]
    assert (found.state, found.state.good) == (State.PARTLY, True)
    assert str(found.detail) == "3 entries lead to no WeChat post, such as https://reader.example/0"


def test_a_tilde_in_a_short_link_is_an_underscore() -> None:
    written = "https://mp.weixin.qq.com/s/~b~defGhIjKlMnOpQrStUv"
    found, _ = drive(FeedSource(ADDRESS), [rss(item(written), item("", guid=written.replace("Uv", "~w")))])
    tokens = [seen.url.rpartition("/")[2] for seen in found.posts]
    assert tokens == ["_b_defGhIjKlMnOpQrStUv", "_b_defGhIjKlMnOpQrSt_w"]
    assert found.state is State.OK


def test_the_external_address_of_a_json_entry_is_its_own() -> None:
    one = {"id": 1, "url": "https://reader.example/1", "external_url": SHORT, "title": "合成"}
    found, _ = drive(FeedSource(ADDRESS), [page({"version": "x", "items": [one]})])
    assert [(seen.url, seen.title) for seen in found.posts] == [(SHORT, "合成")]
    assert found.state is State.OK


def test_of_several_posts_in_an_entrys_words_none_gets_its_title() -> None:
    content = f"{SHORT} {post_url(3)}"
    found, _ = drive(FeedSource(ADDRESS), [rss(item("https://reader.example/1", content=content))])
    assert [(seen.url, seen.title, seen.aside) for seen in found.posts] == [
        (SHORT, "", True), (post_url(3), "", True),
    ]  # fmt: skip


def test_a_readers_redirects_are_asked_where_they_lead_and_never_twice() -> None:
    links = [f"https://rss.example/go/{n}" for n in range(3)]

    def answers(ask: Fetch) -> Reply:
        if ask.url == ADDRESS:
            return rss(*map(item, links))
        assert not ask.follow
        return Reply(302, ask.url, (("Location", SHORT if ask.url.endswith("1") else "https://x.example/"),))

    first, asked = drive(FeedSource(ADDRESS), answers)
    assert [ask.url for ask in asked] == [ADDRESS, *links]
    assert [seen.url for seen in first.posts] == [SHORT]
    again, asked = drive(FeedSource(ADDRESS), answers, json.loads(json.dumps(first.memory)))
    assert [ask.url for ask in asked] == [ADDRESS]
    assert [seen.url for seen in again.posts] == [SHORT]


def test_a_link_without_a_host_is_on_the_feeds_own_server() -> None:
    replies = [rss(item("/go/1?a=b")), Reply(302, "", (("Location", SHORT),))]
    found, asked = drive(FeedSource(ADDRESS), replies)
    assert [ask.url for ask in asked] == [ADDRESS, "https://rss.example/go/1?a=b"]
    assert [(seen.url, seen.title) for seen in found.posts] == [(SHORT, "合成标题")]


def test_a_redirect_that_could_not_be_asked_for_is_asked_again() -> None:
    replies = [
        rss(item("https://rss.example/go/1"), item(SHORT)),
        Reply(error=Message("crawler.fetch.unknown_host")),
    ]
    first, _ = drive(FeedSource(ADDRESS), replies)
    again, asked = drive(
        FeedSource(ADDRESS), [replies[0], Reply(302, "", (("Location", post_url(2)),))], first.memory
    )
    assert len(asked) == 2
    assert [seen.url for seen in again.posts] == [post_url(2), SHORT]


def test_only_the_feeds_own_host_is_asked_where_it_leads_and_only_so_often() -> None:
    def answers(ask: Fetch) -> Reply:
        if ask.url == ADDRESS:
            many = [item(f"https://rss.example/go/{n}") for n in range(MAX_RESOLVED + 5)]
            return rss(item("https://elsewhere.example/1"), item("http://169.254.169.254/"), *many)
        assert ask.url.startswith("https://rss.example/")
        return Reply(302, ask.url, (("Location", SHORT),))

    _, asked = drive(FeedSource(ADDRESS), answers)
    assert len(asked) == 1 + MAX_RESOLVED


@pytest.mark.parametrize(
    ("reply", "state"),
    [
        (rss(), State.EMPTY),
        (rss(item("https://elsewhere.example/1")), State.NOT_UNDERSTOOD),
        (page(b"<!DOCTYPE html><html><body>Access denied</body></html>"), State.NOT_UNDERSTOOD),
        (page({"items": []}), State.EMPTY),
        (page({"error": "no such route"}), State.NOT_UNDERSTOOD),
        (page(b"\x00\xff" * 500), State.NOT_UNDERSTOOD),
        (page(b""), State.NOT_UNDERSTOOD),
        (page(b"<rss>" + b" " * 9_000_000), State.NOT_UNDERSTOOD),
        (page(b"", status=304), State.NOT_UNDERSTOOD),
        (page({}, status=403), State.REFUSED),
        (page({}, status=503), State.UNREACHABLE),
        (Reply(301, ADDRESS, (("Location", "https://new.example/f?k=secret"),)), State.NOT_UNDERSTOOD),
        (Reply(error=Message("crawler.fetch.unknown_host")), State.UNREACHABLE),
    ],
)
def test_every_other_answer_has_its_state(reply: Reply, state: State) -> None:
    found, _ = drive(FeedSource(ADDRESS), [reply])
    assert (found.state, found.posts) == (state, ())
    assert "secret" not in str(found.detail)


def test_a_feed_cannot_make_its_reader_open_a_file(tmp_path: Path) -> None:
    file = tmp_path / "feed.xml"
    file.write_bytes(rss(item(SHORT)).body)
    found, _ = drive(FeedSource(ADDRESS), [page(str(file).encode())])
    assert found.state is State.NOT_UNDERSTOOD


def test_an_entity_bomb_is_bounded() -> None:
    names = "abcdefgh"
    bomb = "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in pairwise(names))
    text = (
        f'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">{bomb}]><rss version="2.0"><channel><item><title>&h;</title>'
    )
    found, _ = drive(
        FeedSource(ADDRESS), [page(f"{text}<link>{SHORT}</link></item></channel></rss>".encode())]
    )
    assert sum(len(seen.title) for seen in found.posts) < 10_000


def test_what_is_secret_in_an_address_is_in_nothing_that_is_told() -> None:
    source = FeedSource(
        "https://rss.example/f?k=marker-9d1", "https://rss.example/f?k={env:KEY}", secret=True
    )
    found, asked = drive(source, [rss(item(SHORT))])
    assert asked[0].secret
    assert asked[0].url.endswith("marker-9d1")
    told: list[Any] = [source.name, repr(source), repr(asked[0]), found]
    assert "marker-9d1" not in str(told)


def test_feeds_of_one_path_are_told_apart_by_what_they_are_asked() -> None:
    assert feed_name("https://rss.example/f/") == "feed:rss.example/f"
    assert feed_name("https://rss.example/f?id=1") != feed_name("https://rss.example/f?id=2")
