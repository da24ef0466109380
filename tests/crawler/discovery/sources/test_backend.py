import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crawler.discovery.source import Fetch, Reply, SourceFindings, State
from crawler.discovery.sources.backend import (
    LOGIN_LIFE,
    MAX_PAGES,
    PAGE_SIZE,
    Login,
    LoginError,
    OwnBackend,
    read_login,
)
from tests.crawler.discovery.driving import BIZ, NOW, OTHER, drive, page, post_url, query
from tests.support.captures import capture, needs_captures

MARK = "synthetic-marker-5d2c"
LOGIN = Login(f"slave_bizuin=3999000001; data_ticket={MARK}", "77005511")


def item(number: int, **more: Any) -> dict[str, Any]:
    return {
        "aid": f"{2650000000 + number}_1",
        "title": f"合成<em>第</em>{number}篇",
        "link": post_url(number),
        "create_time": 1_770_000_000 + number,
        "is_deleted": False,
    } | more


def push(*items: dict[str, Any]) -> dict[str, Any]:
    return {"publish_type": 101, "publish_info": json.dumps({"appmsgex": items})}


def published(*pushes: dict[str, Any], total: int = 100) -> Reply:
    page_text = json.dumps({"total_count": total, "publish_list": pushes})
    return page({"base_resp": {"ret": 0, "err_msg": "ok"}, "publish_page": page_text})


def refused(ret: int) -> Reply:
    return page({"base_resp": {"ret": ret, "err_msg": "synthetic"}})


def test_nested_lists_are_read_to_the_empty_page() -> None:
    nothing = {"publish_type": 1, "publish_info": ""}
    replies = [published(push(item(9), item(8, is_deleted=True)), nothing, push(item(7))), published()]
    found, asked = drive(OwnBackend(BIZ, LOGIN), replies)
    assert found.state is State.OK
    assert [seen.url for seen in found.posts] == [post_url(9), post_url(7)]
    assert found.posts[0].title == "合成第9篇"
    assert found.newest == datetime.fromtimestamp(1_770_000_009, UTC)
    assert [query(ask)["begin"] for ask in asked] == ["0", str(PAGE_SIZE)]


def test_everything_asked_is_secret_and_goes_nowhere_else() -> None:
    _, asked = drive(OwnBackend(BIZ, LOGIN), [published(push(item(1))), published()])
    for ask in asked:
        assert ask.secret
        assert not ask.follow
        assert ask.url.startswith("https://mp.weixin.qq.com/cgi-bin/appmsgpublish?")
        assert query(ask) | {"fakeid": BIZ, "token": "77005511", "f": "json"} == query(ask)
        assert ("Cookie", LOGIN.cookie) in ask.headers
        assert MARK not in repr(ask) and "77005511" not in repr(ask)
    assert MARK not in repr(LOGIN)


def test_only_what_is_new_is_listed_again() -> None:
    source = OwnBackend(BIZ, LOGIN)
    first, _ = drive(source, [published(push(item(2)), push(item(1))), published()])
    again, asked = drive(source, [published(push(item(3)), push(item(2)))], first.memory)
    assert len(asked) == 1
    assert [seen.url for seen in again.posts] == [post_url(3), post_url(2)]


def test_a_list_that_answers_the_same_whatever_is_asked_is_asked_twice() -> None:
    found, asked = drive(OwnBackend(BIZ, LOGIN), lambda ask: published(push(item(2), item(1))))
    assert (found.state, len(asked)) == (State.OK, 2)


def test_a_list_without_end_is_left_after_some_pages() -> None:
    _, asked = drive(OwnBackend(BIZ, LOGIN), lambda ask: published(push(item(int(query(ask)["begin"])))))
    assert len(asked) == MAX_PAGES


def test_numbers_may_come_as_strings() -> None:
    listed = published(push(item(1, create_time="1770000001", is_deleted="0", itemidx="1")))
    body = json.loads(listed.body) | {"base_resp": {"ret": "0"}}
    found, _ = drive(OwnBackend(BIZ, LOGIN), [page(body), published()])
    assert [seen.url for seen in found.posts] == [post_url(1)]
    assert found.newest == datetime.fromtimestamp(1_770_000_001, UTC)


@pytest.mark.parametrize(
    ("ret", "state", "remedy"),
    [
        (200003, State.LOGIN_EXPIRED, "sign in"),
        (200040, State.BAD_TOKEN, "copy both"),
        (99999, State.NOT_UNDERSTOOD, "browser"),
    ],
)
def test_each_error_of_the_back_end_has_a_state_and_a_remedy(ret: int, state: State, remedy: str) -> None:
    found, _ = drive(OwnBackend(BIZ, LOGIN), lambda _: refused(ret))
    assert found.state is state
    assert str(ret) in str(found.detail)
    assert remedy in str(found.advice)


def test_200013_is_a_pause_for_ones_own_account_and_the_end_for_any_other() -> None:
    own, _ = drive(OwnBackend(BIZ, LOGIN), [refused(200013)])
    other, asked = drive(OwnBackend(OTHER, LOGIN), [refused(200013)])
    assert (own.state, other.state) == (State.RATE_LIMITED, State.CLOSED)
    assert len(asked) == 1
    assert "waiting does not help" in str(other.advice)


def test_a_cookie_that_does_not_tell_its_account_is_judged_by_what_it_has_listed() -> None:
    source = OwnBackend(BIZ, Login("data_ticket=x", "1"))
    never, _ = drive(source, [refused(200013)])
    before, _ = drive(source, [refused(200013)], {"listed": True})
    assert (never.state, before.state) == (State.CLOSED, State.RATE_LIMITED)


def test_the_older_list_is_asked_where_the_newer_is_refused() -> None:
    older = page({"base_resp": {"ret": 0}, "app_msg_cnt": 1, "app_msg_list": [item(4)]})
    end = page({"base_resp": {"ret": 0}, "app_msg_list": []})
    found, asked = drive(OwnBackend(BIZ, LOGIN), [refused(200002), older, end])
    assert found.state is State.OK
    assert [seen.url for seen in found.posts] == [post_url(4)]
    assert query(asked[1])["action"] == "list_ex"


def test_where_both_lists_are_refused_the_newer_ones_reason_is_told() -> None:
    found, asked = drive(OwnBackend(BIZ, LOGIN), [refused(200002), refused(200003)])
    assert (found.state, len(asked)) == (State.REFUSED, 2)
    assert "200002" in str(found.detail)


@pytest.mark.parametrize(
    "reply",
    [
        page("<!DOCTYPE html><html><body>登录超时，请重新登录</body></html>".encode()),
        Reply(302, "https://mp.weixin.qq.com/x", (("Location", "/cgi-bin/loginpage?t=wxm2-login"),)),
    ],
)
def test_a_login_page_is_an_expired_login_whatever_its_status(reply: Reply) -> None:
    found, _ = drive(OwnBackend(BIZ, LOGIN), lambda _: reply)
    assert found.state is State.LOGIN_EXPIRED


def test_an_empty_list_is_no_success() -> None:
    found, _ = drive(OwnBackend(BIZ, LOGIN), [published()])
    assert (found.state, found.state.good) == (State.EMPTY, False)


def test_without_a_login_nothing_is_asked() -> None:
    found, asked = drive(OwnBackend(BIZ, None, "the environment variable LOGIN is not set"))
    assert (found.state, asked) == (State.NOT_CONFIGURED, [])
    assert str(found.detail) == "the environment variable LOGIN is not set"


@pytest.mark.parametrize(
    ("left", "words"), [(timedelta(hours=23), "about 23 h"), (-timedelta(hours=1), "any moment")]
)
def test_the_end_of_a_login_is_warned_of_before_it_comes(left: timedelta, words: str) -> None:
    login = Login(LOGIN.cookie, LOGIN.token, NOW + left)
    found = _listed(login)
    assert found.state is State.OK
    assert words in str(found.advice)


def test_a_fresh_login_is_not_warned_of() -> None:
    assert _listed(Login(LOGIN.cookie, LOGIN.token, NOW + timedelta(days=3))).advice is None


def _listed(login: Login) -> SourceFindings:
    return drive(OwnBackend(BIZ, login), [published(push(item(1))), published()])[0]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"cookie": "a=1; b=2", "token": 123}),
        "cookie: a=1; b=2\ntoken: 123\n",
        "Cookie=a=1; b=2\nTOKEN = 123",
    ],
)
def test_a_login_may_be_written_as_json_or_in_lines(text: str) -> None:
    login = read_login(text, NOW)
    assert (login.cookie, login.token, login.ends) == ("a=1; b=2", "123", NOW + LOGIN_LIFE)


def test_the_end_written_with_a_login_counts() -> None:
    login = read_login(json.dumps({"cookie": "a=1", "token": "1", "ends": "2026-03-05T08:00+08:00"}), NOW)
    assert login.ends == datetime(2026, 3, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "", "{}", "[1]", "cookie: " + MARK, "token: 1", f"cookie: {MARK}\ntoken: {MARK}",
        json.dumps({"cookie": f"{MARK}\r\nX-Evil: 1", "token": "1"}),
        json.dumps({"cookie": MARK, "token": "1", "ends": "soon"}),
    ],
)  # fmt: skip
def test_what_is_no_login_is_told_without_any_of_it(text: str) -> None:
    with pytest.raises(LoginError) as caught:
        read_login(text)
    assert MARK not in str(caught.value)


@needs_captures
def test_the_real_form_of_ones_own_list_is_read() -> None:
    body = capture("json_backend/aidwork-own_publish_list_sample.desensitised.json.gz")
    end = published()
    found, _ = drive(OwnBackend(BIZ, LOGIN), [page(body), end])
    assert len(found.posts) == 2, "a deleted post is listed, or one is missing"
    assert all(seen.published_at and seen.title for seen in found.posts)


@needs_captures
def test_the_real_older_list_is_read_without_the_searchs_marks() -> None:
    body = capture("json_backend/edison-list_ex-2018-excerpt.json.gz")
    raw = json.loads(body)["app_msg_list"]
    end = page({"base_resp": {"ret": 0}, "app_msg_list": []})
    found, _ = drive(OwnBackend(BIZ, LOGIN), [refused(200002), page(body), end])
    assert [seen.url for seen in found.posts] == [one["link"] for one in raw]
    assert not any("<em>" in seen.title for seen in found.posts)


@needs_captures
def test_real_items_of_the_older_list_are_all_read() -> None:
    lines = capture("json_backend/wnma3mz-list_ex-app_msg_list-items.jsonl.gz").splitlines()
    items = [json.loads(line) for line in lines]
    listed = page({"base_resp": {"ret": 0}, "app_msg_list": items})
    end = page({"base_resp": {"ret": 0}, "app_msg_list": []})
    found, _ = drive(OwnBackend(BIZ, LOGIN), [refused(200002), listed, end])
    assert [seen.url for seen in found.posts] == [one["link"] for one in items]


@needs_captures
@pytest.mark.parametrize(
    ("name", "biz", "state"),
    [
        ("edison-list_ex-200013", OTHER, State.CLOSED),
        ("edison-list_ex-200013", BIZ, State.RATE_LIMITED),
        ("quoted-backend-200003", BIZ, State.LOGIN_EXPIRED),
    ],
)
def test_real_errors_of_the_back_end_are_told_apart(name: str, biz: str, state: State) -> None:
    def answers(_: Fetch) -> Reply:
        return page(capture(f"json_errors/{name}.json.gz"))

    assert drive(OwnBackend(biz, LOGIN), answers)[0].state is state
