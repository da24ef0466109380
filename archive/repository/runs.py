"""Record the runs of commands and jobs: when each began, how it ended, which failed in a row.

Each function takes a session and leaves the commit to its caller. Instants are aware UTC.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

from sqlalchemy import insert, select, text, update
from sqlalchemy.orm import Session

from archive.db.advisory_locks import live_runs
from archive.db.models import Run
from archive.domain.text import storable_json
from archive.repository.heads import note_head


def start_run(session: Session, command: str, arguments: Mapping[str, Any], now: datetime) -> int:
    """Open a run and return its id; `arguments` are JSON values."""
    row = insert(Run).values(command=command, arguments=storable_json(dict(arguments)), started_at=now)
    return session.execute(row.returning(Run.id)).scalar_one()


def finish_run(session: Session, run_id: int, verdict: str, counts: Mapping[str, Any], now: datetime) -> None:
    """Record how a run ended, and the head of the archive if the run has extended a hash chain."""
    values = {"verdict": verdict, "counts": dict(counts), "finished_at": now}
    session.execute(update(Run).where(Run.id == run_id).values(values))
    note_head(session, now)


def run_result(session: Session, run_id: int) -> tuple[str | None, dict[str, Any]]:
    """Return the verdict and the counts of a run; no verdict while it is not finished."""
    row = session.execute(select(Run.verdict, Run.counts).where(Run.id == run_id)).one_or_none()
    return (row.verdict, row.counts) if row else (None, {})


def record_egress(session: Session, run_id: int, egress: str) -> None:
    """Record the egress that a run goes through, in its arguments."""
    merged = Run.arguments.concat({"egress": egress})
    session.execute(update(Run).where(Run.id == run_id).values(arguments=merged))


def close_run(session: Session, run_id: int, verdict: str, now: datetime) -> None:
    """Record the end of a run whose own process did not: it was killed, refused or out of time."""
    left_open = update(Run).where(Run.id == run_id, Run.finished_at.is_(None))
    session.execute(left_open.values(verdict=verdict, finished_at=now))


MAX_FAILURES = 12  # counted; more make no difference to the back-off


@dataclass(frozen=True, slots=True)
class Failures:
    """Runs that failed one after the other. `last_at` is UTC."""

    count: int
    last_at: datetime | None


def close_abandoned_runs(session: Session, command: str, egress: str, now: datetime) -> int:
    """Close the runs of a command that dead workers of an egress left open; count them."""
    is_open = (
        Run.finished_at.is_(None) & (Run.command == command) & (Run.arguments["egress"].astext == egress)
    )
    closed = update(Run).where(is_open).values(verdict="failed", finished_at=now)
    return len(session.execute(closed.returning(Run.id)).all())


def failures_in_a_row(session: Session, command: str, egress: str, verdicts: Collection[str]) -> Failures:
    """Count how many of an egress's last runs ended in a row with one of these verdicts."""
    of_egress = (Run.command == command) & (Run.arguments["egress"].astext == egress)
    rows = select(Run.verdict, Run.finished_at).where(of_egress, Run.finished_at.is_not(None))
    ended = session.execute(rows.order_by(Run.id.desc()).limit(MAX_FAILURES)).all()
    failed = list(takewhile(lambda run: run.verdict in verdicts, ended))
    return Failures(len(failed), failed[0].finished_at if failed else None)


def failed_jobs(session: Session, within: timedelta) -> dict[str, int]:
    """Count the jobs of each kind given up within this time, by the database's own clock."""
    rows = session.execute(
        text(
            "SELECT task_name, count(DISTINCT job.id) FROM jobs.procrastinate_jobs job"
            " JOIN jobs.procrastinate_events event ON event.job_id = job.id AND event.type = 'failed'"
            " WHERE job.status = 'failed' AND event.at > now() - :within GROUP BY task_name"
        ),
        {"within": within},
    )
    return {name: count for name, count in rows}


BACKUP = "backup"  # the command of a run that wrote a backup

VERIFY = "verify"  # the command of a run that verified the archive

SOUND = "sound"  # the verdict of a verification that found nothing wrong


def last_finished(session: Session, command: str, verdicts: Collection[str]) -> datetime | None:
    """Return when the last run of a command ended with one of these verdicts (UTC), None if none did."""
    ended = (Run.command == command) & Run.verdict.in_(verdicts) & Run.finished_at.is_not(None)
    return session.scalar(select(Run.finished_at).where(ended).order_by(Run.id.desc()).limit(1))


def recent_runs(session: Session, command: str, limit: int) -> list[Run]:
    """Return the last runs of a command, the newest first."""
    rows = select(Run).where(Run.command == command).order_by(Run.id.desc())
    return list(session.scalars(rows.limit(limit)))


def known_runs(session: Session, run_ids: Sequence[int]) -> set[int]:
    """Return those of these runs that there are."""
    return set(session.scalars(select(Run.id).where(Run.id.in_(run_ids))))


def running(session: Session, run_ids: Sequence[int]) -> list[int]:
    """Return those of these runs whose process still lives."""
    return list(session.scalars(select(Run.id).where(Run.id.in_(run_ids), Run.id.in_(live_runs()))))
