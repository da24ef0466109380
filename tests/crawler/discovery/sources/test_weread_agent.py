import json
from datetime import timedelta
from typing import Any

import pytest

from archive.domain.messages import Message
from crawler.discovery.screening import MAX_ANNOUNCED, screen
from crawler.discovery.source import Fetch, Reply, State
from crawler.discovery.sources.weread_agent import MAX_CHAPTERS, WeReadAgent
from tests.crawler.discovery.driving import BIZ, NOW, drive, page

KEY = "wrk-synthetic-0c81"
TIME = 1_770_000_000
SOURCE = WeReadAgent(BIZ, KEY, "1.0.3")


def chapter(number: int, **changes: Any) -> dict[str, Any]:
    one = {"chapterUid": number, "title": f"合成第{number}篇", "updateTime": TIME + number, "isMPChapter": 1}
    return one | changes


def answer(*chapters: Any, **more: Any) -> Reply:
    return page({"errcode": 0, "chapters": list(chapters)} | more)


def test_posts_are_named_without_addresses_newest_first() -> None:
    found, asked = drive(SOURCE, [answer(chapter(1), chapter(3), chapter(2))])
    assert (found.state, found.posts) == (State.OK, ())
    assert [post.title for post in found.announced] == ["合成第3篇", "合成第2篇", "合成第1篇"]
    assert found.newest == found.announced[0].published_at
    (fetch,) = asked
    assert (fetch.method, fetch.url) == ("POST", "https://i.weread.qq.com/api/agent/gateway")
    assert json.loads(fetch.body) == {
        "api_name": "/book/chapterinfo", "bookId": "MP_WXS_3999000001", "skill_version": "1.0.3",
    }  # fmt: skip


def test_the_key_is_secret() -> None:
    found, (fetch,) = drive(SOURCE, [answer(chapter(1))])
    assert dict(fetch.headers)["Authorization"] == f"Bearer {KEY}"
    assert (fetch.secret, fetch.follow) == (True, False)
    assert KEY not in repr(fetch) + repr(SOURCE) + repr(found)


def test_the_same_titles_again_confirm_that_nothing_was_published() -> None:
    first, _ = drive(SOURCE, [answer(chapter(1))])
    again, _ = drive(SOURCE, [answer(chapter(1))], first.memory)
    assert (again.state, again.state.good) == (State.UNCHANGED, True)
    more, _ = drive(SOURCE, [answer(chapter(1), chapter(2))], first.memory)
    assert more.state is State.OK


@pytest.mark.parametrize(
    "changes",
    [{"isMPChapter": 0}, {"isMPChapter": None}, {"title": ""}, {"title": 5}],
)
def test_chapters_that_are_no_posts_are_left_out(changes: dict[str, Any]) -> None:
    found, _ = drive(SOURCE, [answer(chapter(1), chapter(2, **changes), "no chapter", None)])
    assert [post.title for post in found.announced] == ["合成第1篇"]


def test_times_may_be_milliseconds_or_missing() -> None:
    found, _ = drive(SOURCE, [answer(chapter(1, updateTime=(TIME + 9) * 1000), chapter(2, updateTime=0))])
    first, second = found.announced
    assert first.published_at
    assert first.published_at.timestamp() == TIME + 9
    assert second.published_at is None


def test_ten_thousand_chapters_are_read_up_to_a_bound() -> None:
    found, _ = drive(SOURCE, [answer(*map(chapter, range(10_000)))])
    assert len(found.announced) == MAX_CHAPTERS
    assert found.announced[0].title == "合成第9999篇"


@pytest.mark.parametrize(
    ("reply", "state", "code"),
    [
        (page({"errcode": -2010}), State.REFUSED, "crawler.weread_agent.key_refused"),
        (page({"errcode": -2013}), State.REFUSED, "crawler.weread_agent.refused"),
        (page({"errcode": "-2014"}), State.RATE_LIMITED, "crawler.weread_agent.too_often"),
        (page({"errcode": -77, "errmsg": "合成"}), State.NOT_UNDERSTOOD, "crawler.source.unknown_error"),
        (page({"errcode": 0, "upgrade_info": {"latest_version": "2.0"}}), State.REFUSED,
         "crawler.weread_agent.upgrade_demanded"),
        (page({"errcode": 0, "upgrade_info": "please"}), State.REFUSED,
         "crawler.weread_agent.upgrade_demanded"),
        (page({"errcode": 0, "chapters": []}), State.EMPTY, "crawler.weread_agent.empty"),
        (page({"errcode": 0}), State.EMPTY, "crawler.weread_agent.empty"),
        (page(b"<html>hello</html>"), State.NOT_UNDERSTOOD, "crawler.source.web_page"),
        (page({}, 401), State.REFUSED, "crawler.source.unauthorized"),
    ],
)  # fmt: skip
def test_errors_and_demands_to_upgrade_are_told_apart(reply: Reply, state: State, code: str) -> None:
    found, _ = drive(SOURCE, [reply], {"titles": ["x"]})
    assert (found.state, found.detail and found.detail.code) == (state, code)
    assert found.memory == {"titles": ["x"]}


def test_advice_to_upgrade_is_a_warning() -> None:
    found, _ = drive(SOURCE, [answer(chapter(1), upgrade_info={"latest_version": "2.0"})])
    versions = {"used": "1.0.3", "newest": "2.0"}
    assert found.state is State.OK
    assert found.warnings == (Message("crawler.weread_agent.upgrade_advised", versions),)


def test_without_a_key_nothing_is_asked() -> None:
    asked: list[Fetch] = []
    found, asked = drive(WeReadAgent(BIZ, "", "1.0.3"), [])
    assert (found.state, asked) == (State.NOT_CONFIGURED, [])


def test_what_is_named_is_remembered_with_when_it_was_first_seen() -> None:
    first = screen(drive(SOURCE, [answer(chapter(1))])[0], BIZ, "weread_agent", NOW).findings
    later, found = NOW + timedelta(hours=5), drive(SOURCE, [answer(chapter(1), chapter(2))], first.memory)[0]
    second = screen(found, BIZ, "weread_agent", later)
    assert [(one["title"], one["first_seen_at"]) for one in second.findings.memory["announced"]] == [
        ("合成第2篇", later.isoformat()), ("合成第1篇", NOW.isoformat()),
    ]  # fmt: skip
    assert (second.findings.newest, second.sightings) == (found.newest, ())


def test_what_is_remembered_is_bounded_and_not_of_the_future() -> None:
    memory: dict[str, Any] = {}
    for start in (0, 150, 300):
        found = drive(SOURCE, [answer(*map(chapter, range(start, start + 150)))], memory)[0]
        memory = screen(found, BIZ, "weread_agent", NOW).findings.memory
    assert len(memory["announced"]) == MAX_ANNOUNCED
    assert memory["announced"][0]["title"] == "合成第449篇"
    future = chapter(1, updateTime=int(NOW.timestamp()) + 3 * 86400)
    found = drive(SOURCE, [answer(future, chapter(2))])[0]
    titles = [one["title"] for one in screen(found, BIZ, "weread_agent", NOW).findings.memory["announced"]]
    assert titles == ["合成第2篇"]
