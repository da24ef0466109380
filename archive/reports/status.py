"""Report the status of the archive: how much it holds, what is due, whether it is ready to be relied on."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Engine, Select, exists, func, select, text
from sqlalchemy.orm import Session

from archive.db import schema
from archive.db.models import (
    Account,
    AddressRow,
    Body,
    CaptureRow,
    ParseResult,
    Post,
    Run,
    SourceRow,
    UnparsedCapture,
    Version,
)
from archive.db.roles import role_warnings
from archive.domain.messages import Message
from archive.domain.monitoring import NEIGHBOURS, remedy_for, unwatched, with_remedy
from archive.domain.outcomes import NO_ANSWER, NOT_RENDERED, Outcome
from archive.domain.update_decisions import BARE_A_DAY
from archive.repository.accounts import account_summaries
from archive.repository.bare_addresses import bare_status
from archive.repository.incidents import open_incidents
from archive.repository.media import media_numbers
from archive.repository.removals import count_forgotten
from archive.repository.served_posts import count_other_posts
from archive.repository.sources import linked_albums

_UNPARSED = "unread"  # stands for the outcome of captures that were not parsed yet

WATCHED_WITHIN = timedelta(hours=36)  # quiet hours and a long block after a challenge fit in

STALE_KINDS = ("quiet", "blind")  # of incidents that say that posts may be missed

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


def archive_status(session: Session, now: datetime, bare_a_day: int = BARE_A_DAY) -> Status:
    """Count what the archive holds, what is due and what was given up. `now` is an aware UTC instant."""
    bare = bare_status(session, bare_a_day, now)
    outcomes = select(ParseResult.outcome, func.count()).where(ParseResult.is_current)
    rows = session.execute(outcomes.group_by(ParseResult.outcome))
    by_outcome = {outcome: count for outcome, count in rows}
    unparsed = session.scalar(select(func.count()).select_from(UnparsedCapture)) or 0
    if unparsed:
        by_outcome[_UNPARSED] = unparsed
    body_bytes = session.scalar(select(func.coalesce(func.sum(CaptureRow.body_size), 0)))
    stored_bytes = session.scalar(select(func.coalesce(func.sum(func.length(Body.data)), 0)))
    not_watched = unwatched_accounts(session)
    bizs = {one.biz for one in not_watched}
    return Status(
        accounts=[one | {"watched": one["biz"] not in bizs} for one in account_summaries(session)],
        posts=_count(session, select(Post.id)),
        versions=_count(session, select(Version.id)),
        captures=sum(by_outcome.values()),
        captures_by_outcome=by_outcome,
        body_bytes=int(body_bytes or 0),
        stored_bytes=int(stored_bytes or 0),
        due=_count(session, select(AddressRow.id).where(AddressRow.next_fetch_at <= now)),
        waiting=_count(session, select(AddressRow.id).where(AddressRow.next_fetch_at > now)),
        given_up=_count(session, _given_up()),
        forgotten=count_forgotten(session),
        bare_waiting=bare.waiting,
        bare_next_at=bare.next_at,
        other_posts=count_other_posts(session),
        unread=unparsed,
        media=media_numbers(session, now),
        last_runs=_last_runs(session),
        not_watched=[one.as_dict() for one in not_watched],
    )


def _count(session: Session, rows: Select[Any]) -> int:
    return session.scalar(select(func.count()).select_from(rows.subquery())) or 0


def holds_nothing(session: Session) -> bool:
    """Tell whether the archive has neither posts nor captures yet."""
    rows = (select(Post.id), select(CaptureRow.id))
    return all(session.scalar(one.limit(1)) is None for one in rows)


def _given_up() -> Select[Any]:
    pending = AddressRow.last_outcome.in_([Outcome.UNKNOWN, NO_ANSWER, NOT_RENDERED])
    return select(AddressRow.id).where(AddressRow.next_fetch_at.is_(None), pending)


def _last_runs(session: Session) -> list[dict[str, Any]]:
    columns = (Run.id, Run.command, Run.started_at, Run.finished_at, Run.verdict, Run.counts)
    return [
        dict(row) for row in session.execute(select(*columns).order_by(Run.id.desc()).limit(5)).mappings()
    ]


def unready(session: Session, now: datetime) -> list[Message]:
    """Return the reasons why the archive is not ready; none when it is.

    `now` is an aware UTC instant. An account that no source watches is one: nobody looks for its posts.
    """
    return [
        *_schema_problems(session),
        *_stale_accounts(session),
        *_silent_sources(session, now),
        *unwatched_reasons(unwatched_accounts(session)),
    ]


def _schema_problems(session: Session) -> list[Message]:
    actual, expected = schema.revision(session.connection()), schema.newest_revision()
    if actual == expected:
        return []
    return [Message("archive.status.other_schema", {"actual": actual, "expected": expected})]


def _stale_accounts(session: Session) -> list[Message]:
    return [
        Message("archive.status.incident", {"problem": one.message, "remedy": one.remedy_message})
        for one in open_incidents(session)
        if one.key.split(":")[0] in STALE_KINDS
    ]


def _silent_sources(session: Session, now: datetime) -> list[Message]:
    last_good = func.max(SourceRow.last_good_at)
    rows = select(Account.name, Account.biz, last_good).join(SourceRow, SourceRow.account_id == Account.id)
    rows = rows.where(_is_asked()).group_by(Account.id).order_by(Account.biz)
    return [
        Message("archive.status.source_silent", {"account": name or biz, "since": last})
        if last
        else Message("archive.status.source_never_worked", {"account": name or biz})
        for name, biz, last in session.execute(rows)
        if last is None or last < now - WATCHED_WITHIN
    ]


def _is_asked() -> ColumnElement[bool]:
    """Select sources that were tried and list new posts, which those of links between posts do not."""
    return SourceRow.last_tried_at.is_not(None) & (SourceRow.name != NEIGHBOURS)


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
    asked = exists().where(SourceRow.account_id == Account.id, _is_asked())
    rows = select(Account.biz, Account.name).where(~asked).order_by(Account.biz.collate("C"))
    return [
        UnwatchedAccount(
            biz, name, tuple(linked_albums(session, biz, MAX_ALBUMS)) if number < MAX_UNWATCHED else ()
        )
        for number, (biz, name) in enumerate(session.execute(rows))
    ]


def unwatched_reasons(accounts: Sequence[UnwatchedAccount]) -> list[Message]:
    """Return a sentence with its remedy for each of the first MAX_UNWATCHED, and one for the others."""
    reasons = [with_remedy(one.message) for one in accounts[:MAX_UNWATCHED]]
    if len(accounts) > MAX_UNWATCHED:
        reasons.append(Message("archive.unwatched.more", {"n": len(accounts) - MAX_UNWATCHED}))
    return reasons


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
        if connection.scalar(select(func.to_regclass(CaptureRow.__tablename__))) is None:
            return DatabaseFacts(version)
        newest = connection.scalar(select(func.max(CaptureRow.fetched_at)))
        return DatabaseFacts(version, role_warnings(connection), newest)
