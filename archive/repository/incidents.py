"""Incidents: opened when a problem begins, closed when it is over, each reported to people once.

Each function takes a session and leaves the commit to its caller.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import exists, func, or_, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session, aliased

from archive.db.models import Account, Capture, Egress, Incident, Source
from archive.domain.messages import Message
from archive.domain.monitoring import HealthProblem, IncidentKind, IncidentSubject
from archive.domain.text import storable, storable_json

_SUBJECT = ("kind", "account_id", "source_id", "egress_id", "capture_id", "subject")

MAX_CAPTURES = 20  # incidents of single captures open at a time; further ones share one


@dataclass(frozen=True)
class IncidentChanges:
    """The incidents that began and those that ended."""

    opened: tuple[Incident, ...] = ()
    closed: tuple[Incident, ...] = ()


def record_problems(session: Session, problems: Sequence[HealthProblem], now: datetime) -> IncidentChanges:
    """Open, keep and close incidents so that the open ones are the problems of now."""
    current = {storable(problem.key): problem for problem in problems}
    columns = dict(
        zip(current, _subject_columns(session, [one.subject for one in current.values()]), strict=True)
    )
    closed = []
    for row in session.scalars(_open_rows().with_for_update(of=Incident)).all():
        problem = current.get(row.key)
        if problem is None:
            row.closed_at = now
            closed.append(row)
        else:
            # An account or a source that was not stored when the incident began may have a row by now.
            for name, value in columns.pop(row.key, {}).items():
                setattr(row, name, value)
            row.code, row.params, row.last_seen_at = problem.message.code, _params(problem), now
    session.flush()
    new = [_open(session, columns[key], current[key], now) for key in sorted(columns)]
    opened = session.scalars(select(Incident).where(Incident.id.in_(filter(None, new))))
    return IncidentChanges(tuple(_in_order(opened)), tuple(_in_order(closed)))


def _subject_columns(session: Session, subjects: Sequence[IncidentSubject]) -> list[dict[str, Any]]:
    """Return the columns of subjects; what has no row in its table is named by the column `subject`."""
    bizs = {storable(one.biz) for one in subjects if one.biz}
    account_rows = select(Account.biz, Account.id).where(Account.biz.in_(bizs))
    accounts = {biz: id_ for biz, id_ in session.execute(account_rows)} if bizs else {}
    source_rows = select(Source).where(Source.account_id.in_(accounts.values()))
    sources = {(row.account_id, row.name): row.id for row in session.scalars(source_rows) if accounts}
    names = {storable(one.egress) for one in subjects if one.egress}
    egress_rows = select(Egress.name, Egress.id).where(Egress.name.in_(names))
    egresses = {name: id_ for name, id_ in session.execute(egress_rows)} if names else {}
    found = []
    for one in subjects:
        biz, source, egress = storable(one.biz), storable(one.source), storable(one.egress)
        account_id = accounts.get(biz)
        source_id = sources.get((account_id, source)) if account_id else None
        egress_id = egresses.get(egress)
        left = (
            "" if account_id else biz,
            "" if source_id else source,
            "" if egress_id else egress,
            storable(one.name),
        )
        values = (one.kind, account_id, source_id, egress_id, one.capture_id, ":".join(filter(None, left)))
        found.append(dict(zip(_SUBJECT, values, strict=True)))
    return found


def _open(session: Session, subject: Mapping[str, Any], problem: HealthProblem, now: datetime) -> int | None:
    """Return the id of the new incident; None when there is an open one about this subject."""
    row = postgresql.insert(Incident).values(
        **subject, code=problem.message.code, params=_params(problem), opened_at=now, last_seen_at=now
    )
    row = row.on_conflict_do_nothing(index_elements=_SUBJECT, index_where=Incident.closed_at.is_(None))
    return session.scalars(row.returning(Incident.id)).one_or_none()


def _params(problem: HealthProblem) -> dict[str, Any]:
    params: dict[str, Any] = storable_json(problem.message.as_json()["params"])
    return params


def _open_rows() -> Any:
    return select(Incident).where(Incident.closed_at.is_(None)).order_by(Incident.id)


def _in_order(incidents: Iterable[Incident]) -> list[Incident]:
    return sorted(incidents, key=lambda one: one.key)


def open_incidents(session: Session) -> Sequence[Incident]:
    """Return the incidents that last, by key."""
    return _in_order(session.scalars(_open_rows()).all())


def incidents_to_report(
    session: Session, now: datetime, again_after: timedelta
) -> tuple[Sequence[Incident], Sequence[Incident]]:
    """Return the incidents whose beginning is to be reported, and those whose end is.

    A problem that comes and goes is reported at most once in `again_after`; an end only where the beginning
    was.
    """
    other = aliased(Incident)
    lately = exists().where(other.kind == Incident.kind, other.opened_notified_at > now - again_after)
    for name in _SUBJECT[1:]:
        lately = lately.where(getattr(other, name).is_not_distinct_from(getattr(Incident, name)))
    is_new = Incident.closed_at.is_(None) & Incident.opened_notified_at.is_(None)
    begun = select(Incident).where(is_new, ~lately)
    ended = select(Incident).where(
        Incident.closed_at.is_not(None),
        Incident.opened_notified_at.is_not(None),
        Incident.closed_notified_at.is_(None),
    )
    in_order = Incident.opened_at, Incident.id
    return session.scalars(begun.order_by(*in_order)).all(), session.scalars(ended.order_by(*in_order)).all()


def mark_reported(session: Session, begun: Sequence[int], ended: Sequence[int], now: datetime) -> None:
    """Record that the beginning or the end of these incidents, by id, was reported."""
    session.execute(update(Incident).where(Incident.id.in_(begun)).values(opened_notified_at=now))
    session.execute(update(Incident).where(Incident.id.in_(ended)).values(closed_notified_at=now))


def recent_incidents(session: Session, since: datetime, limit: int | None = None) -> Sequence[Incident]:
    """Return incidents that lasted at some moment since then, the latest first; at most `limit`."""
    lasted = or_(Incident.closed_at.is_(None), Incident.closed_at >= since)
    rows = select(Incident).where(lasted).order_by(Incident.opened_at.desc(), Incident.id.desc())
    return session.scalars(rows.limit(limit)).all()


def note_captures(session: Session, failed: Mapping[int, str], read: Collection[int], now: datetime) -> None:
    """Open an incident for each capture whose reading failed (id and reason), and close those of others.

    An incident ends when its capture is read, or a later one of the same address.
    """
    if read:
        _close_captures(session, read, now)
    for capture_id in sorted(failed):
        is_full = len(_open_captures(session)) >= MAX_CAPTURES
        subject = IncidentSubject(IncidentKind.CAPTURE, capture_id=None if is_full else capture_id)
        params = {"capture": capture_id, "reason": Message.load(failed[capture_id])}
        problem = HealthProblem(subject, Message("archive.incident.capture_not_read", params))
        _open(session, _subject_columns(session, [subject])[0], problem, now)


def is_open(session: Session, kind: IncidentKind) -> bool:
    """Tell whether an incident of a kind lasts of which there is one at a time."""
    rows = select(Incident.id).where(Incident.closed_at.is_(None), Incident.kind == kind)
    return session.scalar(rows.limit(1)) is not None


def note_problem(
    session: Session, kind: IncidentKind, problems: Sequence[HealthProblem], now: datetime
) -> None:
    """Open the one incident of a kind for the problem, or close it where there is none any more."""
    if problems:
        _open(session, _subject_columns(session, [problems[0].subject])[0], problems[0], now)
    else:
        is_one = Incident.closed_at.is_(None), Incident.kind == kind
        session.execute(update(Incident).where(*is_one).values(closed_at=now))


def close_incidents_of_account(session: Session, account_id: int, now: datetime) -> None:
    """Close the incidents of an account whose sources are about to be removed; they keep their names."""
    own = update(Incident).where(Incident.account_id == account_id)
    session.execute(own.where(Incident.closed_at.is_(None)).values(closed_at=now))
    of_sources = own.where(Incident.source_id.is_not(None))
    session.execute(of_sources.values(subject=func.coalesce(Incident.source, ""), source_id=None))


def unread_capture_problems(session: Session) -> list[HealthProblem]:
    """Return the captures that could not be read, so that `record_problems` keeps their incidents open."""
    return [
        HealthProblem(IncidentSubject(IncidentKind.CAPTURE, capture_id=row.capture_id), row.message)
        for row in _open_captures(session)
    ]


def _open_captures(session: Session) -> Sequence[Incident]:
    rows = select(Incident).where(Incident.closed_at.is_(None), Incident.kind == IncidentKind.CAPTURE)
    return session.scalars(rows.order_by(Incident.capture_id)).all()


def _close_captures(session: Session, read: Collection[int], now: datetime) -> None:
    """Close the incidents of these captures and of earlier ones of their addresses."""
    rows = {row.capture_id: row for row in _open_captures(session)}
    if not rows:
        return
    numbers = [capture_id for capture_id in rows if capture_id is not None]
    later = aliased(Capture)
    ended = select(Capture.id).where(Capture.id.in_(numbers))
    ended = ended.where(
        Capture.id.in_(read)
        | exists().where(
            later.address_id == Capture.address_id,
            later.fetched_at > Capture.fetched_at,
            later.id.in_(read),
        )
    )
    for capture_id in session.scalars(ended):
        rows.pop(capture_id).closed_at = now
    if list(rows) == [None]:
        rows[None].closed_at = now
    session.flush()
