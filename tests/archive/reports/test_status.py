"""Test the status of the archive and the reasons why it is not ready."""

from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from archive.domain.addresses import parse_address
from archive.domain.captures import Sighting
from archive.ingest.pages import import_records
from archive.reports.status import WATCHED_WITHIN, archive_status, unready
from archive.repository import runs
from archive.repository.captures import store_captures
from archive.repository.frontier import record_sightings
from archive.repository.sources import SourceReport, record_report
from tests.archive.making import BIZ, NOW, capture, record


def codes(session: Session, hours: float = 0) -> list[str]:
    """Return the codes of the reasons why the archive is not ready so many hours after NOW."""
    return [reason.code for reason in unready(session, NOW + timedelta(hours=hours))]


def test_an_empty_archive_is_ready_and_counts_nothing(db_session: Session) -> None:
    status = archive_status(db_session, NOW)
    assert (status.posts, status.captures, status.due, status.accounts) == (0, 0, 0, [])
    assert codes(db_session) == []


def test_the_status_counts_posts_captures_and_what_is_due(db_session: Session) -> None:
    import_records(db_session, None, [record(1), record(2)], "dump", NOW)
    store_captures(db_session, None, [(None, capture(b"x" * 100))])
    record_sightings(db_session, None, [Sighting(parse_address(record(3).url), "list", NOW)], NOW)
    run_id = runs.start_run(db_session, "backfill", {}, NOW)
    status = archive_status(db_session, NOW)
    assert (status.posts, status.versions, status.captures, status.unread) == (2, 2, 1, 1)
    assert (status.body_bytes, status.captures_by_outcome) == (100, {"unread": 1})
    assert status.due == 3, "posts of a dump have no page yet"
    assert [one["id"] for one in status.last_runs] == [run_id]


def test_a_source_that_has_not_worked_for_long_makes_the_archive_unready(db_session: Session) -> None:
    record_report(db_session, None, SourceReport(BIZ, "album:1", "ok", good=True), NOW)
    hours = WATCHED_WITHIN / timedelta(hours=1)
    assert codes(db_session, hours) == []
    assert codes(db_session, hours + 1) == ["archive.status.source_silent"]


def test_a_source_that_never_worked_makes_the_archive_unready(db_session: Session) -> None:
    record_report(db_session, None, SourceReport(BIZ, "album:1", "closed", good=False), NOW)
    (reason,) = unready(db_session, NOW)
    assert (reason.code, reason.params["account"]) == ("archive.status.source_never_worked", BIZ)


@pytest.mark.parametrize("revision", ["0001", "9999"])
def test_a_database_of_another_schema_is_not_ready(db_session: Session, revision: str) -> None:
    db_session.execute(text("UPDATE alembic_version SET version_num = :it"), {"it": revision})
    assert codes(db_session) == ["archive.status.other_schema"]
