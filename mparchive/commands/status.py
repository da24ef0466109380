"""The part of `mparchive status` about watching: sources, what is wrong, lines to the outside."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from rich.table import Table
from sqlalchemy.orm import Session

from archive.db.engine import open_archive, transaction
from archive.db.models import Egress, Incident
from archive.domain.monitoring import SourceStatus
from archive.domain.records import SHANGHAI
from archive.reports import status as status_module
from archive.repository import egress
from archive.repository.incidents import recent_incidents
from archive.repository.sources import source_statuses
from mparchive.console import out, print_json
from mparchive.errors import Exit

LATELY = timedelta(days=7)  # incidents that ended longer ago are left out


@dataclass(frozen=True)
class Watching:
    """How the sources fare, what is or lately was wrong, and which lines there are."""

    sources: Sequence[SourceStatus]
    incidents: Sequence[dict[str, Any]]
    egresses: Sequence[dict[str, Any]]


def watching_status(session: Session, now: datetime) -> Watching:
    """All of it, for people and for scripts."""
    return Watching(
        source_statuses(session),
        [_incident(one) for one in recent_incidents(session, now - LATELY)],
        [_egress(one, now) for one in egress.list_egresses(session)],
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


def _sources(sources: Sequence[SourceStatus]) -> Table:
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


_MEGABYTE = 1_000_000


def status(as_json: bool) -> Exit:
    """Print the state of the archive."""
    now = datetime.now(UTC)
    with open_archive() as engine, transaction(engine) as session:
        found, watching = status_module.archive_status(session, now), watching_status(session, now)
    if as_json:
        print_json(asdict(found) | asdict(watching))
        return Exit.DONE
    out.print(_accounts(found))
    out.print(_numbers(found))
    for table in tables_of(watching):
        out.print(table)
    return Exit.DONE


def _accounts(found: status_module.Status) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("account", "posts", "with page", "first", "last", "__biz"):
        table.add_column(heading)
    for one in found.accounts:
        numbers = (one["posts"], one["with_page"], one["first"], one["last"])
        table.add_row(one["name"], *(str(number) for number in numbers), one["biz"])
    return table


def _numbers(found: status_module.Status) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in sorted(found.captures_by_outcome.items()))
    sizes = f"{found.body_bytes / _MEGABYTE:.1f} MB of pages in {found.stored_bytes / _MEGABYTE:.1f} MB"
    rows = {
        "posts": f"{found.posts} in {found.versions} versions",
        "captures": f"{found.captures} ({outcomes or 'none'}); {sizes}",
        "due": f"{found.due} now, {found.waiting} later, {found.given_up} given up",
        **{type_: _media(numbers) for type_, numbers in found.media.items()},
        "last run": _last_run(found),
    }
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def _media(numbers: dict[str, int]) -> str:
    kept = f"{numbers['kept']} of {numbers['known']} kept ({numbers['bytes'] / _MEGABYTE:.1f} MB)"
    words = {"due": "due", "waiting": "later", "given_up": "given up"}
    left = [f"{numbers[name]} {word}" for name, word in words.items() if numbers[name]]
    return ", ".join([kept, *left])


def _last_run(found: status_module.Status) -> str:
    if not found.last_runs:
        return "none yet"
    last = found.last_runs[0]
    return f"{last['command']} at {last['started_at']:%Y-%m-%d %H:%M}Z: {last['verdict'] or 'not finished'}"
