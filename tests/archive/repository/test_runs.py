"""Test how runs are recorded, closed and counted."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from archive.db.models import Run
from archive.repository import runs
from archive.repository.runs import Failures, close_abandoned_runs, failed_jobs, failures_in_a_row

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
    for command, egress in (("fetch", "home"), ("fetch", "office"), ("media", "home")):
        runs.start_run(db_session, command, {}, NOW, egress)
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
