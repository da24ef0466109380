"""Test the list of changes: its kinds and dates, filters, paging, and that it grows with its length."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from archive.db.models import Post, Version
from archive.domain.addresses import parse_address
from archive.domain.captures import SightingData
from archive.domain.outcomes import ChangeKind, Outcome, PostMark
from archive.domain.parsed_page import ParsedPage
from archive.domain.records import Record
from archive.ingest.pages import import_records, store_parse_results
from archive.reports.changes import (
    ChangeFilter,
    MonthlyChanges,
    PostChange,
    change_page,
    changes_by_month,
    stream_changes,
)
from archive.repository import post_queries
from archive.repository.captures import store_captures
from archive.repository.frontier import record_sightings
from archive.repository.post_queries import CursorError
from archive.repository.versions import versions_of
from tests.archive.making import BIZ, NOW, article, capture, record

NEW, EDITED, REMOVED, RESTORED = ChangeKind
EVERYTHING = ChangeFilter()


def fetch(session: Session, post: Record, page: ParsedPage, minutes: int) -> int:
    """Store a page of a post's address, fetched so many minutes after NOW and recorded much later."""
    seen = SightingData(parse_address(post.url), "list", NOW)
    address = record_sightings(session, None, [seen], NOW)[0].address_id
    body = f"{post.aid} {minutes}".encode()
    (id_,) = store_captures(session, None, [(address, capture(body, minutes=minutes))])
    store_parse_results(session, None, [(id_, page)], NOW + timedelta(days=9), 1)
    return id_


def listed(changes: Sequence[PostChange]) -> list[tuple[str, str, int]]:
    """Return aid, kind and minutes after NOW of changes."""
    return [(one.aid, one.kind, int((one.at - NOW) / timedelta(minutes=1))) for one in changes]


@pytest.fixture
def changed(db_session: Session) -> Session:
    """Store a post that is edited, removed and restored, one that is only new, and one of a dump."""
    first = record(1, text="一二三\r", title="原来的标题")
    fetch(db_session, first, article(first), 0)
    fetch(db_session, first, article(record(1, text="一二三四五\r", title="新的标题")), 10)
    fetch(db_session, first, ParsedPage(Outcome.DELETED, reason="该内容已被发布者删除"), 20)
    fetch(db_session, first, article(record(1, text="一二三四五\r", title="新的标题")), 30)
    fetch(db_session, record(2), article(record(2)), 10)
    import_records(db_session, None, [record(3)], "dump", NOW + timedelta(minutes=25))
    return db_session


@pytest.mark.slow
def test_every_kind_of_change_is_listed_by_the_time_of_its_page_newest_first(changed: Session) -> None:
    changes = list(stream_changes(changed, EVERYTHING))
    assert listed(changes) == [
        ("1001_1", "restored", 30),
        ("1003_1", "new", 25),
        ("1001_1", "removed", 20),
        ("1001_1", "edited", 10),
        ("1002_1", "new", 10),
        ("1001_1", "new", 0),
    ]
    restored, _, removed, edited, _, new = changes
    assert (edited.title, edited.previous_title) == ("新的标题", "原来的标题")
    assert (edited.version, edited.previous_version) == (2, 1)
    assert (edited.previous_characters, edited.characters) == (4, 6)
    assert new.title == "原来的标题"
    assert (removed.outcome, removed.reason) == ("deleted", "该内容已被发布者删除")
    assert (removed.last_seen_at, restored.missing_since) == (NOW + timedelta(minutes=10), removed.at)
    assert all(one.biz == BIZ and one.account == "示例账号" for one in changes)


@pytest.mark.slow
@pytest.mark.parametrize("limit", [1, 2, 4])
def test_pages_follow_each_other_to_the_end_also_within_one_instant(changed: Session, limit: int) -> None:
    paged: list[PostChange] = []
    page = change_page(changed, EVERYTHING, None, limit)
    while True:
        paged += page.changes
        if page.next is None:
            break
        assert len(page.changes) == limit
        page = change_page(changed, EVERYTHING, page.next, limit)
    assert paged == list(stream_changes(changed, EVERYTHING))


@pytest.mark.slow
def test_filters_select_kinds_accounts_and_days_of_beijing(changed: Session) -> None:
    def aids(**more: object) -> list[tuple[str, str, int]]:
        return listed(list(stream_changes(changed, ChangeFilter(**more))))  # type: ignore[arg-type]

    assert aids(kinds=frozenset({EDITED, REMOVED})) == [("1001_1", "removed", 20), ("1001_1", "edited", 10)]
    assert len(aids(account=BIZ)) == len(aids(account="示例账号")) == len(aids())
    assert aids(account="nobody\x00") == []
    day = date(2026, 3, 2)  # NOW is noon of it in Beijing
    assert len(aids(since=day, until=day)) == len(aids())
    assert aids(since=day + timedelta(days=1)) == aids(until=day - timedelta(days=1)) == []
    assert len(aids(since=date.min, until=date.max)) == len(aids())


def test_a_change_at_midnight_belongs_to_the_day_that_begins_in_beijing(db_session: Session) -> None:
    midnight = datetime(2026, 3, 1, 16, 0, tzinfo=UTC)
    import_records(db_session, None, [record(1)], "dump", midnight)
    import_records(db_session, None, [record(2)], "dump", midnight - timedelta(microseconds=1))
    (later,) = stream_changes(db_session, ChangeFilter(since=date(2026, 3, 2)))
    (earlier,) = stream_changes(db_session, ChangeFilter(until=date(2026, 3, 1)))
    assert (later.aid, earlier.aid) == ("1001_1", "1002_1")


def test_an_earlier_page_that_is_found_later_is_the_first_state_of_its_post(db_session: Session) -> None:
    post = record(1, text="后来的正文\r")
    fetch(db_session, post, article(post), 50)
    fetch(db_session, post, article(record(1, text="原来的正文\r")), 5)
    changes = list(stream_changes(db_session, EVERYTHING))
    assert listed(changes) == [("1001_1", "edited", 50), ("1001_1", "new", 5)]
    assert (changes[0].previous_version, changes[0].version) == (2, 1)


def test_a_version_that_only_a_later_parser_found_is_no_edit(db_session: Session) -> None:
    post = record(1)
    id_ = fetch(db_session, post, article(post), 0)
    store_parse_results(db_session, None, [(id_, article(record(1, text="另一种解析\r")))], NOW, 2)
    (stored,) = post_queries.find_posts(db_session, post.aid)
    assert [one.source for one in versions_of(db_session, stored)] == ["page", "reparse"]
    assert listed(list(stream_changes(db_session, EVERYTHING))) == [("1001_1", "new", 0)]


@pytest.mark.parametrize("cursor", ["x", "WzFd", "WzEsMSwxLDFd", "Wy0xLDEsMV0", "W251bGwsMSwxXQ", "ä"])
def test_a_cursor_that_no_page_gave_is_refused(db_session: Session, cursor: str) -> None:
    with pytest.raises(CursorError):
        change_page(db_session, EVERYTHING, cursor, 10)


@pytest.mark.slow
def test_a_page_takes_the_same_number_of_statements_however_long_it_is(changed: Session) -> None:
    statements: list[str] = []
    bind = changed.get_bind()
    event.listen(bind, "before_cursor_execute", lambda *given: statements.append(given[2]))
    change_page(changed, EVERYTHING, None, 2)
    few = len(statements)
    change_page(changed, EVERYTHING, None, 100)
    assert few == len(statements) - few == 4


@pytest.mark.slow
def test_descriptions_name_what_changed_in_both_languages(changed: Session) -> None:
    restored, new, removed, edited, *_ = stream_changes(changed, EVERYTHING)
    assert edited.description().text("en") == "version 2: 4 → 6 characters; the title was “原来的标题”"
    assert edited.description().text("zh") == "第 2 版：4 → 6 字；原标题：“原来的标题”"
    assert removed.description().text("en") == "deleted by its author; last seen 2026-03-02 12:10"
    assert removed.description().text("zh") == "作者已删除；最后一次可见于 2026-03-02 12:10"
    assert restored.description().text("en") == "available again; it had been missing since 2026-03-02 12:20"
    assert new.description().text("zh") == "8 字"


@pytest.mark.slow
def test_edits_removals_and_returns_are_counted_by_month(changed: Session) -> None:
    fetch(changed, record(2), article(record(2, text="改过\r")), 60 * 24 * 60)  # 60 days later
    march, may = MonthlyChanges(date(2026, 3, 1), (1, 1, 1)), MonthlyChanges(date(2026, 5, 1), (1, 0, 0))
    empty = MonthlyChanges(date(2026, 4, 1), (0, 0, 0))
    assert changes_by_month(changed, EVERYTHING) == [march, empty, may]
    assert changes_by_month(changed, ChangeFilter(account="nobody")) == []
    assert changes_by_month(changed, ChangeFilter(kinds=frozenset({NEW}))) == []
    assert changes_by_month(changed, ChangeFilter(kinds=frozenset({EDITED}), until=date(2026, 4, 30))) == [
        MonthlyChanges(date(2026, 3, 1), (1, 0, 0))
    ]


@pytest.mark.slow
def test_a_month_that_is_not_counted_whole_is_left_out(
    changed: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch(changed, record(2), article(record(2, text="改过\r")), 60 * 24 * 60)
    fetch(changed, record(2), article(record(2, text="又改过\r")), 60 * 24 * 95)
    monkeypatch.setattr("archive.reports.changes.MAX_COUNTED", 2)  # the newer of three edits, of May and June
    assert [one.month for one in changes_by_month(changed, EVERYTHING)] == [date(2026, 6, 1)]


def test_an_older_page_with_the_same_text_that_comes_later_is_no_edit(db_session: Session) -> None:
    post = record(1, text="一二三\r")
    fetch(db_session, post, article(post), 10)
    fetch(db_session, post, article(post), 0)
    (post_id,) = db_session.scalars(select(Post.id))
    assert len(db_session.scalars(select(Version.id)).all()) == 2
    assert listed(list(stream_changes(db_session, EVERYTHING))) == [("1001_1", "new", 0)]
    assert post_queries.marks_of(db_session, [post_id]) == {}
    fetch(db_session, post, article(record(1, text="一二三四\r")), 20)
    assert listed(list(stream_changes(db_session, EVERYTHING))) == [
        ("1001_1", "edited", 20),
        ("1001_1", "new", 0),
    ]
    assert post_queries.marks_of(db_session, [post_id]) == {post_id: [PostMark.EDITED]}
