"""Test the status of the archive and the reasons why it is not ready."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from archive.domain.addresses import parse_address
from archive.domain.captures import SightingData
from archive.domain.outcomes import Relation
from archive.domain.parsed_page import LinkRef
from archive.ingest.pages import import_records, store_parse_results
from archive.reports.status import (
    MAX_UNWATCHED,
    WATCHED_WITHIN,
    archive_status,
    data_sizes,
    unready,
    unwatched_accounts,
    unwatched_reasons,
)
from archive.repository import runs
from archive.repository.accounts import put_accounts
from archive.repository.captures import store_captures
from archive.repository.frontier import record_sightings
from archive.repository.sources import SourceReport, record_report
from tests.archive.making import BIZ, NOW, article, capture, record


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
    record_sightings(db_session, None, [SightingData(parse_address(record(3).url), "list", NOW)], NOW)
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


def test_links_between_its_own_posts_do_not_watch_an_account(db_session: Session) -> None:
    import_records(db_session, None, [record(1)], "dump", NOW)
    assert codes(db_session) == ["archive.status.incident"]
    record_report(db_session, None, SourceReport(BIZ, "neighbours", "ok", good=True), NOW)
    (unwatched,) = unwatched_accounts(db_session)
    assert (unwatched.biz, unwatched.message.code) == (BIZ, "archive.unwatched.no_album")
    status = archive_status(db_session, NOW)
    assert [one["watched"] for one in status.accounts] == [False]
    assert "`feeds`" in status.not_watched[0]["remedy"]
    record_report(db_session, None, SourceReport(BIZ, "feed:x", "ok", good=True), NOW)
    assert (unwatched_accounts(db_session), codes(db_session)) == ([], [])
    assert archive_status(db_session, NOW).accounts[0]["watched"]


def test_a_source_that_stopped_is_not_made_good_by_links_between_posts(db_session: Session) -> None:
    record_report(db_session, None, SourceReport(BIZ, "feed:x", "ok", good=True), NOW)
    later = NOW + WATCHED_WITHIN + timedelta(hours=1)
    record_report(db_session, None, SourceReport(BIZ, "neighbours", "ok", good=True), later)
    assert codes(db_session, (later - NOW) / timedelta(hours=1)) == ["archive.status.source_silent"]


def test_the_remedy_names_the_albums_of_the_accounts_posts(db_session: Session) -> None:
    (capture_id,) = store_captures(db_session, None, [(None, capture())])
    album = LinkRef(Relation.ALBUM, "77", "", 0, "合集")
    store_parse_results(db_session, None, [(capture_id, article(record(), links=(album,)))], NOW, 1)
    (reason,) = unready(db_session, NOW)
    assert 'write `albums = ["77"]` under its [[accounts]]' in str(reason)


def test_of_many_accounts_without_a_source_the_first_are_named_and_the_others_counted(
    db_session: Session,
) -> None:
    put_accounts(db_session, {str(number): "" for number in range(MAX_UNWATCHED + 2)})
    *named, more = unwatched_reasons(unwatched_accounts(db_session))
    assert len(named) == MAX_UNWATCHED
    assert str(more) == "2 more accounts are not watched; see `mparchive status --json`"


@pytest.mark.parametrize("revision", ["0001", "9999"])
def test_a_database_of_another_schema_is_not_ready(db_session: Session, revision: str) -> None:
    db_session.execute(text("UPDATE alembic_version SET version_num = :it"), {"it": revision})
    assert codes(db_session) == ["archive.status.other_schema"]


def test_the_sizes_of_the_data_are_those_of_the_database_and_its_disks(
    db_session: Session, tmp_path: Path
) -> None:
    sizes = data_sizes(db_session, [tmp_path, tmp_path / "away"])
    assert sizes.database_bytes > 1_000_000
    assert list(sizes.free_bytes) == [str(tmp_path)]
    assert sizes.free_bytes[str(tmp_path)] > 0
