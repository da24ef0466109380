"""What the database derives follows every change of the tables, and can be computed anew."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine, func, select, text
from sqlalchemy.orm import Session

from archive.db.engine import transaction
from archive.db.models import Address, Capture, Medium, Post, Version
from archive.db.settings import ArchiveSettings
from archive.integrity.check import CheckContext, RowRange
from archive.integrity.checks.derived import check_derived
from archive.reports.status import archive_status
from archive.repository.derived import (
    CHANGES,
    COUNTERS,
    counter_differences,
    counts,
    hour_of,
    posts_with_other_changes,
    start_of_hour,
)
from archive.repository.search_index import rebuild_search_index
from archive.storage.media_files import MediaFolder
from crawler.parse.page import classify
from tests.archive.filled import fill
from tests.archive.making import NOW
from tests.web.seeding import fill as fill_with_edits

LATER = NOW + timedelta(days=3, minutes=17)
MOVES = (  # changes of every counted table, by one row and by many
    "UPDATE addresses SET next_fetch_at = timestamptz '2026-03-05 04:10+00' WHERE id % 2 = 0",
    "UPDATE addresses SET next_fetch_at = NULL, last_outcome = 'no_answer' WHERE id % 3 = 0",
    "UPDATE addresses SET url = replace(url, 'chksm=', 'x=') WHERE id % 5 = 0",
    "UPDATE parse_results SET is_current = false WHERE id = (SELECT max(id) FROM parse_results)",
    "INSERT INTO captures"
    " (requested_url, final_url, status, headers, body_size, sha256, fetched_at, rendered)"
    " SELECT 'u', 'u', 200, '[]', body_size, sha256, fetched_at + interval '90 days', false FROM captures",
    "DELETE FROM captures WHERE requested_url = 'u' AND id % 2 = 0",
    "INSERT INTO unparsed_captures SELECT id FROM captures"
    " WHERE id NOT IN (SELECT capture_id FROM parse_results WHERE is_current)"
    " AND id NOT IN (SELECT capture_id FROM unparsed_captures)",
    "UPDATE media SET next_fetch_at = timestamptz '2026-03-05 04:05+00',"
    " expires_at = timestamptz '2026-03-05 04:00+00' + id % 40 * interval '1 minute' WHERE file_id IS NULL",
    "UPDATE media SET file_id = NULL WHERE id % 2 = 0",
    "DELETE FROM absences WHERE id = (SELECT min(id) FROM absences)",
    "UPDATE absences SET returned_at = now()",
    "INSERT INTO versions (post_id, number, title, text, content_hash, source, recorded_at)"
    " SELECT id, 90, 't', 't', 'h', 'dump', now() - interval '9 years' FROM posts WHERE id % 2 = 0",
)


def assert_right(session: Session) -> None:
    assert list(counter_differences(session)) == []
    assert posts_with_other_changes(session) == []


@pytest.mark.parametrize("filling", [fill, fill_with_edits])
def test_what_is_derived_follows_every_change(
    engine: Engine, filling: object, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = MediaFolder(ArchiveSettings(home=tmp_path_factory.mktemp("home")))
    filling(engine, folder)  # type: ignore[operator]
    with Session(engine) as session:
        assert_right(session)
        for move in MOVES:
            session.execute(text(move))
            assert_right(session)
        assert_numbers_are_those_of_the_rows(session)
        session.execute(text("SELECT derived.sum_counters()"))
        assert_right(session)
        rows = select(func.count()).select_from(COUNTERS)
        assert session.scalar(rows) == sum(map(len, counts(session, names(session)).values()))


def names(session: Session) -> list[str]:
    return list(session.scalars(select(COUNTERS.c.name).distinct()))


def assert_numbers_are_those_of_the_rows(session: Session) -> None:
    status = archive_status(session, LATER)
    for number, table in ((status.posts, Post), (status.versions, Version), (status.captures, Capture)):
        assert number == session.scalar(select(func.count()).select_from(table))
    at, expires = Address.next_fetch_at, Medium.expires_at
    assert status.due == session.scalar(select(func.count()).where(at <= LATER)) > 0
    assert status.waiting == session.scalar(select(func.count()).where(at > LATER))
    lives = expires.is_(None) | (expires > LATER)
    for name, condition in (
        ("due", Medium.next_fetch_at <= LATER),
        ("waiting", Medium.next_fetch_at > LATER),
    ):
        rows = select(Medium.type, func.count()).where(condition, lives).group_by(Medium.type)
        counted = {type_: one[name] for type_, one in status.media.items() if one[name]}
        assert counted == {row.type: row.count for row in session.execute(rows)}, name


def test_two_transactions_count_at_once_and_neither_waits(engine: Engine) -> None:
    run = text("INSERT INTO accounts (biz) VALUES (:biz) RETURNING id")
    address = text(
        "INSERT INTO addresses (biz, mid, idx, url, next_fetch_at) VALUES ('a', :mid, 1, 'u', :now)"
    )
    with transaction(engine) as session:
        session.execute(run, {"biz": "a"})
    with Session(engine) as first, Session(engine) as second:
        second.execute(text("SET LOCAL lock_timeout = '1s'"))
        for session, mid in ((first, 1), (second, 2)):
            session.execute(address, {"mid": mid, "now": NOW})
            session.execute(text("SELECT derived.sum_counters()"))
        first.commit()
        second.commit()
    with Session(engine) as session:
        scheduled = counts(session, ["addresses_scheduled"])["addresses_scheduled"]
        assert scheduled == {str(hour_of(NOW)): 2}
        assert_right(session)


def test_an_hour_begins_at_its_full_hour() -> None:
    assert start_of_hour(NOW + timedelta(minutes=59, microseconds=3)) == NOW
    assert hour_of(NOW + timedelta(minutes=59)) == hour_of(NOW) == hour_of(NOW + timedelta(hours=1)) - 1


@pytest.mark.slow
def test_what_was_changed_by_hand_is_found_and_computed_anew(
    original: tuple[Engine, MediaFolder], db_session: Session
) -> None:
    engine, folder = original
    context = CheckContext(folder, classify, 1)
    with Session(engine) as session:
        assert check_derived(RowRange(session, context)).findings == []
        session.execute(COUNTERS.insert().values(name="posts", key="1", value=1))
        post_id = session.scalar(select(CHANGES.c.post_id).limit(1))
        session.execute(CHANGES.delete().where(CHANGES.c.post_id == post_id))
        found = check_derived(RowRange(session, context)).findings
        assert [(one.table, one.id, one.message.code) for one in found] == [
            ("counters", None, "archive.integrity.counter_differs"),
            ("changes", post_id, "archive.integrity.changes_differ"),
        ]
        rebuild_search_index(session)
        assert check_derived(RowRange(session, context)).findings == []
