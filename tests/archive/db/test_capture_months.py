"""Test that captures lie in the partitions of their months, and that none is lost where one is missing."""

import logging
from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from archive.db.engine import engine_at, open_archive, transaction
from archive.db.models import SERIALS
from archive.db.schema import (
    MONTHS_AHEAD,
    add_capture_months,
    capture_months,
    ensure_capture_months,
)
from archive.db.settings import ArchiveSettings
from archive.integrity.verifier import verify_archive
from archive.repository import captures as captures_repository
from archive.repository.capture_selection import Selection, selected_captures
from archive.repository.captures import load_capture, store_captures
from archive.storage.media_files import MediaFolder
from tests.archive.integrity.filling import context_at
from tests.archive.making import capture
from tests.support.database import as_reader

PRESENT = text("SELECT to_char(timezone('UTC', now()), 'YYYYMM')::integer")
PLACE = text("SELECT tableoid::regclass::text FROM captures WHERE id = :id")
HAS_STATISTICS = text("SELECT EXISTS (SELECT FROM pg_stats WHERE tablename = 'captures' AND inherited)")
LOST_CLOCK = 197003  # the month that a machine without a battery believes in


def store(session: Session, *bodies: bytes) -> list[int]:
    """Store captures with these bodies."""
    return store_captures(session, None, [(None, capture(body)) for body in bodies])


def remove_months(connection: Connection, months: Sequence[int]) -> None:
    """Remove the partitions of months; they are empty."""
    for month in months:
        connection.execute(text(f"ALTER TABLE captures DETACH PARTITION partitions.captures_{month}"))
        connection.execute(text(f"DROP TABLE partitions.captures_{month}"))


def with_clock_at(month: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let new ids be of this month."""
    statement = f"SELECT nextval('captures_id_seq') + {month * SERIALS} FROM generate_series(1, :count)"
    monkeypatch.setattr(captures_repository, "_NEW_IDS", text(statement))


def test_a_capture_lies_in_the_partition_of_its_month_and_its_id_is_exact_in_json(
    db_session: Session,
) -> None:
    month = db_session.scalar(PRESENT)
    first, second = store(db_session, b"1", b"2")
    assert first // SERIALS == month
    assert second == first + 1 < 2**53
    assert db_session.scalar(PLACE, {"id": first}) == f"partitions.captures_{month}"
    assert load_capture(db_session, second).body == b"2"


def test_an_archive_that_is_opened_has_the_next_months_and_statistics_of_all(
    fresh_database_url: str,
) -> None:
    settings = ArchiveSettings(database_url=fresh_database_url)
    with open_archive(settings) as engine, engine.begin() as one:
        before = capture_months(one)
        remove_months(one, before)
        store(Session(one), b"1")
        assert not one.scalar(HAS_STATISTICS)
    with open_archive(settings) as engine, engine.begin() as one:
        assert capture_months(one) == before
        assert before[0] == one.scalar(PRESENT)
        assert len(before) == 1 + MONTHS_AHEAD
        assert one.scalar(HAS_STATISTICS)


def test_rows_of_a_month_made_later_refuse_changes_also_directly_and_keep_their_references(
    db_session: Session,
) -> None:
    remove_months(db_session.connection(), capture_months(db_session.connection()))
    ensure_capture_months(db_session.connection())
    (id_,) = store(db_session, b"1")
    place = db_session.scalar(PLACE, {"id": id_})
    change, removal = f"UPDATE {place} SET status = 404", f"DELETE FROM {place}"
    for statement, why in ((change, "never change"), (removal, "foreign key")):
        with pytest.raises(DBAPIError, match=why), db_session.begin_nested():
            db_session.execute(text(statement))


@pytest.mark.parametrize("is_removed", [True, False], ids=["removed", "detached"])
def test_without_a_partition_for_the_month_a_capture_is_stored_without_it(
    engine: Engine, tmp_path: Path, is_removed: bool
) -> None:
    with transaction(engine) as session:
        month = session.scalar(PRESENT)
        session.execute(text(f"ALTER TABLE captures DETACH PARTITION partitions.captures_{month}"))
        if is_removed:
            session.execute(text(f"DROP TABLE partitions.captures_{month}"))
        (without,) = store(session, b"1")
        assert without < SERIALS
        assert session.scalar(PLACE, {"id": without}) == "partitions.captures_without_month"
    with engine.begin() as connection:
        connection.execute(text(f"DROP TABLE IF EXISTS partitions.captures_{month}"))
        ensure_capture_months(connection)
    with transaction(engine) as session:
        (later,) = store(session, b"2")
        assert later % SERIALS == without + 1
        assert later // SERIALS == month
    assert verify_archive(engine, context_at(MediaFolder(ArchiveSettings(home=tmp_path)))).is_sound


def test_months_wait_for_nobody_and_the_log_says_when_the_present_one_is_missing(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    with engine.begin() as connection:
        *others, last = capture_months(connection)
        remove_months(connection, [last])
    with engine.begin() as writer:
        writer.execute(text("LOCK TABLE addresses IN ROW EXCLUSIVE MODE"))  # as every write does
        with caplog.at_level(logging.INFO, "archive"), engine.begin() as connection:
            connection.execute(text("SET LOCAL lock_timeout = '1ms'"))
            ensure_capture_months(connection)
            assert last not in capture_months(connection)
            assert not caplog.records
    with engine.begin() as connection:
        remove_months(connection, others)
    with engine.begin() as writer:
        writer.execute(text("LOCK TABLE addresses IN ROW EXCLUSIVE MODE"))
        with caplog.at_level(logging.INFO, "archive"), engine.begin() as connection:
            ensure_capture_months(connection)
            assert capture_months(connection) == []
    (logged,) = caplog.records
    assert logged.__dict__["action"] == "months_not_made"
    with engine.begin() as connection:
        ensure_capture_months(connection)
        assert len(capture_months(connection)) == 1 + MONTHS_AHEAD


def test_readers_read_captures_and_make_no_months(engine: Engine) -> None:
    with transaction(engine) as session:
        (id_,) = store(session, b"1")
    reader = engine_at(as_reader(engine))
    with reader.connect() as connection:
        assert connection.scalar(text("SELECT id FROM captures")) == id_
        with pytest.raises(DBAPIError, match="permission denied"):
            add_capture_months(connection, [LOST_CLOCK])
    reader.dispose()


@pytest.mark.parametrize("month", [196912, 202613, 999913])
def test_what_is_no_month_gets_no_partition(db_session: Session, month: int) -> None:
    with pytest.raises(DBAPIError, match="is no month"):
        add_capture_months(db_session.connection(), [month])


def test_a_clock_set_back_or_ahead_makes_no_id_twice_and_leaves_the_order_of_storing(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = []
    with engine.begin() as connection:
        add_capture_months(connection, [LOST_CLOCK, 210001])
    for month in (202611, LOST_CLOCK, 210001, 202611):
        if month != 202611:
            with_clock_at(month, monkeypatch)
        with transaction(engine) as session:  # the last body is that of the first
            ids += store(session, b"1", str(month).encode())
        monkeypatch.undo()
    assert len(set(ids)) == 8
    assert [id_ % SERIALS for id_ in ids] == list(range(1, 9))
    with transaction(engine) as session:
        stored = [one for batch in selected_captures(session, Selection()) for one in batch]
    assert [one.id for one in stored] == ids
    assert {one.first_id for one in stored if one.sha256 == stored[0].sha256} == {ids[0]}
    report = verify_archive(engine, context_at(MediaFolder(ArchiveSettings(home=tmp_path))))
    assert report.findings == []
    assert report.checked["bytes"] == 8
