"""`mparchive status`: what is archived, what is due, and what is wrong."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any

from rich.table import Table
from sqlalchemy.orm import Session

from archive.db.engine import open_archive, transaction
from archive.db.models import Egress, Incident
from archive.db.roles import role_warnings
from archive.db.settings import ArchiveSettings, RequestSettings
from archive.domain.errors import DatabaseUnavailable
from archive.domain.messages import Message
from archive.domain.monitoring import SourceStatus, remedy_for
from archive.domain.records import SHANGHAI
from archive.reports.status import (
    DataSizes,
    Status,
    archive_numbers,
    archive_status,
    data_sizes,
    unready,
    unwatched_accounts,
    unwatched_reasons,
)
from archive.repository import egress
from archive.repository.incidents import open_incidents, recent_incidents
from archive.repository.sources import source_statuses
from archive.system import clock
from mparchive.console import facts_table, label, localized, out, print_json, say, table_with, translated
from mparchive.errors import Exit

RECENT = timedelta(days=7)  # incidents that ended earlier are left out

_MEGABYTE, _GIGABYTE = 1_000_000, 1_000_000_000


@dataclass(frozen=True)
class MonitoringStatus:
    """The sources, the open and recent incidents, and the egresses."""

    sources: Sequence[SourceStatus]
    incidents: Sequence[dict[str, Any]]
    egresses: Sequence[dict[str, Any]]


def status(as_json: bool) -> Exit:
    """Print the state of the archive; times of tables are in Asia/Shanghai. Raises DatabaseUnavailable."""
    now, bare_a_day = clock.now(), RequestSettings.read().bare_a_day
    with open_archive() as engine, transaction(engine) as session:
        for warning in role_warnings(session.connection()):
            say(warning)
        archived, monitoring = archive_status(session, now, bare_a_day), monitoring_status(session, now)
        unwatched = unwatched_accounts(session)
        sizes = data_sizes(session, ArchiveSettings().local_folders())
    if as_json:
        print_json(asdict(archived) | {"data": asdict(sizes)} | asdict(monitoring))
        return Exit.DONE
    out.print(_account_table(archived))
    out.print(_number_table(archived, sizes))
    for table in monitoring_tables(monitoring):
        out.print(table)
    for reason in unwatched_reasons(unwatched):
        out.print(localized(reason), markup=False)
    if not archived.posts:
        out.print(translated("mparchive.status.empty"), markup=False)
    return Exit.DONE


class Severity(IntEnum):
    """How bad the state is; the values are the exit codes of a plugin for Nagios and its relatives."""

    OK = 0
    WARNING = 1
    CRITICAL = 2


def check_status(*, quiet: bool) -> Severity:
    """Print in one line whether something is wrong, and return how bad it is.

    CRITICAL: nothing may be archived, or posts may be missed. WARNING: an incident is open. With `quiet`
    nothing is printed when all is well, as programs of cron do.
    """
    now = clock.now()
    try:
        with open_archive() as engine, transaction(engine) as session:
            reasons = unready(session, now)
            problems = [one.message for one in open_incidents(session)]
            posts = archive_numbers(session, now).posts
    except DatabaseUnavailable as error:
        return _print_check(Severity.CRITICAL, [error.message])
    if reasons:
        return _print_check(Severity.CRITICAL, reasons)
    if problems:
        return _print_check(Severity.WARNING, problems)
    if not quiet:
        _print_check(Severity.OK, [Message("mparchive.status.check.ok", {"n": posts})])
    return Severity.OK


def _print_check(severity: Severity, messages: Sequence[Message]) -> Severity:
    more = len(messages) - 1
    rest = [translated("mparchive.status.check.more", n=more)] if more else []
    words = " ".join([str(localized(messages[0])), *rest])
    out.print(f"{severity.name}: {' '.join(words.split())}", markup=False, soft_wrap=True)
    return severity


def monitoring_status(session: Session, now: datetime) -> MonitoringStatus:
    """Return the status of sources, incidents and egresses at an aware instant."""
    return MonitoringStatus(
        source_statuses(session),
        [_incident(one) for one in recent_incidents(session, now - RECENT)],
        [_egress(one, now) for one in egress.list_egresses(session)],
    )


def _incident(incident: Incident) -> dict[str, Any]:
    names = ("key", "code", "params", "words", "remedy", "opened_at", "closed_at")
    return {
        **{name: getattr(incident, name) for name in names},
        "told_opened_at": incident.opened_notified_at,
    }


def _egress(row: Egress, now: datetime) -> dict[str, Any]:
    blocked_until = row.blocked_until if row.blocked_until and row.blocked_until > now else None
    return {"name": row.name, "seen_at": row.seen_at, "held_until": blocked_until, "reason": row.reason}


def monitoring_tables(found: MonitoringStatus) -> Iterator[Table]:
    """Yield the tables that are not empty. Times are in Asia/Shanghai."""
    if found.sources:
        yield _source_table(found.sources)
    if open_incidents := [one for one in found.incidents if one["closed_at"] is None]:
        yield _incident_table(open_incidents)
    if blocked := [one for one in found.egresses if one["held_until"]]:
        yield _egress_table(blocked)


def _headings(*names: str) -> list[str]:
    return [label("mparchive.status.heading.", name) for name in names]


def _source_table(sources: Sequence[SourceStatus]) -> Table:
    names = ("source", "state", "seen", "new", "newest", "last_tried", "next", "account")
    table = table_with(*_headings(*names))
    for one in sources:
        state = one.state or "not_tried"
        counts = (str(one.seen), str(one.new))
        times = (_local_time(one.newest_at), _local_time(one.last_tried_at), _local_time(one.next_try_at))
        table.add_row(one.name, label("mparchive.state.", state), *counts, *times, one.account or one.biz)
    return table


def _incident_table(incidents: Sequence[dict[str, Any]]) -> Table:
    table = table_with(*_headings("wrong_since", "problem", "remedy"))
    for one in incidents:
        problem = Message.from_json(one)
        remedy = localized(remedy_for(problem))
        table.add_row(_local_time(one["opened_at"]), localized(problem), remedy)
    return table


def _egress_table(egresses: Sequence[dict[str, Any]]) -> Table:
    table = table_with(*_headings("egress", "blocked_until", "reason"))
    for one in egresses:
        table.add_row(one["name"], _local_time(one["held_until"]), label("mparchive.outcome.", one["reason"]))
    return table


def _local_time(moment: datetime | None) -> str:
    return f"{moment.astimezone(SHANGHAI):%Y-%m-%d %H:%M}" if moment else ""


def _account_table(archived: Status) -> Table:
    table = table_with(*_headings("account", "posts", "with_page", "first", "last", "watched"), "__biz")
    for one in archived.accounts:
        watched = translated(f"mparchive.status.watched.{'yes' if one['watched'] else 'no'}")
        numbers = (one["posts"], one["with_page"], one["first"], one["last"], watched)
        table.add_row(one["name"], *(str(number) for number in numbers), one["biz"])
    return table


def _number_table(archived: Status, sizes: DataSizes) -> Table:
    outcomes = [
        f"{count} {label('mparchive.outcome.', outcome)}"
        for outcome, count in sorted(archived.captures_by_outcome.items())
    ]
    rows = {
        "posts": translated("mparchive.status.posts", posts=archived.posts, versions=archived.versions),
        "captures": translated(
            "mparchive.status.captures",
            captures=archived.captures,
            outcomes=", ".join(outcomes) or translated("mparchive.status.none"),
            bytes=_megabytes(archived.body_bytes),
            stored=_megabytes(archived.stored_bytes),
        ),
        "due": translated(
            "mparchive.status.due", due=archived.due, later=archived.waiting, given_up=archived.given_up
        ),
        **(
            {"forgotten": translated("mparchive.status.forgotten", n=archived.forgotten)}
            if archived.forgotten
            else {}
        ),
        **({"bare": _bare_text(archived)} if archived.bare_waiting else {}),
        **({"other_posts": _other_posts_text(archived)} if archived.other_posts else {}),
        **{type_: _media_text(numbers) for type_, numbers in archived.media.items()},
        "data": _data_text(sizes),
        "last_run": _last_run_text(archived),
    }
    return facts_table({label("mparchive.status.heading.", name): value for name, value in rows.items()})


def _bare_text(archived: Status) -> str:
    if archived.bare_next_at is None:
        return translated("mparchive.status.bare_off", n=archived.bare_waiting)
    when = _local_time(archived.bare_next_at)
    return translated("mparchive.status.bare", n=archived.bare_waiting, when=when)


def _other_posts_text(archived: Status) -> str:
    return translated("mparchive.status.other_posts", n=archived.other_posts)


def _megabytes(size: int) -> str:
    return f"{size / _MEGABYTE:.1f}"


def _media_text(numbers: dict[str, int]) -> str:
    stored = translated(
        "mparchive.status.media.kept",
        kept=numbers["kept"],
        known=numbers["known"],
        size=_megabytes(numbers["bytes"]),
    )
    names = ("due", "waiting", "given_up")
    left = [translated(f"mparchive.status.media.{name}", n=numbers[name]) for name in names if numbers[name]]
    return ", ".join([stored, *left])


def _data_text(sizes: DataSizes) -> str:
    free = [
        translated("mparchive.status.free", folder=folder, size=f"{size / _GIGABYTE:.1f}")
        for folder, size in sizes.free_bytes.items()
    ]
    return "; ".join([translated("mparchive.status.database", size=_megabytes(sizes.database_bytes)), *free])


def _last_run_text(archived: Status) -> str:
    if not archived.last_runs:
        return translated("mparchive.status.no_run")
    last = archived.last_runs[0]
    return translated(
        "mparchive.status.last_run",
        id=last["id"],
        command=last["command"],
        at=f"{last['started_at']:%Y-%m-%d %H:%M}Z",
        result=label("mparchive.run_result.", last["verdict"] or "not_finished"),
    )
