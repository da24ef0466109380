"""Verifying as a run: noted when it ended, and the last one told. One that was killed is none."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from archive import store
from archive.integrity.finding import Report
from archive.models import Run

_COMMAND = "verify"
_SOUND, _NOT_SOUND = "sound", "not_sound"


@dataclass(frozen=True, slots=True)
class Verified:
    """A time everything, or what `only` names, was verified: `found` things were not as archived.

    `at` is when it ended, in UTC; `looked` is rows by check.
    """

    at: datetime
    only: tuple[str, ...]
    looked: dict[str, int]
    found: int


def note_verified(
    session: Session, only: Sequence[str], report: Report, started_at: datetime, now: datetime
) -> None:
    """Note a verification that has ended, and what it came to."""
    run_id = store.start_run(session, _COMMAND, {"only": list(only)}, started_at)
    verdict = _SOUND if report.is_sound else _NOT_SOUND
    store.finish_run(session, run_id, verdict, {**report.checked, "found": report.found.total()}, now)


def last_verified(session: Session) -> Verified | None:
    """The last verification that ended; None: there was none."""
    ended = (Run.command == _COMMAND) & Run.finished_at.is_not(None)
    run = session.scalars(select(Run).where(ended).order_by(Run.id.desc()).limit(1)).first()
    if run is None or run.finished_at is None:
        return None
    looked = {name: count for name, count in run.counts.items() if name != "found"}
    return Verified(run.finished_at, tuple(run.arguments["only"]), looked, run.counts["found"])
