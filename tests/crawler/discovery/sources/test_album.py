import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from archive.domain.messages import Message
from crawler.discovery.screening import screen
from crawler.discovery.source import Fetch, Reply, State
from crawler.discovery.sources.album import MAX_PAGES, Album, read_listing
from tests.crawler.discovery.driving import BIZ, NOW, drive, page, post_url, query
from tests.standin.account import Post
from tests.standin.album import album_page
from tests.standin.publishing import pushed
from tests.support.captures import capture, capture_names, needs_captures

PER_PAGE = 20


def item(number: int, place: int | None = None) -> dict[str, str]:
    return {
        "create_time": str(1_770_000_000 + number * 3600),
        "itemidx": "1",
        "key": f"3999000001_{2650000000 + number}_1",
        "msgid": str(2650000000 + number),
        "pos_num": str(place if place is not None else number),
        "title": f"合成第{number}篇 &amp; 更多",
        "url": post_url(number),
    }


class Server:
    """An album of posts (by number), the newest put in last, as WeChat lists it."""

    def __init__(self, numbers: list[int], *, oldest_first: bool = False, turns: bool = True):
        self.numbers = numbers
        self.oldest_first = oldest_first
        self.turns = turns  # whether is_reverse has any effect

    def __call__(self, ask: Fetch) -> Reply:
        asked = query(ask)
        turned = self.turns and asked["is_reverse"] == "1"
        numbers = self.numbers if self.oldest_first != turned else self.numbers[::-1]
        items = [item(number, self.numbers.index(number) + 1) for number in numbers]
        begin = asked.get("begin_msgid")
        start = next((n + 1 for n, one in enumerate(items) if one["msgid"] == begin), 0)
        return self.answer(items[start : start + PER_PAGE], len(items) > start + PER_PAGE, start == 0)

    def answer(self, items: list[dict[str, str]], more: bool, first: bool) -> Reply:
        info = {"article_count": str(len(self.numbers))} if first else {"is_first_screen": "0"}
        found: dict[str, Any] = {"base_info": info, "continue_flag": "1" if more else "0"}
        if items:
            found["article_list"] = items if len(items) > 1 else items[0]
        return page({"base_resp": {"ret": 0}, "getalbum_resp": found})


def test_an_album_is_listed_page_by_page_without_any_login() -> None:
    found, asked = drive(Album(BIZ, "77"), Server(list(range(1, 46))))
    assert found.state is State.OK
    assert len(found.posts) == 45
    assert len(asked) == 3
    assert query(asked[0]) | {"count": "20", "album_id": "77", "f": "json"} == query(asked[0])
    assert [query(ask).get("begin_msgid") for ask in asked] == [None, "2650000026", "2650000006"]
    assert not any(ask.secret or ask.headers for ask in asked)
    assert found.posts[0].title == "合成第45篇 & 更多"
    assert found.newest == found.posts[0].published_at
    assert "chksm=" in found.posts[0].url


def test_a_single_post_comes_as_an_object_instead_of_a_list() -> None:
    found, _ = drive(Album(BIZ, "77"), Server([7]))
    assert [seen.url for seen in found.posts] == [post_url(7)]


@pytest.mark.parametrize("url", [None, "", 7])
def test_an_item_without_an_address_is_counted(url: object) -> None:
    server = Server([1, 2])
    first = item(1) | {"url": url}
    found, _ = drive(Album(BIZ, "77"), [server.answer([item(2), first], more=False, first=True)])  # type: ignore[list-item]
    screened = screen(found, BIZ, "album:77", NOW).findings
    assert [post.url for post in screened.posts] == [post_url(2)]
    assert screened.warnings == (Message("crawler.screening.no_post", {"n": 1}),)


def test_only_the_pages_before_what_is_known_are_asked_for() -> None:
    album, server = Album(BIZ, "77"), Server(list(range(1, 100)))
    first, asked = drive(album, server)
    assert len(asked) == 5
    server.numbers.extend((100, 101))
    second, asked = drive(album, server, first.memory)
    assert len(asked) == 1
    assert {seen.url for seen in second.posts} > {post_url(100), post_url(101)}


def test_a_post_put_in_between_is_found_though_the_newest_are_known() -> None:
    album, server = Album(BIZ, "77"), Server(list(range(1, 100)))
    first, _ = drive(album, server)
    server.numbers.insert(10, 500)
    second, asked = drive(album, server, first.memory)
    assert post_url(500) in {seen.url for seen in second.posts}
    assert len(asked) == 5
    _, asked = drive(album, server, second.memory)
    assert len(asked) == 1, "the next try would ask for all of it again"


def test_deleted_newest_posts_do_not_hide_what_is_known() -> None:
    album, server = Album(BIZ, "77"), Server(list(range(1, 100)))
    first, _ = drive(album, server)
    del server.numbers[-15:]
    _, asked = drive(album, server, first.memory)
    assert len(asked) == 1


def test_an_album_with_its_oldest_post_first_is_turned_and_remembered_so() -> None:
    album, server = Album(BIZ, "77"), Server(list(range(1, 46)), oldest_first=True)
    first, asked = drive(album, server)
    assert len(first.posts) == 45
    assert [query(ask)["is_reverse"] for ask in asked] == ["0", "1", "1", "1"]
    server.numbers.append(46)
    second, asked = drive(album, server, first.memory)
    assert [query(ask)["is_reverse"] for ask in asked] == ["1"]
    assert second.posts[0].url == post_url(46)


def test_an_album_that_cannot_be_turned_is_gone_on_with_at_its_end() -> None:
    album, server = Album(BIZ, "77"), Server(list(range(1, 90)), oldest_first=True, turns=False)
    first, asked = drive(album, server)
    assert len(first.posts) == 89
    server.numbers.append(90)
    second, asked = drive(album, server, first.memory)
    assert post_url(90) in {seen.url for seen in second.posts}
    assert len(asked) == 3  # both directions, and what follows the last post known


def test_a_long_album_is_gone_through_in_several_tries() -> None:
    album, server = Album(BIZ, "77"), Server(list(range(1, MAX_PAGES * PER_PAGE + 200)))
    seen: set[str] = set()
    memory: dict[str, Any] = {}
    for expected in (MAX_PAGES, 11, 1):
        found, asked = drive(album, server, memory)
        assert len(asked) == expected
        memory = json.loads(json.dumps(found.memory))
        seen |= {one.url for one in found.posts}
    assert len(seen) == MAX_PAGES * PER_PAGE + 199


def test_a_server_that_repeats_one_page_for_ever_is_left() -> None:
    server = Server([1, 2, 3])
    always = server.answer([item(n) for n in (3, 2, 1)], more=True, first=True)
    found, asked = drive(Album(BIZ, "77"), lambda _: always)
    assert found.state is State.OK
    assert len(asked) == 2


def test_what_was_seen_before_a_failure_counts_and_the_rest_is_asked_for_again() -> None:
    server = Server(list(range(1, 46)))
    replies = [server.answer([item(n) for n in range(45, 25, -1)], more=True, first=True)]
    replies.append(Reply(error=Message("crawler.fetch.timeout", {"limit": 60})))
    found, _ = drive(Album(BIZ, "77"), replies, {"newest": ["x"]})
    assert found.state is State.UNREACHABLE
    assert str(found.detail) == "no answer within 60 s"
    assert len(found.posts) == 20
    assert found.memory == {"newest": ["x"]}


@pytest.mark.parametrize(
    ("reply", "state"),
    [
        (page({"base_resp": {"ret": 0}, "getalbum_resp": {"continue_flag": "0"}}), State.EMPTY),
        (page({"base_resp": {"ret": -3}}), State.REFUSED),
        (page({"base_resp": {"ret": 200013}}), State.RATE_LIMITED),
        (page({"base_resp": {"ret": 0}}), State.NOT_UNDERSTOOD),
        (page({}), State.NOT_UNDERSTOOD),
        (page([]), State.NOT_UNDERSTOOD),
        (page(b""), State.NOT_UNDERSTOOD),
        (page(b"[" * 100_000), State.NOT_UNDERSTOOD),
        (page(b"<html><body>hello</body></html>"), State.NOT_UNDERSTOOD),
        (page({}, status=429), State.RATE_LIMITED),
        (page({}, status=502), State.UNREACHABLE),
        (page({}, status=404), State.REFUSED),
        (Reply(302, "https://mp.weixin.qq.com/x", (("Location", "https://elsewhere.invalid/y?z"),)),
         State.NOT_UNDERSTOOD),
        (page(b"", url="https://mp.weixin.qq.com/mp/wappoc_appmsgcaptcha?poc_token=x"), State.VERIFICATION),
    ],
)  # fmt: skip
def test_every_other_answer_has_its_state(reply: Reply, state: State) -> None:
    found, asked = drive(Album(BIZ, "77"), lambda _: reply)
    assert (found.state, found.posts) == (state, ())
    assert len(asked) <= 2, "the listing, and where that is refused the album's web page"
    assert found.state.remedy
    assert not found.state.good


def made_posts(count: int) -> list[Post]:
    pushes = (pushed(number, 1, NOW - timedelta(days=count - number)) for number in range(1, count + 1))
    return [replace(post, album="77") for push in pushes for post in push]


@pytest.mark.parametrize(
    "refusal",
    [
        page({"base_resp": {"ret": -3, "err_msg": "no session"}}),
        page({"base_resp": {"ret": 0}}),
        page(b"synthetic: neither JSON nor a page"),
    ],
)
def test_the_web_page_of_an_album_is_read_where_the_listing_is_refused(refusal: Reply) -> None:
    shown = page(album_page("77", made_posts(12)))
    found, asked = drive(Album(BIZ, "77"), [refusal, shown])
    assert "f" not in query(asked[1])
    assert (found.state, len(found.posts)) == (State.PARTLY, 10)
    assert "the listing was refused" in str(found.detail)
    again, asked = drive(Album(BIZ, "77"), [shown], found.memory)
    assert (again.state, len(asked)) == (State.OK, 1), "all up to a known post are shown, by one request"
    memory = again.memory | {"refused_at": "2026-02-01T00:00:00+00:00"}
    found, asked = drive(Album(BIZ, "77"), Server([1, 2]), memory)
    assert (found.state, query(asked[0])["f"]) == (State.OK, "json"), "the listing is tried again after a day"
    assert "refused_at" not in found.memory


def test_an_album_that_is_refused_in_both_forms_is_refused() -> None:
    found, asked = drive(Album(BIZ, "77"), lambda _: page({"base_resp": {"ret": -3}}))
    assert (found.state, len(asked)) == (State.REFUSED, 2)


def test_a_demand_for_verification_of_the_web_page_is_one() -> None:
    challenge = page(b"", url="https://mp.weixin.qq.com/mp/wappoc_appmsgcaptcha?poc_token=x")
    found, _ = drive(Album(BIZ, "77"), [page({"base_resp": {"ret": -3}}), challenge])
    assert found.state is State.VERIFICATION


@needs_captures
@pytest.mark.parametrize("name", capture_names("json_album"))
def test_real_listings_are_read_whole(name: str) -> None:
    raw = json.loads(capture(name))["getalbum_resp"]
    listing = read_listing(page(capture(name)))
    assert [seen.url for _, seen in listing.posts] == [one["url"] for one in raw["article_list"]]
    assert [seen.title for _, seen in listing.posts] == [one["title"] for one in raw["article_list"]]
    assert all(seen.published_at for _, seen in listing.posts)
    assert listing.more is (raw["continue_flag"] == "1")
    assert not listing.oldest_first


@needs_captures
def test_the_real_end_of_a_listing_is_one() -> None:
    listing = read_listing(page(capture("json_errors/quoted-getalbum-empty.json.gz")))
    assert (listing.posts, listing.more) == ((), False)


@needs_captures
@pytest.mark.parametrize("name", capture_names("album_html"))
def test_an_albums_web_page_tells_its_first_posts_and_that_there_are_more(name: str) -> None:
    listing = read_listing(page(capture(name)))
    assert len(listing.posts) == 10
    assert listing.more
    assert listing.count == 77
    assert all("chksm=" in seen.url and "&amp;" not in seen.url for _, seen in listing.posts)
    assert all(seen.title and seen.published_at for _, seen in listing.posts)


@needs_captures
@pytest.mark.parametrize("name", capture_names("error_verify"))
def test_a_real_challenge_in_place_of_a_listing_is_told_from_a_page(name: str) -> None:
    found, _ = drive(Album(BIZ, "77"), [page(capture(name))])
    assert found.state is State.VERIFICATION
