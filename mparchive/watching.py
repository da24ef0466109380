"""The part of `mparchive status` about watching: sources, what is wrong, lines to the outside."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from rich.table import Table
from sqlalchemy.orm import Session

from archive import egresses
from archive.finding import Watched
from archive.incidents import recent_incidents
from archive.models import Egress, Incident
from archive.watching import watched

SHANGHAI = ZoneInfo("Asia/Shanghai")
LATELY = timedelta(days=7)  # incidents that ended longer ago are left out


@dataclass(frozen=True)
class Watching:
    """How the sources fare, what is or lately was wrong, and which lines there are."""

    sources: Sequence[Watched]
    incidents: Sequence[dict[str, Any]]
    egresses: Sequence[dict[str, Any]]


def watching_status(session: Session, now: datetime) -> Watching:
    """All of it, for people and for scripts."""
    return Watching(
        watched(session),
        [_incident(one) for one in recent_incidents(session, now - LATELY)],
        [_egress(one, now) for one in egresses.egresses(session)],
    )


def _incident(one: Incident) -> dict[str, Any]:
    names = ("key", "words", "remedy", "opened_at", "closed_at", "told_opened_at")
    return {name: getattr(one, name) for name in names}


def _egress(one: Egress, now: datetime) -> dict[str, Any]:
    held = one.blocked_until if one.blocked_until and one.blocked_until > now else None
    return {"name": one.name, "seen_at": one.seen_at, "held_until": held, "reason": one.reason}


def tables_of(found: Watching) -> Iterator[Table]:
    """For people; nothing of what there is none of. Times in Asia/Shanghai."""
    if found.sources:
        yield _sources(found.sources)
    if wrong := [one for one in found.incidents if one["closed_at"] is None]:
        yield _wrong(wrong)
    if held := [one for one in found.egresses if one["held_until"]]:
        yield _held(held)


def _sources(sources: Sequence[Watched]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("source", "state", "seen", "new", "newest", "last tried", "next", "account"):
        table.add_column(heading, overflow="fold")
    for one in sources:
        numbers = (str(one.seen), str(one.new))
        times = (_at(one.newest_at), _at(one.last_tried_at), _at(one.next_try_at))
        table.add_row(one.name, one.state or "not tried", *numbers, *times, one.account or one.biz)
    return table


def _wrong(incidents: Sequence[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("wrong since", "what", "what to do"):
        table.add_column(heading, overflow="fold")
    for one in incidents:
        table.add_row(_at(one["opened_at"]), one["words"], one["remedy"])
    return table


def _held(lines: Sequence[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("line held back", "until", "because of"):
        table.add_column(heading, overflow="fold")
    for one in lines:
        table.add_row(one["name"], _at(one["held_until"]), one["reason"])
    return table


def _at(moment: datetime | None) -> str:
    return f"{moment.astimezone(SHANGHAI):%Y-%m-%d %H:%M}" if moment else ""
