"""Sources of new posts: what each said last, and what the archive knows around an account's posts.

Written after sightings, in the order of the store: accounts, addresses, sightings, sources.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from archive.db.models import Account, AddressRow, Post, PostLink, SourceRow
from archive.domain.captures import Sighted, Sighting
from archive.domain.monitoring import SourceStatus
from archive.domain.outcomes import Relation
from archive.domain.pg_text import storable, storable_json
from archive.repository import accounts, frontier
from archive.repository.post_queries import NOON, PUBLISHED_AT

TO_NEIGHBOURS = (Relation.POST, Relation.PREVIOUS, Relation.NEXT)


@dataclass(frozen=True)
class Report:
    """What a source of an account said at one try. `newest` is aware UTC; `memory` holds JSON values."""

    biz: str
    name: str
    state: str
    good: bool
    detail: str = ""
    sightings: Sequence[Sighting] = ()
    newest: datetime | None = None
    memory: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LinkedAddress:
    """A post that an account's posts link to and that is on no list yet; `posts`: how many link there."""

    url: str
    text: str
    posts: int


@dataclass(frozen=True, slots=True)
class TitledPost:
    """A post by its title. `published_on` is a date in Asia/Shanghai."""

    id: int
    aid: str
    title: str
    published_on: date


def record_report(session: Session, run_id: int | None, report: Report, now: datetime) -> list[Sighted]:
    """Note what a source saw, and how it fares; one answer for each sighting, in order."""
    account_id = accounts.account_id(session, report.biz)
    sighted = frontier.record_sightings(session, run_id, report.sightings, now)
    new = len({one.key for one in sighted if one.is_new})
    _put_source(session, account_id, report, new, now)
    return sighted


def _put_source(session: Session, account_id: int, report: Report, new: int, now: datetime) -> None:
    row = postgresql.insert(SourceRow)
    row = row.values(account_id=account_id, name=storable(report.name), since=now)
    row = row.on_conflict_do_update(
        constraint="uq__sources__account_id_name", set_={"name": row.excluded.name}
    )  # which also locks it
    _tell(session.scalars(row.returning(SourceRow)).one(), report, new, now)
    session.flush()


def _tell(row: SourceRow, report: Report, new: int, now: datetime) -> None:
    if row.state != report.state:
        row.state, row.since = report.state, now
    row.detail = storable(report.detail)
    if report.good and row.failures:
        row.next_try_at = (
            None  # planned while it failed; whoever found it good, it is due by its rhythm again
        )
    row.failures = 0 if report.good else row.failures + 1
    row.seen, row.new = len(report.sightings), new
    row.newest_at = max(filter(None, (row.newest_at, report.newest)), default=None)
    row.memory = storable_json(report.memory)
    row.last_tried_at = now
    if report.good:
        row.last_good_at = now


def memories(session: Session, biz: str) -> dict[str, dict[str, Any]]:
    """What the sources of an account want to be given at their next try, by name."""
    rows = select(SourceRow.name, SourceRow.memory).join(Account, Account.id == SourceRow.account_id)
    return {name: memory for name, memory in session.execute(rows.where(Account.biz == biz))}


def linked_addresses(session: Session, biz: str, limit: int) -> list[LinkedAddress]:
    """Posts that the account's posts lead to, by a short link or as posts of its own; the most linked first.

    Those whose address is known already are left out.
    """
    has_chksm = PostLink.url.contains("chksm=")
    best: Any = postgresql.aggregate_order_by(PostLink.url, has_chksm.desc(), PostLink.id)
    words: Any = postgresql.aggregate_order_by(PostLink.text, (PostLink.text != "").desc(), PostLink.id)
    posts = func.count(PostLink.post_id.distinct())
    known = select(AddressRow.id).where(AddressRow.key == PostLink.key)
    its_own = PostLink.key.startswith(f"{biz}:", autoescape=True) | PostLink.key.startswith("s/")
    rows = (
        select(func.array_agg(best)[1], func.array_agg(words)[1], posts)
        .join(Post, Post.id == PostLink.post_id)
        .join(Account, Account.id == Post.account_id)
        .where(Account.biz == biz, PostLink.relation.in_(TO_NEIGHBOURS), PostLink.url != "")
        .where(its_own, ~known.exists())
        .group_by(PostLink.key)
        .order_by(posts.desc(), PostLink.key.collate("C"))
    )
    return [LinkedAddress(*row) for row in session.execute(rows.limit(limit))]


def albums_met(session: Session, biz: str, limit: int) -> list[str]:
    """The ids of albums that the account's posts are in, the most used first."""
    posts = func.count(PostLink.post_id.distinct())
    rows = (
        select(PostLink.key)
        .join(Post, Post.id == PostLink.post_id)
        .join(Account, Account.id == Post.account_id)
        .where(Account.biz == biz, PostLink.relation == Relation.ALBUM)
        .group_by(PostLink.key)
        .order_by(posts.desc(), PostLink.key.collate("C"))
    )
    return list(session.scalars(rows.limit(limit)))


def titles(session: Session, biz: str, limit: int) -> list[TitledPost]:
    """The account's posts by title, the newest first."""
    rows = select(Post.id, Post.aid, Post.title, Post.published_on)
    rows = rows.join(Account, Account.id == Post.account_id).where(Account.biz == biz)
    rows = rows.order_by(Post.published_on.desc(), Post.mid.desc(), Post.idx).limit(limit)
    return [TitledPost(*row) for row in session.execute(rows)]


def texts(session: Session, post_ids: Sequence[int]) -> dict[int, str]:
    """The texts of posts by their ids."""
    rows = select(Post.id, Post.text).where(Post.id.in_(post_ids))
    return {post_id: text for post_id, text in session.execute(rows)}


def watched(session: Session, biz: str | None = None) -> list[SourceStatus]:
    """The sources that were ever tried or planned, of one account or of all, by account and name."""
    columns = [getattr(SourceRow, name) for name in SourceStatus.__slots__ if name not in ("biz", "account")]
    rows = select(Account.biz, Account.name.label("account"), *columns)
    rows = rows.join(Account, Account.id == SourceRow.account_id)
    if biz is not None:
        rows = rows.where(Account.biz == biz)
    found = session.execute(rows.order_by(Account.biz, SourceRow.name))
    return [SourceStatus(**row) for row in found.mappings()]


def plan_sources(session: Session, biz: str, times: Mapping[str, datetime]) -> None:
    """Note when sources of an account are asked next; those not known yet become known."""
    account_id = accounts.account_id(session, biz)
    row = postgresql.insert(SourceRow)
    row = row.on_conflict_do_update(
        constraint="uq__sources__account_id_name", set_={"next_try_at": row.excluded.next_try_at}
    )
    values = [
        {"account_id": account_id, "name": storable(name), "next_try_at": times[name]}
        for name in sorted(times)
    ]
    if values:
        session.execute(row, values)


def published_instants(session: Session, biz: str, since: datetime) -> list[datetime]:
    """When an account published, where its pages told the instant, first to last."""
    rows = select(Post.published_at).join(Account, Account.id == Post.account_id)
    rows = rows.where(Account.biz == biz, Post.published_at >= since)
    return [instant for instant in session.scalars(rows.order_by(Post.published_at)) if instant is not None]


def newest_post(session: Session, biz: str) -> datetime | None:
    """When the newest archived post of an account was published: the instant, or else noon of its day."""
    rows = select(func.max(PUBLISHED_AT))
    return session.scalar(rows.join(Account, Account.id == Post.account_id).where(Account.biz == biz))


def published_days(session: Session, biz: str, since: datetime) -> list[datetime]:
    """Noon in Asia/Shanghai of the days an account published on, first to last: also of posts of dumps."""
    rows = select(NOON).join(Account, Account.id == Post.account_id).where(Account.biz == biz)
    found = session.scalars(rows.where(Post.published_on >= since.date()).distinct().order_by(NOON))
    return list(found)


def watched_since(session: Session, biz: str) -> datetime | None:
    """When the first source of an account came to be known; None before any was asked."""
    rows = select(func.min(SourceRow.since)).join(Account, Account.id == SourceRow.account_id)
    return session.scalar(rows.where(Account.biz == biz))
