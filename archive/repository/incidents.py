"""Incidents: opened when something is wrong, closed when it is right again, told once each.

Each function takes a session and leaves the commit to its caller.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import exists, or_, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session, aliased

from archive.db.models import CaptureRow, Incident
from archive.domain.monitoring import HealthProblem
from archive.domain.pg_text import storable

CAPTURE = "capture:"  # begins the keys of incidents of captures that could not be read; the id follows

MORE_CAPTURES = f"{CAPTURE}more"

MAX_CAPTURES = 20  # incidents of single captures open at a time; further ones share one

_CAPTURE_REMEDY = "the page is kept: report it; `mparchive reparse --all` reads it again with a later version"


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


def note_captures(session: Session, failed: Mapping[int, str], read: Collection[int], now: datetime) -> None:
    """Open an incident for each capture whose reading failed (id and reason), and close those of others.

    An incident ends when its capture is read, or a later one of the same address.
    """
    if read:
        _close_captures(session, read, now)
    for capture_id in sorted(failed):
        is_full = len(_open_captures(session)) >= MAX_CAPTURES
        key = MORE_CAPTURES if is_full else f"{CAPTURE}{capture_id}"
        words = f"capture {capture_id}: {failed[capture_id]}"
        _opened(session, key, HealthProblem(key, words, _CAPTURE_REMEDY), now)


def capture_findings(session: Session) -> list[HealthProblem]:
    """The captures that still could not be read, as findings: what `note_findings` gets, it keeps open."""
    return [HealthProblem(row.key, row.words, row.remedy) for row in _open_captures(session)]


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
