import json
from typing import Any

import pytest

from crawler.discovery.source import Fetch, Reply, State
from crawler.discovery.sources.official_api import Official
from tests.crawler.discovery.driving import drive, page, post_url, query

SECRET, TOKEN = "synthetic-appsecret-8c1d", "synthetic-access-token-3b90"
SOURCE = Official("wx5f00d0000000001f", SECRET)


def entry(number: int, **more: Any) -> dict[str, Any]:
    news = {"title": f"合成第{number}篇", "url": post_url(number), "is_deleted": False} | more
    content = {"news_item": [news], "create_time": 1_770_000_000 + number}
    return {"article_id": f"a{number}", "content": content, "update_time": 1_770_000_000 + number}


class Interface:
    def __init__(self, entries: list[dict[str, Any]]):
        self.entries = entries

    def __call__(self, ask: Fetch) -> Reply:
        given = json.loads(ask.body)
        if ask.url.endswith("/stable_token"):
            return page({"access_token": TOKEN, "expires_in": 7200})
        assert query(ask) == {"access_token": TOKEN}
        shown = self.entries[given["offset"] : given["offset"] + given["count"]]
        return page({"total_count": len(self.entries), "item_count": len(shown), "item": shown})


def test_published_posts_are_listed_page_by_page() -> None:
    found, asked = drive(SOURCE, Interface([entry(n) for n in range(45, 0, -1)]))
    assert found.state is State.OK
    assert [seen.url for seen in found.posts] == [post_url(n) for n in range(45, 0, -1)]
    assert found.newest == found.posts[0].published_at
    assert [ask.method for ask in asked] == ["POST"] * 4
    assert TOKEN not in json.dumps(found.memory)


def test_all_it_asks_is_secret() -> None:
    _, asked = drive(SOURCE, Interface([entry(1)]))
    assert all(ask.secret and not ask.follow for ask in asked)
    assert not any(TOKEN in repr(ask) or SECRET in repr(ask) for ask in asked)
    assert SECRET not in repr(SOURCE)


def test_deleted_posts_are_left_out() -> None:
    found, _ = drive(SOURCE, Interface([entry(2, is_deleted=True), entry(1)]))
    assert [seen.url for seen in found.posts] == [post_url(1)]


def test_only_the_pages_before_what_is_known_are_asked_for() -> None:
    interface = Interface([entry(n) for n in range(45, 0, -1)])
    first, _ = drive(SOURCE, interface)
    _, asked = drive(SOURCE, interface, first.memory)
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("code", "state", "words"),
    [
        (40001, State.REFUSED, "AppSecret"),
        (40013, State.REFUSED, "AppID"),
        (40125, State.REFUSED, "AppSecret"),
        (40164, State.REFUSED, "IP白名单"),
        (48001, State.REFUSED, "own_backend"),
        (45009, State.RATE_LIMITED, "used up"),
        (-1, State.UNREACHABLE, "busy"),
        (61450, State.NOT_UNDERSTOOD, "61450"),
    ],
)
def test_each_error_of_the_interface_is_told_in_words(code: int, state: State, words: str) -> None:
    found, asked = drive(SOURCE, [page({"errcode": code, "errmsg": f"synthetic {SECRET[:4]}"})])
    assert (found.state, len(asked)) == (state, 1)
    assert words in str(found.detail)


def test_no_posts_at_all_is_no_success() -> None:
    found, _ = drive(SOURCE, Interface([]))
    assert found.state is State.EMPTY


def test_without_a_secret_nothing_is_asked() -> None:
    found, asked = drive(Official("wx5f00d0000000001f", "", "/run/secrets/app is empty"))
    assert (found.state, found.detail, asked) == (State.NOT_CONFIGURED, "/run/secrets/app is empty", [])
