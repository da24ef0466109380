from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from archive.domain.messages import Message
from crawler.discovery.source import Fetch, Reply, SourceFindings, State
from crawler.discovery.sources.weread import MAX_PAGES, WeRead
from crawler.discovery.sources.weread_list import MAX_GROUPS, book_id
from crawler.discovery.weread_login import LoginRecord, WeReadLogin
from tests.crawler.discovery.driving import BIZ, NOW, OTHER, drive, page, query

BOOK = book_id(BIZ)
COOKIES = {"wr_vid": "390000099", "wr_skey": "synthetic-skey-0a", "wr_rt": "synthetic-rt-0b"}
TIME = 1_770_000_000
NOT_SIGNED = page({"errCode": -2041, "errMsg": "synthetic"})


@pytest.fixture
def login(tmp_path: Path) -> WeReadLogin:
    login = WeReadLogin(tmp_path)
    login.signed_in(COOKIES)
    return login


@pytest.fixture(autouse=True)
def _stopped_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archive.system.clock.now", lambda: NOW)


def review(number: int, **changes: Any) -> dict[str, Any]:
    """Return one post as the list has it."""
    token = f"AbCdEfGh~jKlMn-{number:07d}"
    info = {"title": f"合成第{number}篇", "originalId": token, "time": TIME + number}
    one = {"reviewId": f"{BOOK}_{token}", "belongBookId": BOOK, "createTime": TIME + number, "mpInfo": info}
    one |= {name: value for name, value in changes.items() if name in one}
    one["mpInfo"] = info | {name: value for name, value in changes.items() if name in info}
    return {"reviewId": one["reviewId"], "review": one}


def url(number: int) -> str:
    return f"https://mp.weixin.qq.com/s/AbCdEfGh_jKlMn-{number:07d}"


def group(*reviews: dict[str, Any]) -> dict[str, Any]:
    return {"createTime": TIME, "subCount": len(reviews), "subReviews": list(reviews)}


def listed(*groups: dict[str, Any]) -> Reply:
    return page({"reviews": list(groups), "clearAll": 0, "synckey": 1})


def look(login: WeReadLogin, answers: Any, memory: dict[str, Any] | None = None) -> SourceFindings:
    return drive(WeRead(BIZ, login), answers, memory)[0]


def test_groups_are_pushes_and_their_posts_get_short_links(login: WeReadLogin) -> None:
    found, asked = drive(
        WeRead(BIZ, login), [listed(group(review(3), review(2)), group(review(1))), listed()]
    )
    assert found.state is State.OK
    assert [post.url for post in found.posts] == [url(3), url(2), url(1)]
    assert [post.title for post in found.posts] == ["合成第3篇", "合成第2篇", "合成第1篇"]
    assert found.newest == found.posts[0].published_at
    assert [query(ask) for ask in asked] == [{"bookId": BOOK, "offset": "0"}, {"bookId": BOOK, "offset": "2"}]
    assert all(ask.secret and not ask.follow and not ask.retry for ask in asked)
    assert all("synthetic-skey-0a" not in repr(ask) for ask in asked)


def test_reading_stops_at_the_first_push_that_is_known(login: WeReadLogin) -> None:
    first = look(login, [listed(group(review(1))), listed()])
    found, asked = drive(WeRead(BIZ, login), [listed(group(review(2)), group(review(1)))], first.memory)
    assert ([post.url for post in found.posts], len(asked)) == ([url(2)], 1)
    nothing, asked = drive(WeRead(BIZ, login), [listed(group(review(2)), group(review(1)))], found.memory)
    assert (nothing.state, nothing.posts, len(asked)) == (State.UNCHANGED, (), 1)
    assert nothing.newest


def test_a_post_added_to_a_known_push_is_found(login: WeReadLogin) -> None:
    first = look(login, [listed(group(review(1))), listed()])
    found = look(login, [listed(group(review(1), review(2))), listed()], first.memory)
    assert [post.url for post in found.posts] == [url(1), url(2)]


def test_a_first_look_takes_a_bounded_number_of_pages(login: WeReadLogin) -> None:
    pages = iter(range(1, 100))
    _, asked = drive(WeRead(BIZ, login), lambda _: listed(group(review(next(pages)))))
    assert len(asked) == MAX_PAGES
    assert [ask.wait for ask in asked] == [10 * page for page in range(MAX_PAGES)], "the clock stands still"


def test_the_first_call_waits_for_the_last_of_the_look_before(login: WeReadLogin) -> None:
    login.save(LoginRecord(last_call_at=NOW - timedelta(seconds=4)))
    _, asked = drive(WeRead(BIZ, login), [listed()])
    assert asked[0].wait == 6


CHANGED: list[tuple[dict[str, Any], str]] = [
    ({"originalId": ""}, url(1)),
    ({"originalId": None}, url(1)),
    ({"reviewId": ""}, url(1)),
    ({"originalId": "", "reviewId": BOOK}, ""),
    ({"originalId": "", "reviewId": f"{BOOK}_"}, ""),
    ({"originalId": "../../x?y", "reviewId": "short"}, ""),
]


@pytest.mark.parametrize(("changes", "expected"), CHANGED)
def test_the_token_of_the_address_is_in_either_id(
    login: WeReadLogin, changes: dict[str, Any], expected: str
) -> None:
    found = look(login, [listed(group(review(1, **changes))), listed()])
    assert [post.url for post in found.posts] == ([expected] if expected else [])
    assert [post.title for post in found.announced] == ([] if expected else ["合成第1篇"])


@pytest.mark.parametrize(
    ("changes", "seconds"),
    [
        ({"time": (TIME + 5) * 1000}, TIME + 5),
        ({"time": str(TIME + 5)}, TIME + 5),
        ({"time": None}, TIME + 1),
        ({"time": None, "createTime": None}, TIME),
    ],
)
def test_times_may_be_milliseconds_or_missing(
    login: WeReadLogin, changes: dict[str, Any], seconds: int
) -> None:
    (post,) = look(login, [listed(group(review(1, **changes))), listed()]).posts
    assert post.published_at
    assert post.published_at.timestamp() == seconds


def test_a_post_without_any_time_is_listed(login: WeReadLogin) -> None:
    bare = group(review(1, time=None, createTime=None)) | {"createTime": None}
    found = look(login, [listed(bare), listed()])
    assert (found.posts[0].published_at, found.newest, found.state) == (None, None, State.OK)


def test_posts_of_another_account_are_left_out(login: WeReadLogin) -> None:
    other = review(2, belongBookId=book_id(OTHER))
    found = look(login, [listed(group(review(1), other)), listed()])
    assert [post.url for post in found.posts] == [url(1)]
    assert [one.code for one in found.warnings] == ["crawler.weread.left_out.foreign"]
    only = look(login, [listed(group(other)), listed()])
    assert (only.state, only.posts) == (State.FOREIGN, ())


def test_an_empty_list_with_success_is_empty(login: WeReadLogin) -> None:
    found = look(login, [listed()], {"newest": ["s/x"]})
    assert (found.state, found.memory) == (State.EMPTY, {"newest": ["s/x"]})


def test_ten_thousand_groups_are_read_up_to_a_bound(login: WeReadLogin) -> None:
    found = look(login, [listed(*(group(review(number)) for number in range(10_000)))])
    assert len(found.posts) == MAX_GROUPS
    assert found.warnings[0] == Message("crawler.weread.left_out.too_many", {"n": 10_000 - MAX_GROUPS})


@pytest.mark.parametrize(
    ("answer", "state", "problem"),
    [
        (page({"errCode": -2010}), State.LOGIN_EXPIRED, "login_expired"),
        (page({"errCode": -2013}), State.REFUSED, "refused"),
        (page({"errCode": -2014}), State.RATE_LIMITED, "too_often"),
        (page({"errCode": "-2014"}), State.RATE_LIMITED, "too_often"),
        (page({"errCode": -2012, "errMsg": "LOGIN ERR"}, 401), State.RATE_LIMITED, "unauthorized"),
        (page("<html>请完成验证码</html>".encode()), State.RATE_LIMITED, "captcha"),
        (page("<html>微信扫码登录</html>".encode()), State.LOGIN_EXPIRED, "login_expired"),
        (Reply(302, headers=(("Location", "https://x.qq.com/captcha"),)), State.RATE_LIMITED, "captcha"),
    ],
)
def test_a_refusal_rests_the_login_and_says_what_to_do(
    login: WeReadLogin, answer: Reply, state: State, problem: str
) -> None:
    found, asked = drive(WeRead(BIZ, login), [answer])
    assert (found.state, len(asked)) == (state, 1)
    assert found.detail == Message(f"crawler.weread.problem.{problem}")
    assert found.advice == Message(f"crawler.weread.remedy.{problem}")
    record = login.record()
    assert record.problem == problem
    assert record.rest_until
    assert not WeRead(BIZ, login).may_look(NOW + timedelta(hours=1))
    again, asked = drive(WeRead(OTHER, login), [])
    assert (again.state, asked) == (state, [])
    assert found.detail.code in str(again.detail and again.detail.dump())


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (page(b"<html>hello</html>"), State.NOT_UNDERSTOOD),
        (page(b"\x00\x01"), State.NOT_UNDERSTOOD),
        (page([]), State.NOT_UNDERSTOOD),
        (page({"ok": 1}), State.NOT_UNDERSTOOD),
        (page({"errCode": -9}), State.NOT_UNDERSTOOD),
        (page({}, 500), State.UNREACHABLE),
        (Reply(error=Message("crawler.weread.empty")), State.UNREACHABLE),
    ],
)
def test_other_failures_are_of_the_source_and_rest_no_login(
    login: WeReadLogin, answer: Reply, state: State
) -> None:
    found = look(login, [answer], {"newest": ["s/x"]})
    assert (found.state, found.memory) == (state, {"newest": ["s/x"]})
    assert login.record().rest_until is None


def renewing(renewed: Reply, after: Reply) -> Callable[[Fetch], Reply]:
    """Return answers in which the session has timed out until it is renewed."""

    def answer(ask: Fetch) -> Reply:
        if ask.url.endswith("/web/login/renewal"):
            return renewed
        return after if "renewed-skey" in dict(ask.headers)["Cookie"] else page({"errCode": -2012})

    return answer


def test_a_session_that_timed_out_is_renewed_once(login: WeReadLogin) -> None:
    renewed = page({"succ": 1})
    renewed = Reply(200, "", (("Set-Cookie", "wr_skey=renewed-skey; Path=/; Secure"),), renewed.body)
    found, asked = drive(WeRead(BIZ, login), renewing(renewed, listed()))
    assert (found.state, [ask.method for ask in asked]) == (State.EMPTY, ["GET", "POST", "GET"])
    assert [ask.wait for ask in asked] == [0, 10, 20], "the clock stands still"
    assert login.cookies() == COOKIES | {"wr_skey": "renewed-skey"}
    lost, asked = drive(WeRead(BIZ, login), renewing(renewed, page({"errCode": -2012})))
    assert (lost.state, len(asked)) == (State.LOGIN_EXPIRED, 2)


def test_a_session_that_cannot_be_renewed_has_ended(login: WeReadLogin) -> None:
    found, asked = drive(WeRead(BIZ, login), renewing(page({"errCode": -2013}), listed()))
    assert (found.state, len(asked)) == (State.LOGIN_EXPIRED, 2)


def cover(number: int) -> Reply:
    return page(
        {"name": "合成", "title": f"合成第{number}篇", "reviewId": f"{BOOK}_AbCdEfGh~jKlMn-{number:07d}"}
    )


def test_where_the_list_wants_a_signature_the_cover_gives_the_newest_post(login: WeReadLogin) -> None:
    found, asked = drive(WeRead(BIZ, login), [NOT_SIGNED, cover(5)])
    assert (found.state, found.state.good) == (State.NEWEST_ONLY, True)
    assert [post.url for post in found.posts] == [url(5)]
    assert found.warnings[0].code == "crawler.weread.newest_only"
    assert login.record().problem == "newest_only"
    again, asked = drive(WeRead(BIZ, login), [cover(5)], found.memory)
    assert (again.state, again.posts, len(asked)) == (State.NEWEST_ONLY, (), 1)


def test_the_better_way_is_tried_again_after_a_day(login: WeReadLogin) -> None:
    login.save(LoginRecord(way="cover", ways_tried_at=NOW - timedelta(hours=25), problem="newest_only"))
    assert look(login, [listed(group(review(1))), listed()]).state is State.OK
    assert (login.record().way, login.record().problem) == ("list", "")


def test_the_better_way_is_tried_once_a_day_only(login: WeReadLogin) -> None:
    login.save(LoginRecord(way="cover", ways_tried_at=NOW - timedelta(hours=25)))
    look(login, [NOT_SIGNED, cover(5)])
    _, asked = drive(WeRead(BIZ, login), [cover(5)])
    assert [ask.url.partition("?")[0] for ask in asked] == ["https://weread.qq.com/api/mp/cover"]


def test_where_nothing_is_answered_the_login_rests(login: WeReadLogin) -> None:
    found = look(login, [NOT_SIGNED, NOT_SIGNED])
    assert (found.state, found.detail) == (State.RATE_LIMITED, Message("crawler.weread.problem.signature"))
    assert login.record().rest_until


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ({"name": "合成"}, State.EMPTY),
        ({"title": "合成", "reviewId": BOOK}, State.NEWEST_ONLY),
        ({"title": "合成", "reviewId": f"{book_id(OTHER)}_AbCdEfGhIjKlMnOp"}, State.FOREIGN),
    ],
)
def test_a_cover_without_an_address_is_no_post(login: WeReadLogin, answer: Any, state: State) -> None:
    found = look(login, [NOT_SIGNED, page(answer)])
    assert (found.state, found.posts) == (state, ())
    assert len(found.announced) == (state is State.NEWEST_ONLY)


def test_the_looks_of_a_day_are_shared_by_the_accounts_of_a_login(tmp_path: Path) -> None:
    login = WeReadLogin(tmp_path, looks_a_day=2)
    login.signed_in(COOKIES)
    look(login, [listed()])
    drive(WeRead(OTHER, login), [listed()])
    found, asked = drive(WeRead(BIZ, login), [])
    assert (found.state, asked) == (State.RATE_LIMITED, [])
    assert found.detail
    assert found.detail.code == "crawler.weread.looks_used_up"


def test_a_login_that_is_missing_is_said_by_the_source(tmp_path: Path) -> None:
    missing = Message("crawler.weread.not_signed_in", {"login": "default"})
    source = WeRead(BIZ, WeReadLogin(tmp_path), missing)
    found, asked = drive(source, [])
    assert (found.state, found.detail, asked) == (State.NOT_CONFIGURED, missing, [])
    assert "mparchive login weread" in str(found.advice)
    assert source.may_look(NOW)
