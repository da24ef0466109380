"""Test how runs are recorded, closed and counted."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from archive.db.models import Run
from archive.domain.outcomes import RunStatus
from archive.repository import egress, runs
from archive.repository.runs import Failures, close_abandoned_runs, failed_jobs, failures_in_a_row
from crawler.run_stats import EXIT_CODES
from mparchive.crawl import _EXITS

NOW = datetime(2025, 11, 20, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_a_run_keeps_what_it_was_asked_and_how_it_ended(db_session: Session) -> None:
    run_id = runs.start_run(db_session, "backfill", {"url": "a\0b"}, NOW)
    runs.finish_run(db_session, run_id, "done", {"fetched": 2}, NOW + HOUR)
    run = db_session.get_one(Run, run_id)
    assert (run.arguments, run.counts, run.status) == ({"url": "a\ufffdb"}, {"fetched": 2}, "done")
    assert (run.started_at, run.finished_at) == (NOW, NOW + HOUR)


def test_closing_a_run_leaves_one_that_has_ended_as_it_is(db_session: Session) -> None:
    ended, killed = (runs.start_run(db_session, "fetch", {}, NOW) for _ in range(2))
    runs.finish_run(db_session, ended, "done", {}, NOW)
    for run_id in (ended, killed):
        runs.close_run(db_session, run_id, "failed", NOW + HOUR)
    db_session.expire_all()
    assert [db_session.get_one(Run, run_id).status for run_id in (ended, killed)] == ["done", "failed"]


def test_only_open_runs_of_the_command_and_egress_are_abandoned(db_session: Session) -> None:
    for command, name in (("fetch", "home"), ("fetch", "office"), ("media", "home")):
        runs.start_run(db_session, command, {}, NOW, name)
    assert close_abandoned_runs(db_session, "fetch", "home", NOW) == 1
    assert close_abandoned_runs(db_session, "fetch", "home", NOW) == 0


def test_failures_are_counted_back_to_the_last_run_that_was_none(db_session: Session) -> None:
    for hours, status in enumerate(("failed", "done", "failed", "database")):
        run_id = runs.start_run(db_session, "fetch", {}, NOW, "home")
        runs.finish_run(db_session, run_id, status, {}, NOW + hours * HOUR)
    bad = ("failed", "database")
    assert failures_in_a_row(db_session, "fetch", "home", bad) == Failures(2, NOW + 3 * HOUR)
    assert failures_in_a_row(db_session, "fetch", "office", bad) == Failures(0, None)


def test_jobs_that_were_given_up_are_counted_by_kind(db_session: Session) -> None:
    job = "INSERT INTO jobs.procrastinate_jobs (queue_name, task_name, status) VALUES ('q', 'fetch', 'doing')"
    (number,) = db_session.scalars(text(job + " RETURNING id"))
    assert failed_jobs(db_session, HOUR) == {}
    db_session.execute(text("SET LOCAL search_path TO jobs"))
    db_session.execute(text(f"SELECT procrastinate_finish_job_v1({number}, 'failed', false)"))
    db_session.execute(text("SET LOCAL search_path TO DEFAULT"))
    assert failed_jobs(db_session, HOUR) == {"fetch": 1}


def test_an_egress_of_a_run_gets_a_row_without_a_worker(db_session: Session) -> None:
    run_id = runs.start_run(db_session, "fetch", {}, NOW, "new")
    (row,) = egress.list_egresses(db_session)
    assert (db_session.get_one(Run, run_id).egress_id, row.name) == (row.id, "new")
    assert egress.live_egresses(db_session, NOW, egress.EGRESS_LIVES) == []


def test_counts_of_a_group_are_stored_by_one_name_and_read_as_a_group(db_session: Session) -> None:
    counts = {"fetched": 2, "outcomes": {"article": 1, "deleted": 1}, "not_asked": 0}
    run_id = runs.start_run(db_session, "fetch", {}, NOW)
    runs.finish_run(db_session, run_id, "done", counts, NOW, reasons={"fetched": "a\0b"})
    run = db_session.get_one(Run, run_id)
    flat = {"fetched": 2, "outcomes.article": 1, "outcomes.deleted": 1, "not_asked": 0}
    assert (run.counts, run.reasons) == (flat, {"fetched": "a\ufffdb"})
    assert runs.run_result(db_session, run_id) == ("done", counts)


def test_options_are_stored_as_values_of_json() -> None:
    options = {
        "inputs": ("a", "b"), "since": date(2026, 3, 1), "limit": 5, "fetch": True, "replay": Path("x/y"),
        "url": None, "dry_run": False, "aids": (), "share": 0.5,
    }  # fmt: skip
    assert runs.option_values(options) == {
        "inputs": ["a", "b"], "since": "2026-03-01", "limit": 5, "fetch": True, "replay": "x/y", "share": 0.5,
    }  # fmt: skip
    assert runs.option_values({"inputs": ("a", "b"), "limit": 5}, str.upper) == {
        "inputs": ["A", "B"],
        "limit": 5,
    }
    with pytest.raises(TypeError):
        runs.option_values({"odd": object()})


def test_a_run_that_the_program_starts_has_only_the_statuses_of_the_closed_set(db_session: Session) -> None:
    run_id = runs.start_run(db_session, "fetch", {}, NOW)
    assert {*EXIT_CODES, *_EXITS} <= set(RunStatus)
    with pytest.raises(IntegrityError, match="ck__runs__status"):
        runs.close_run(db_session, run_id, "odd", NOW)
