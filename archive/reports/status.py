"""Report the status of the archive: how much it holds, what is due, whether it is ready to be relied on."""

import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Engine, Select, case, exists, func, select, text
from sqlalchemy.orm import Session

from archive.db import schema
from archive.db.models import Account, Address, Capture, Incident, Post, Run, Source
from archive.db.roles import role_warnings
from archive.domain.messages import Message
from archive.domain.monitoring import NEIGHBOURS, STALE_KINDS, remedy_for, unwatched, with_remedy
from archive.domain.update_decisions import BARE_A_DAY
from archive.repository.accounts import account_summaries
from archive.repository.bare_addresses import bare_status
from archive.repository.derived import counts, hour_of, start_of_hour
from archive.repository.incidents import open_incidents
from archive.repository.media_numbers import media_numbers
from archive.repository.removals import count_forgotten
from archive.repository.runs import grouped_counts
from archive.repository.served_posts import count_other_posts
from archive.repository.sources import most_used_albums

_UNPARSED = "unread"  # stands for the outcome of captures that were not parsed yet

WATCHED_WITHIN = timedelta(hours=36)  # quiet hours and a long block after a challenge fit in

MAX_UNWATCHED = (
    20  # accounts without a source that are named; after the import of a list there may be hundreds
)

MAX_ALBUMS = 3  # of such an account that its remedy names


@dataclass(frozen=True)
class Status:
    """How much the archive holds, and what is due. Instants are UTC.

    `bare_waiting` are addresses without chksm among those that are due or wait; none of them is asked before
    `bare_next_at`, or ever where that is None. `other_posts` are addresses that gave another post at last.
    """

    accounts: list[dict[str, Any]] = field(default_factory=list)
    posts: int = 0
    versions: int = 0
    captures: int = 0
    captures_by_outcome: dict[str, int] = field(default_factory=dict)
    body_bytes: int = 0
    stored_bytes: int = 0
    due: int = 0
    waiting: int = 0
    given_up: int = 0
    forgotten: int = 0
    bare_waiting: int = 0
    bare_next_at: datetime | None = None
    other_posts: int = 0
    unread: int = 0
    media: dict[str, dict[str, int]] = field(default_factory=dict)
    last_runs: list[dict[str, Any]] = field(default_factory=list)
    not_watched: list[dict[str, Any]] = field(default_factory=list)


def archive_status(
    session: Session,
    now: datetime,
    bare_a_day: int = BARE_A_DAY,
    not_watched: "Sequence[UnwatchedAccount] | None" = None,
) -> Status:
    """Count what the archive holds, what is due and what was given up. `now` is an aware UTC instant.

    `not_watched` are the accounts that no source watches, of a caller that has them.
    """
    bare = bare_status(session, bare_a_day, now)
    not_watched = unwatched_accounts(session) if not_watched is None else not_watched
    return Status(
        accounts=account_list(session, not_watched),
        **asdict(archive_numbers(session, now)),
        forgotten=count_forgotten(session),
        bare_waiting=bare.waiting,
        bare_next_at=bare.next_at,
        other_posts=count_other_posts(session),
        media=media_numbers(session, now),
        last_runs=_last_runs(session),
        not_watched=[one.as_dict() for one in not_watched],
    )


def account_list(
    session: Session, not_watched: "Sequence[UnwatchedAccount] | None" = None
) -> list[dict[str, Any]]:
    """Return the accounts with the numbers of their posts, and whether a source watches each."""
    without_source = unwatched_accounts(session) if not_watched is None else not_watched
    bizs = {one.biz for one in without_source}
    return [one | {"watched": one["biz"] not in bizs} for one in account_summaries(session)]


@dataclass(frozen=True, slots=True)
class ArchiveNumbers:
    """The numbers of `Status` that every scrape of the metrics asks for: by counters, whatever the size."""

    posts: int
    versions: int
    captures: int
    captures_by_outcome: dict[str, int]
    body_bytes: int
    stored_bytes: int
    due: int
    waiting: int
    given_up: int
    unread: int


_NUMBERS = (
    "posts", "versions", "captures", "body_bytes", "stored_bytes",
    "addresses_scheduled", "addresses_given_up",
)  # fmt: skip


def archive_numbers(session: Session, now: datetime) -> ArchiveNumbers:
    """Return the numbers that counters have. `now` is an aware UTC instant."""
    found = counts(session, _NUMBERS)
    scheduled = found["addresses_scheduled"]
    due = sum(count for hour, count in scheduled.items() if int(hour) < hour_of(now))
    at = Address.next_fetch_at
    due += session.scalar(select(func.count()).where(at >= start_of_hour(now), at <= now)) or 0
    return ArchiveNumbers(
        posts=found["posts"].total(),
        versions=found["versions"].total(),
        captures=found["captures"].total(),
        captures_by_outcome=dict(found["captures"]),
        body_bytes=found["body_bytes"].total(),
        stored_bytes=found["stored_bytes"].total(),
        due=due,
        waiting=scheduled.total() - due,
        given_up=found["addresses_given_up"].total(),
        unread=found["captures"][_UNPARSED],
    )


def holds_nothing(session: Session) -> bool:
    """Tell whether the archive has neither posts nor captures yet."""
    rows = (select(Post.id), select(Capture.id))
    return all(session.scalar(one.limit(1)) is None for one in rows)


def _last_runs(session: Session) -> list[dict[str, Any]]:
    columns = (Run.id, Run.command, Run.started_at, Run.finished_at, Run.status.label("verdict"), Run.counts)
    rows = session.execute(select(*columns).order_by(Run.id.desc()).limit(5)).mappings()
    return [{**row, "counts": grouped_counts(row["counts"])} for row in rows]


def unready(
    session: Session,
    now: datetime,
    problems: Sequence[Incident] | None = None,
    not_watched: "Sequence[UnwatchedAccount] | None" = None,
) -> list[Message]:
    """Return the reasons why the archive is not ready; none when it is.

    `now` is an aware UTC instant. An account that no source watches is one: nobody looks for its posts.
    `problems` are the incidents that last and `not_watched` such accounts, of a caller that has them.
    """
    return [
        *_schema_problems(session),
        *_stale_accounts(open_incidents(session) if problems is None else problems),
        *_silent_sources(session, now),
        *unwatched_reasons(unwatched_accounts(session) if not_watched is None else not_watched),
    ]


def _schema_problems(session: Session) -> list[Message]:
    actual, expected = schema.revision(session.connection()), schema.newest_revision()
    if actual == expected:
        return []
    return [Message("archive.status.other_schema", {"actual": actual, "expected": expected})]


def _stale_accounts(problems: Sequence[Incident]) -> list[Message]:
    return [
        Message("archive.status.incident", {"problem": one.message, "remedy": one.remedy_message})
        for one in problems
        if one.kind in STALE_KINDS
    ]


def _silent_sources(session: Session, now: datetime) -> list[Message]:
    return [
        Message("archive.status.source_silent", {"account": name or biz, "since": last})
        if last
        else Message("archive.status.source_never_worked", {"account": name or biz})
        for name, biz, last in session.execute(_last_answers())
        if last is None or last < now - WATCHED_WITHIN
    ]


@cache
def _last_answers() -> Select[str, str, datetime | None]:
    last_good = func.max(Source.last_good_at)
    rows = select(Account.name, Account.biz, last_good).join(Source, Source.account_id == Account.id)
    return rows.where(_is_asked()).group_by(Account.id).order_by(Account.biz)


def _is_asked() -> ColumnElement[bool]:
    """Select sources that were tried and list new posts, which those of links between posts do not."""
    return Source.last_tried_at.is_not(None) & (Source.type != NEIGHBOURS)


@dataclass(frozen=True, slots=True)
class UnwatchedAccount:
    """An account of the archive of which no source was ever asked for new posts."""

    biz: str
    name: str
    albums: tuple[str, ...] = ()

    @property
    def message(self) -> Message:
        """Return that it is not watched; `remedy_for` says which source to switch on, and how."""
        return unwatched(self.name or self.biz, self.albums)

    def as_dict(self) -> dict[str, Any]:
        """Return it as `status --json` prints it: words in English."""
        words = {"words": str(self.message), "remedy": str(remedy_for(self.message))}
        return {"biz": self.biz, "account": self.name, **words}


def unwatched_accounts(session: Session) -> list[UnwatchedAccount]:
    """Return the accounts that no source watches, by biz; links between their own posts do not count."""
    return [
        UnwatchedAccount(biz, name, tuple(albums or ()))
        for biz, name, albums in session.execute(_unwatched())
    ]


@cache
def _unwatched() -> Select[str, str, Sequence[str] | None]:
    """Select the accounts with albums of the first MAX_UNWATCHED."""
    asked = exists().where(Source.account_id == Account.id, _is_asked())
    order = Account.biz.collate("C")
    number = func.row_number().over(order_by=order).label("number")
    one = select(Account.id, Account.biz, Account.name, number).where(~asked).subquery()
    albums = func.array(most_used_albums(one.c.id).limit(MAX_ALBUMS).scalar_subquery())
    shown = case((one.c.number <= MAX_UNWATCHED, albums))
    return select(one.c.biz, one.c.name, shown).order_by(one.c.number)


def unwatched_reasons(accounts: Sequence[UnwatchedAccount]) -> list[Message]:
    """Return a sentence with its remedy for each of the first MAX_UNWATCHED, and one for the others."""
    reasons = [with_remedy(one.message) for one in accounts[:MAX_UNWATCHED]]
    if len(accounts) > MAX_UNWATCHED:
        reasons.append(Message("archive.unwatched.more", {"n": len(accounts) - MAX_UNWATCHED}))
    return reasons


@dataclass(frozen=True, slots=True)
class DataSizes:
    """Where the data is: bytes of the database with its indexes, and free bytes by folder of this machine."""

    database_bytes: int
    free_bytes: dict[str, int]


def data_sizes(session: Session, folders: Sequence[Path]) -> DataSizes:
    """Return the size of the database, and what is free in the folders that are there."""
    size = session.scalar(select(func.pg_database_size(func.current_database()))) or 0
    return DataSizes(size, free_bytes(folders))


def free_bytes(folders: Sequence[Path]) -> dict[str, int]:
    """Return the free bytes on the disk of each folder, by its path; a folder that is away is left out."""
    free: dict[str, int] = {}
    for folder in folders:
        with suppress(OSError):
            free[str(folder)] = shutil.disk_usage(folder).free
    return free


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """What a database is, whether or not an archive has been made in it. The instant is aware UTC."""

    version: str
    warnings: Sequence[Message] = ()
    newest_capture: datetime | None = None


def database_facts(engine: Engine) -> DatabaseFacts:
    """Return the version of the server, what is wrong with the rights of the role, and the newest capture."""
    with engine.connect() as connection:
        version = connection.execute(text("SHOW server_version")).scalar_one()
        if connection.scalar(select(func.to_regclass(Capture.__tablename__))) is None:
            return DatabaseFacts(version)
        newest = connection.scalar(select(func.max(Capture.fetched_at)))
        return DatabaseFacts(version, role_warnings(connection), newest)
