"""Record the runs of commands and jobs: when each began, how it ended, which failed in a row.

Each function takes a session and leaves the commit to its caller. Instants are aware UTC.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import takewhile
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, JsonValue
from sqlalchemy import ScalarSelect, insert, select, text, update
from sqlalchemy.orm import Session

from archive.db.advisory_locks import live_runs
from archive.db.models import Egress, Run
from archive.domain.outcomes import RunStatus
from archive.domain.text import storable_json
from archive.repository.egress import egress_id
from archive.repository.heads import note_head

# The counts of a run: numbers by name, and such numbers by the name of a group.
Counts = Mapping[str, int | Mapping[str, int]]


class RunArguments(BaseModel):
    """The options of a run that are read again; others are only shown. See docs/reference/schema.md.

    `only` are the checks of `verify`, `files` the paths that `forget` removes.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    only: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


def option_values(options: Mapping[str, Any], clean: Callable[[str], str] = str) -> dict[str, JsonValue]:
    """Return options as JSON values: dates in ISO 8601, paths as strings, several values as a list.

    Options without a value are left out, and those that are switched off; `clean` removes secrets from texts.
    """
    given = {name: value for name, value in options.items() if value not in (None, False, (), [])}
    return {name: _option_value(value, clean) for name, value in given.items()}


def _option_value(value: Any, clean: Callable[[str], str]) -> JsonValue:
    match value:
        case bool() | int() | float():
            return value
        case str():
            return clean(value)
        case date():
            return value.isoformat()
        case Path():
            return clean(str(value))
        case Iterable():
            return [_option_value(one, clean) for one in value]
    raise TypeError(type(value))


def flat_counts(counts: Counts) -> dict[str, int]:
    """Return counts as they are stored: numbers by name, those of a group as `outcomes.article`."""
    found: dict[str, int] = {}
    for name, value in counts.items():
        if isinstance(value, Mapping):
            found.update({f"{name}.{inner}": number for inner, number in value.items()})
        else:
            found[name] = value
    return found


def grouped_counts(stored: Mapping[str, int]) -> dict[str, Any]:
    """Return stored counts with those of a group by their own names."""
    groups: dict[str, dict[str, int]] = defaultdict(dict)
    found: dict[str, Any] = {}
    for name, number in stored.items():
        group, _, inner = name.partition(".")
        if inner:
            groups[group][inner] = number
            found[group] = groups[group]
        else:
            found[name] = number
    return found


def start_run(
    session: Session,
    command: str,
    arguments: Mapping[str, JsonValue],
    now: datetime,
    egress: str | None = None,
) -> int:
    """Open a run and return its id; `egress` is the name of the one it goes through, if it does already."""
    row = insert(Run).values(
        command=command,
        arguments=storable_json(dict(arguments)),
        started_at=now,
        egress_id=None if egress is None else egress_id(session, egress, now),
    )
    return session.execute(row.returning(Run.id)).scalar_one()


def finish_run(  # noqa: PLR0913 - the last has a default
    session: Session,
    run_id: int,
    status: str,
    counts: Counts,
    now: datetime,
    *,
    reasons: Mapping[str, str] | None = None,
) -> None:
    """Record how a run ended, and the head of the archive if the run has extended a hash chain.

    `status` is one of RunStatus; `reasons` has, by the name of a count, the first reason given for it.
    """
    values = {
        "status": status,
        "counts": flat_counts(counts),
        "reasons": storable_json(dict(reasons or {})),
        "finished_at": now,
    }
    session.execute(update(Run).where(Run.id == run_id).values(values))
    note_head(session, now)


def run_result(session: Session, run_id: int) -> tuple[str | None, dict[str, Any]]:
    """Return the status and the counts of a run; no status while it is not finished."""
    row = session.execute(select(Run.status, Run.counts).where(Run.id == run_id)).one_or_none()
    return (row.status, grouped_counts(row.counts)) if row else (None, {})


def record_egress(session: Session, run_id: int, egress: str, now: datetime) -> None:
    """Record the egress that a run goes through."""
    number = egress_id(session, egress, now)
    session.execute(update(Run).where(Run.id == run_id).values(egress_id=number))


def close_run(session: Session, run_id: int, status: str, now: datetime) -> None:
    """Record the end of a run whose own process did not: it was killed, refused or out of time."""
    left_open = update(Run).where(Run.id == run_id, Run.finished_at.is_(None))
    session.execute(left_open.values(status=status, finished_at=now))


MAX_FAILURES = 12  # counted; more make no difference to the back-off


@dataclass(frozen=True, slots=True)
class Failures:
    """Runs that failed one after the other. `last_at` is UTC."""

    count: int
    last_at: datetime | None


def close_abandoned_runs(session: Session, command: str, egress: str, now: datetime) -> int:
    """Close the runs of a command that dead workers of an egress left open; count them."""
    is_open = Run.finished_at.is_(None) & (Run.command == command) & (Run.egress_id == _egress(egress))
    closed = update(Run).where(is_open).values(status=RunStatus.FAILED, finished_at=now)
    return len(session.execute(closed.returning(Run.id)).all())


def failures_in_a_row(session: Session, command: str, egress: str, statuses: Collection[str]) -> Failures:
    """Count how many of an egress's last runs ended in a row with one of these statuses."""
    of_egress = (Run.command == command) & (Run.egress_id == _egress(egress))
    rows = select(Run.status, Run.finished_at).where(of_egress, Run.finished_at.is_not(None))
    ended = session.execute(rows.order_by(Run.id.desc()).limit(MAX_FAILURES)).all()
    failed = list(takewhile(lambda run: run.status in statuses, ended))
    return Failures(len(failed), failed[0].finished_at if failed else None)


def _egress(name: str) -> ScalarSelect[int]:
    return select(Egress.id).where(Egress.name == name).scalar_subquery()


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


def last_finished(session: Session, command: str, statuses: Collection[str]) -> datetime | None:
    """Return when the last run of a command ended with one of these statuses (UTC), None if none did."""
    # One by one: each is the last entry of an index.
    rows = select(Run.finished_at).where(Run.command == command).order_by(Run.id.desc()).limit(1)
    found = (session.scalar(rows.where(Run.status == status)) for status in statuses)
    return max(filter(None, found), default=None)


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
