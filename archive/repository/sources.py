"""Keep the sources of new posts: what each returned last, when it is tried next, and what it needs to know.

Each function takes a session and leaves the commit to its caller. Rows are locked in the order that
archive.ingest.pages states, sources after sightings. Instants are aware UTC.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, Select, bindparam, func, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session, aliased

from archive.db.models import Account, Post, PostLink, Source
from archive.domain.captures import Sighted, SightingData
from archive.domain.monitoring import NEIGHBOURS, SourceName, SourceStatus
from archive.domain.outcomes import LINKS_TO_POSTS, Relation
from archive.domain.text import storable, storable_json
from archive.repository import accounts, frontier
from archive.repository.address_keys import without_known
from archive.repository.post_queries import NOON, PUBLISHED_AT

_UNIQUE = "uq__sources__account_id_type_external_id"


@dataclass(frozen=True)
class SourceReport:
    """What a source of an account returned at one try. `memory` holds JSON values for its next try.

    `detail` says why it is in this state, as Message.dump writes it.
    """

    biz: str
    name: str
    state: str
    good: bool
    detail: str = ""
    sightings: Sequence[SightingData] = ()
    newest: datetime | None = None
    memory: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LinkedAddress:
    """A post that an account's posts link to and no source has listed; `posts` counts the linking ones."""

    url: str
    text: str
    posts: int


@dataclass(frozen=True, slots=True)
class TitledPost:
    """A post of the archive with its title. `published_on` is a date in Asia/Shanghai."""

    id: int
    aid: str
    title: str
    published_on: date


def record_report(session: Session, run_id: int | None, report: SourceReport, now: datetime) -> list[Sighted]:
    """Store what a source listed, and its state; return one result for each sighting, in order.

    The run does not claim the addresses: any crawl may fetch them at once.
    """
    account_id = accounts.account_id(session, report.biz)
    sighted = frontier.record_sightings(session, run_id, report.sightings, now, claim=False)
    new = len({one.key for one in sighted if one.is_new})
    _put_source(session, account_id, report, new, now)
    return sighted


def _put_source(session: Session, account_id: int, report: SourceReport, new: int, now: datetime) -> None:
    row = postgresql.insert(Source)
    row = row.values(account_id=account_id, state_since=now, **_identity(report.name))
    row = row.on_conflict_do_update(
        constraint=_UNIQUE, set_={"type": row.excluded.type}
    )  # which also locks it
    _update_source(session.scalars(row.returning(Source)).one(), report, new, now)
    session.flush()


def _identity(name: str) -> dict[str, str | None]:
    """Return the columns that say which source of its account one is."""
    type_, external_id = SourceName.parse(name)
    return {"type": type_, "external_id": None if external_id is None else storable(external_id)}


def _update_source(row: Source, report: SourceReport, new: int, now: datetime) -> None:
    if row.state != report.state:
        row.state, row.state_since = report.state, now
    row.detail = storable(report.detail)
    if report.good and row.consecutive_failures:
        row.next_fetch_at = None  # was planned while it failed; from now on it is due by its polling interval
    row.consecutive_failures = 0 if report.good else row.consecutive_failures + 1
    row.listed_count, row.new_count = len(report.sightings), new
    row.newest_at = max(filter(None, (row.newest_at, report.newest)), default=None)
    row.memory = storable_json(report.memory)
    row.last_tried_at = now
    if report.good:
        row.last_good_at = now


def source_memories(session: Session, biz: str) -> dict[str, dict[str, Any]]:
    """Return what the sources of an account stored for their next try, by name."""
    rows = select(Source).join(Account, Account.id == Source.account_id).where(Account.biz == biz)
    return {source.name: source.memory for source in session.scalars(rows)}


def linked_addresses(session: Session, biz: str, limit: int) -> list[LinkedAddress]:
    """Return posts that the account's posts link to, by short link or as its own, the most linked first.

    Those whose address is known already are left out.
    """
    has_chksm = PostLink.url.contains("chksm=")
    best: Any = postgresql.aggregate_order_by(PostLink.url, has_chksm.desc(), PostLink.id)
    label: Any = postgresql.aggregate_order_by(PostLink.text, (PostLink.text != "").desc(), PostLink.id)
    posts = func.count(PostLink.post_id.distinct())
    its_own = PostLink.key.startswith(f"{biz}:", autoescape=True) | PostLink.key.startswith("s/")
    rows = (
        select(
            PostLink.key,
            func.array_agg(best)[1].label("url"),
            func.array_agg(label)[1].label("text"),
            posts.label("posts"),
        )
        .join(Post, Post.id == PostLink.post_id)
        .join(Account, Account.id == Post.account_id)
        .where(Account.biz == biz, PostLink.relation.in_(LINKS_TO_POSTS), PostLink.url != "")
        .where(its_own)
        .group_by(PostLink.key)
        .order_by(posts.desc(), PostLink.key.collate("C"))
    )
    unknown = without_known(session, session.execute(rows))
    return [LinkedAddress(row.url, row.text, row.posts) for row in islice(unknown, limit)]


def linked_albums(session: Session, biz: str, limit: int) -> list[str]:
    """Return the ids of albums that the account's posts are in, the most used first."""
    own = select(Account.id).where(Account.biz == biz).scalar_subquery()
    return list(session.scalars(most_used_albums(own).limit(limit)))


def most_used_albums(account_id: ColumnElement[int]) -> Select[str]:
    """Select the ids of albums that an account's posts are in, the most used first."""
    posts = func.count(PostLink.post_id.distinct())
    rows = select(PostLink.key).join(Post, Post.id == PostLink.post_id)
    rows = rows.where(Post.account_id == account_id, PostLink.relation == Relation.ALBUM)
    return rows.group_by(PostLink.key).order_by(posts.desc(), PostLink.key.collate("C"))


def titled_posts(session: Session, biz: str, limit: int) -> list[TitledPost]:
    """Return the account's posts with their titles, the newest first."""
    rows = select(Post.id, Post.aid, Post.title, Post.published_on)
    rows = rows.join(Account, Account.id == Post.account_id).where(Account.biz == biz)
    rows = rows.order_by(Post.published_on.desc(), Post.mid.desc(), Post.idx).limit(limit)
    return [TitledPost(*row) for row in session.execute(rows)]


def post_texts(session: Session, post_ids: Sequence[int]) -> dict[int, str]:
    """Return the texts of posts by their ids."""
    rows = select(Post.id, Post.text).where(Post.id.in_(post_ids))
    return {post_id: text for post_id, text in session.execute(rows)}


def source_statuses(session: Session, biz: str | None = None) -> list[SourceStatus]:
    """Return the sources that were ever tried or planned, of one account or of all, by account and name."""
    rows = select(Account.biz, Account.name, Source).join(Source, Source.account_id == Account.id)
    if biz is not None:
        rows = rows.where(Account.biz == biz)
    rows = rows.order_by(Account.biz, Source.type, Source.external_id)
    return [_status(*row) for row in session.execute(rows)]


def _status(biz: str, account: str, row: Source) -> SourceStatus:
    return SourceStatus(
        biz=biz,
        account=account,
        name=row.name,
        state=row.state,
        detail=row.detail,
        since=row.state_since,
        failures=row.consecutive_failures,
        seen=row.listed_count,
        new=row.new_count,
        newest_at=row.newest_at,
        last_tried_at=row.last_tried_at,
        last_good_at=row.last_good_at,
        next_try_at=row.next_fetch_at,
    )


def plan_sources(session: Session, biz: str, times: Mapping[str, datetime]) -> None:
    """Store when sources of an account are tried next; sources not known yet are added."""
    account_id = accounts.account_id(session, biz)
    row = postgresql.insert(Source)
    row = row.on_conflict_do_update(constraint=_UNIQUE, set_={"next_fetch_at": row.excluded.next_fetch_at})
    values = [
        {"account_id": account_id, "next_fetch_at": times[name], **_identity(name)} for name in sorted(times)
    ]
    if values:
        session.execute(row, values)


def published_instants(session: Session, biz: str, since: datetime) -> list[datetime]:
    """Return when an account published, of posts whose page gives the instant, first to last."""
    rows = select(Post.published_at).join(Account, Account.id == Post.account_id)
    rows = rows.where(Account.biz == biz, Post.published_at >= since)
    return [instant for instant in session.scalars(rows.order_by(Post.published_at)) if instant is not None]


def pushes_a_day_of(
    session: Session, bizs: Sequence[str], since: datetime, now: datetime
) -> dict[str, float]:
    """Return how often a day accounts published since an instant; those without a post are left out.

    Posts within one hour count as one push. An account that is younger is counted from its first post on.
    """
    hour = func.date_trunc("hour", Post.published_at)
    first_at: Any = func.min(Post.published_at)
    rows = select(Account.biz, func.count(hour.distinct()), first_at)
    rows = rows.join(Post, Post.account_id == Account.id).where(Account.biz.in_(bizs))
    rows = rows.where(Post.published_at >= since, Post.published_at <= now).group_by(Account.biz)
    days = timedelta(days=1)
    return {biz: pushes / max(1.0, (now - first) / days) for biz, pushes, first in session.execute(rows)}


def newest_post(session: Session, biz: str) -> datetime | None:
    """Return when the newest archived post of an account was published: the instant, else noon of its day."""
    return session.scalar(select(_newest()).where(Account.biz == biz))


def newest_posts(session: Session) -> dict[str, datetime]:
    """Return the same of every account that has a post, by biz."""
    rows = session.execute(select(Account.biz, _newest()).order_by(Account.id))
    return {biz: newest for biz, newest in rows if newest is not None}


def _newest() -> ScalarSelect[datetime]:
    """Select the newest instant of an account; an index leads to its last day."""
    other = aliased(Post)
    last_day = select(func.max(other.published_on)).where(other.account_id == Account.id)
    rows = select(func.max(PUBLISHED_AT)).where(Post.account_id == Account.id)
    rows = rows.where(Post.published_on == last_day.correlate(Account).scalar_subquery())
    return rows.correlate(Account).scalar_subquery()


def published_days(session: Session, biz: str, since: datetime) -> list[datetime]:
    """Return noon in Asia/Shanghai of each day an account published on, first to last, dumps included."""
    rows = select(NOON).join(Account, Account.id == Post.account_id).where(Account.biz == biz)
    days = rows.where(Post.published_on >= since.date()).distinct().order_by(NOON)
    return list(session.scalars(days))


def watched_since(session: Session, biz: str) -> datetime | None:
    """Return when the first source of an account became known; None before any was tried."""
    rows = select(func.min(Source.state_since)).join(Account, Account.id == Source.account_id)
    return session.scalar(rows.where(Account.biz == biz))


def last_listed(session: Session, biz: str) -> datetime | None:
    """Return when a source of an account last worked, other than links between its posts; None: never."""
    return session.scalar(_LAST_LISTED, {"biz": biz})


_LAST_LISTED = (
    select(func.max(Source.last_good_at))
    .join(Account, Account.id == Source.account_id)
    .where(Account.biz == bindparam("biz"), Source.type != NEIGHBOURS)
)
