"""Whether the archive can be relied upon now: its schema, and how fresh it is."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from archive.db import schema
from archive.db.models import Account, AddressRow, CaptureRow, Post, Run, SourceRow, Version
from archive.domain.outcomes import NO_ANSWER, NOT_RENDERED, Outcome
from archive.repository.accounts import account_summaries
from archive.repository.incidents import open_incidents
from archive.repository.media import media_numbers


@dataclass(frozen=True)
class Status:
    """How much there is and what waits. Instants are UTC."""

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
    unread: int = 0
    media: dict[str, dict[str, int]] = field(default_factory=dict)
    last_runs: list[dict[str, Any]] = field(default_factory=list)


def archive_status(session: Session, now: datetime) -> Status:
    """How much there is, what waits and what was given up."""
    outcomes = select(func.coalesce(CaptureRow.outcome, "unread"), func.count()).group_by(CaptureRow.outcome)
    by_outcome = {outcome: count for outcome, count in session.execute(outcomes)}
    sizes = select(
        func.coalesce(func.sum(CaptureRow.body_size), 0),
        func.coalesce(func.sum(func.length(CaptureRow.body)), 0),
    )
    body_bytes, stored_bytes = session.execute(sizes).one()
    return Status(
        accounts=account_summaries(session),
        posts=_count(session, select(Post.id)),
        versions=_count(session, select(Version.id)),
        captures=sum(by_outcome.values()),
        captures_by_outcome=by_outcome,
        body_bytes=int(body_bytes),
        stored_bytes=int(stored_bytes),
        due=_count(session, select(AddressRow.id).where(AddressRow.next_fetch_at <= now)),
        waiting=_count(session, select(AddressRow.id).where(AddressRow.next_fetch_at > now)),
        given_up=_count(session, _given_up()),
        unread=by_outcome.get("unread", 0),
        media=media_numbers(session, now),
        last_runs=_last_runs(session),
    )


def _count(session: Session, rows: Select[Any]) -> int:
    return session.scalar(select(func.count()).select_from(rows.subquery())) or 0


def _given_up() -> Select[Any]:
    pending = AddressRow.last_outcome.in_([Outcome.UNKNOWN, NO_ANSWER, NOT_RENDERED])
    return select(AddressRow.id).where(AddressRow.next_fetch_at.is_(None), pending)


def _last_runs(session: Session) -> list[dict[str, Any]]:
    columns = (Run.id, Run.command, Run.started_at, Run.finished_at, Run.verdict, Run.counts)
    return [
        dict(row) for row in session.execute(select(*columns).order_by(Run.id.desc()).limit(5)).mappings()
    ]


LOOKED_WITHIN = timedelta(hours=36)  # of an account that is watched: quiet hours and a long challenge fit in

STALE = ("quiet", "blind")  # kinds of incidents that say that posts may go unseen


def unready(session: Session, now: datetime) -> list[str]:
    """Why the archive is not what its readers expect, one sentence each; empty: it is.

    `now` is an aware UTC instant. Accounts that no source watches are never stale.
    """
    return [*_schema(session), *_trouble(session), *_unwatched(session, now)]


def _schema(session: Session) -> list[str]:
    there, wanted = schema.revision(session.connection()), schema.newest()
    if there == wanted:
        return []
    return [f"the database's schema is {there}, this program's {wanted}; start the newer of the two again"]


def _trouble(session: Session) -> list[str]:
    return [f"{one.words}; {one.remedy}" for one in open_incidents(session) if one.key.split(":")[0] in STALE]


def _unwatched(session: Session, now: datetime) -> list[str]:
    looked = func.max(SourceRow.last_good_at)
    rows = select(Account.name, Account.biz, looked).join(SourceRow, SourceRow.account_id == Account.id)
    rows = rows.where(SourceRow.last_tried_at.is_not(None)).group_by(Account.id).order_by(Account.biz)
    return [
        f"{name or biz}: no source has worked since {_instant(last)}; see `mparchive status`, and whether "
        "`mparchive run` is running"
        for name, biz, last in session.execute(rows)
        if last is None or last < now - LOOKED_WITHIN
    ]


def _instant(last: datetime | None) -> str:
    return f"{last:%Y-%m-%d %H:%M} UTC" if last else "it was added"
