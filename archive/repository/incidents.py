"""Incidents: opened when a problem begins, closed when it is over, each reported to people once.

Each function takes a session and leaves the commit to its caller.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import exists, or_, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session, aliased

from archive.db.models import CaptureRow, Incident
from archive.domain.messages import Message
from archive.domain.monitoring import HealthProblem
from archive.domain.text import storable, storable_json

CAPTURE = "capture:"  # begins the keys of incidents of captures that could not be read; the id follows

MORE_CAPTURES = f"{CAPTURE}more"

MAX_CAPTURES = 20  # incidents of single captures open at a time; further ones share one


@dataclass(frozen=True)
class IncidentChanges:
    """The incidents that began and those that ended."""

    opened: tuple[Incident, ...] = ()
    closed: tuple[Incident, ...] = ()


def record_problems(session: Session, problems: Sequence[HealthProblem], now: datetime) -> IncidentChanges:
    """Open, keep and close incidents so that the open ones are the problems of now."""
    current = {storable(problem.key): problem for problem in problems}
    opened = [row for key in sorted(current) if (row := _open(session, key, current[key], now)) is not None]
    closed = []
    for row in session.scalars(_open_rows().with_for_update()).all():
        problem = current.get(row.key)
        if problem is None:
            row.closed_at = now
            closed.append(row)
        else:
            row.code, row.params, row.last_seen_at = problem.message.code, _params(problem), now
    session.flush()
    return IncidentChanges(tuple(opened), tuple(closed))


def _open(session: Session, key: str, problem: HealthProblem, now: datetime) -> Incident | None:
    """Return the new incident; None when there is an open one of this key."""
    row = postgresql.insert(Incident).values(
        key=key, code=problem.message.code, params=_params(problem), opened_at=now, last_seen_at=now
    )
    row = row.on_conflict_do_nothing(index_elements=["key"], index_where=Incident.closed_at.is_(None))
    return session.scalars(row.returning(Incident)).one_or_none()


def _params(problem: HealthProblem) -> dict[str, Any]:
    params: dict[str, Any] = storable_json(problem.message.as_json()["params"])
    return params


def _open_rows() -> Any:
    return select(Incident).where(Incident.closed_at.is_(None)).order_by(Incident.key.collate("C"))


def open_incidents(session: Session) -> Sequence[Incident]:
    """Return the incidents that last, by key."""
    rows: Sequence[Incident] = session.scalars(_open_rows()).all()
    return rows


def incidents_to_report(
    session: Session, now: datetime, again_after: timedelta
) -> tuple[Sequence[Incident], Sequence[Incident]]:
    """Return the incidents whose beginning is to be reported, and those whose end is.

    A problem that comes and goes is reported at most once in `again_after`; an end only where the beginning
    was.
    """
    other = aliased(Incident)
    lately = exists().where(other.key == Incident.key, other.told_opened_at > now - again_after)
    begun = select(Incident).where(Incident.closed_at.is_(None), Incident.told_opened_at.is_(None), ~lately)
    ended = select(Incident).where(
        Incident.closed_at.is_not(None),
        Incident.told_opened_at.is_not(None),
        Incident.told_closed_at.is_(None),
    )
    in_order = Incident.opened_at, Incident.id
    return session.scalars(begun.order_by(*in_order)).all(), session.scalars(ended.order_by(*in_order)).all()


def mark_reported(session: Session, begun: Sequence[int], ended: Sequence[int], now: datetime) -> None:
    """Record that the beginning or the end of these incidents, by id, was reported."""
    session.execute(update(Incident).where(Incident.id.in_(begun)).values(told_opened_at=now))
    session.execute(update(Incident).where(Incident.id.in_(ended)).values(told_closed_at=now))


def recent_incidents(session: Session, since: datetime) -> Sequence[Incident]:
    """Return incidents that lasted at some moment since then, the latest first."""
    lasted = or_(Incident.closed_at.is_(None), Incident.closed_at >= since)
    return session.scalars(
        select(Incident).where(lasted).order_by(Incident.opened_at.desc(), Incident.id.desc())
    ).all()


def note_captures(session: Session, failed: Mapping[int, str], read: Collection[int], now: datetime) -> None:
    """Open an incident for each capture whose reading failed (id and reason), and close those of others.

    An incident ends when its capture is read, or a later one of the same address.
    """
    if read:
        _close_captures(session, read, now)
    for capture_id in sorted(failed):
        is_full = len(_open_captures(session)) >= MAX_CAPTURES
        key = MORE_CAPTURES if is_full else f"{CAPTURE}{capture_id}"
        params = {"capture": capture_id, "reason": Message.load(failed[capture_id])}
        _open(session, key, HealthProblem(key, Message("archive.incident.capture_not_read", params)), now)


def is_open(session: Session, key: str) -> bool:
    """Tell whether an incident of this key lasts."""
    return session.scalars(_open_rows().where(Incident.key == key)).one_or_none() is not None


def note_problem(session: Session, key: str, problems: Sequence[HealthProblem], now: datetime) -> None:
    """Open the incident of this key for the problem, or close it where there is none any more."""
    if problems:
        _open(session, key, problems[0], now)
    else:
        is_one = Incident.closed_at.is_(None), Incident.key == key
        session.execute(update(Incident).where(*is_one).values(closed_at=now))


def unread_capture_problems(session: Session) -> list[HealthProblem]:
    """Return the captures that could not be read, so that `record_problems` keeps their incidents open."""
    return [HealthProblem(row.key, row.message) for row in _open_captures(session)]


def _open_captures(session: Session) -> Sequence[Incident]:
    rows = select(Incident).where(Incident.closed_at.is_(None), Incident.key.startswith(CAPTURE))
    return session.scalars(rows.order_by(Incident.key.collate("C"))).all()


def _close_captures(session: Session, read: Collection[int], now: datetime) -> None:
    """Close the incidents of these captures and of earlier ones of their addresses."""
    rows = {row.key: row for row in _open_captures(session)}
    numbers = [int(key.removeprefix(CAPTURE)) for key in rows if key != MORE_CAPTURES]
    if not rows:
        return
    later = aliased(CaptureRow)
    ended = select(CaptureRow.id).where(CaptureRow.id.in_(numbers))
    ended = ended.where(
        CaptureRow.id.in_(read)
        | exists().where(
            later.address_id == CaptureRow.address_id,
            later.fetched_at > CaptureRow.fetched_at,
            later.id.in_(read),
        )
    )
    for capture_id in session.scalars(ended):
        rows.pop(f"{CAPTURE}{capture_id}").closed_at = now
    if list(rows) == [MORE_CAPTURES]:
        rows[MORE_CAPTURES].closed_at = now
    session.flush()
