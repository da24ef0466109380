"""Incidents: opened when something is wrong, closed when it is right again, told once each.

Each function takes a session and leaves the commit to its caller.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import exists, or_, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session, aliased

from archive.db.models import Incident
from archive.domain.monitoring import HealthProblem
from archive.domain.pg_text import storable


@dataclass(frozen=True)
class Noted:
    """What changed: incidents that began, and those that ended."""

    opened: tuple[Incident, ...] = ()
    closed: tuple[Incident, ...] = ()


def note_findings(session: Session, findings: Sequence[HealthProblem], now: datetime) -> Noted:
    """Compare what is wrong now with what was: open, keep and close incidents."""
    wrong = {storable(finding.key): finding for finding in findings}
    opened = [row for key in sorted(wrong) if (row := _opened(session, key, wrong[key], now)) is not None]
    closed = []
    for row in _open(session, lock=True):
        finding = wrong.get(row.key)
        if finding is None:
            row.closed_at = now
            closed.append(row)
        else:
            row.words, row.remedy = storable(finding.words), storable(finding.remedy)
            row.last_seen_at = now
    session.flush()
    return Noted(tuple(opened), tuple(closed))


def _opened(session: Session, key: str, finding: HealthProblem, now: datetime) -> Incident | None:
    """The new incident; None when there is one of this key already."""
    row = postgresql.insert(Incident).values(
        key=key,
        words=storable(finding.words),
        remedy=storable(finding.remedy),
        opened_at=now,
        last_seen_at=now,
    )
    row = row.on_conflict_do_nothing(index_elements=["key"], index_where=Incident.closed_at.is_(None))
    return session.scalars(row.returning(Incident)).one_or_none()


def _open(session: Session, *, lock: bool = False) -> Sequence[Incident]:
    rows = select(Incident).where(Incident.closed_at.is_(None)).order_by(Incident.key.collate("C"))
    return session.scalars(rows.with_for_update() if lock else rows).all()


def open_incidents(session: Session) -> Sequence[Incident]:
    """What is wrong now, by key."""
    return _open(session)


def to_tell(
    session: Session, now: datetime, again_after: timedelta
) -> tuple[Sequence[Incident], Sequence[Incident]]:
    """Incidents whose beginning is to be told, and those whose end is.

    One that flaps is told at most once in `again_after`; the end is told of what was told to have begun.
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


def mark_told(session: Session, begun: Sequence[int], ended: Sequence[int], now: datetime) -> None:
    """Note that these were told, by their ids."""
    session.execute(update(Incident).where(Incident.id.in_(begun)).values(told_opened_at=now))
    session.execute(update(Incident).where(Incident.id.in_(ended)).values(told_closed_at=now))


def recent_incidents(session: Session, since: datetime) -> Sequence[Incident]:
    """Incidents that lasted at some moment since then, the last one first."""
    lasted = or_(Incident.closed_at.is_(None), Incident.closed_at >= since)
    return session.scalars(
        select(Incident).where(lasted).order_by(Incident.opened_at.desc(), Incident.id.desc())
    ).all()
