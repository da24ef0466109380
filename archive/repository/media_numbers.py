"""Count the media by type: what is known, stored, due and waiting. Instants are aware UTC."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from functools import cache

from sqlalchemy import CompoundSelect, DateTime, bindparam, false, func, select, true, union_all
from sqlalchemy.orm import Session

from archive.db.models import Medium
from archive.domain.outcomes import MediumType
from archive.repository.derived import HOUR, LAST_HOUR, counts, hour_of, start_of_hour

_FAMILIES = {str(MediumType.STYLE): "text"}  # the first part of its files' type, where it has another name


def media_numbers(session: Session, now: datetime) -> dict[str, dict[str, int]]:
    """Count media by type: known, kept, due, waiting, given up, and the bytes of their files."""
    found = counts(session, ["media", "media_stored", "media_due", "media_waiting", "file_bytes"])
    due, waiting = _due_and_waiting(session, found, now)
    return {
        type_: {
            "known": known,
            "kept": found["media_stored"][type_],
            "due": due[type_],
            "waiting": waiting[type_],
            "given_up": known - found["media_stored"][type_] - due[type_] - waiting[type_],
            "bytes": found["file_bytes"][_FAMILIES.get(type_, type_)],
        }
        for type_, known in sorted(found["media"].items())
    }


def _due_and_waiting(
    session: Session, found: Mapping[str, Counter[str]], now: datetime
) -> tuple[Counter[str], Counter[str]]:
    """Count media that are due and that wait, by type: by the counters of hours, in this hour by the rows."""
    hour, start, end = hour_of(now), start_of_hour(now), start_of_hour(now) + HOUR
    due, waiting = Counter[str](), Counter[str]()
    for name, counted, hours in (
        ("media_due", due, range(hour)),
        ("media_waiting", waiting, range(hour + 1, LAST_HOUR)),
    ):
        for key, value in found[name].items():
            type_, _, of = key.partition(" ")
            counted[type_] += value if int(of) in hours else 0
    for is_due, type_, count in session.execute(_this_hour(), {"start": start, "now": now, "end": end}):
        (due if is_due else waiting)[type_] += count
    return due, waiting


@cache
def _this_hour() -> CompoundSelect[bool, str, int]:
    """Count by type the media whose time is in this hour: those that are due and those that wait."""
    start, now, end = (bindparam(name, type_=DateTime(timezone=True)) for name in ("start", "now", "end"))
    at, expires_at = Medium.next_fetch_at, Medium.expires_at
    until = func.least(at, expires_at)
    lives = expires_at.is_(None) | (expires_at > at)
    parts = (
        (true(), func.count(), (at >= start, at <= now, lives)),
        (true(), -func.count(), (at.is_not(None), expires_at >= start, expires_at <= now, expires_at > at)),
        (false(), func.count(), (at.is_not(None), until > now, until < end)),
    )
    return union_all(
        *(
            select(is_due, Medium.type, count).where(*conditions).group_by(Medium.type)
            for is_due, count, conditions in parts
        )
    )
