"""Find posts that are missing: holes in pushes, and what links, albums, addresses and digests name."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Date,
    Row,
    Select,
    case,
    cast,
    func,
    literal,
    null,
    select,
    true,
    union_all,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from archive.audit.gap import ADD_SOURCE, FETCH, AuditScope, Gap, GapKind, shanghai_day
from archive.db.models import Address, Post, PostLink, Sighting, Source, Version
from archive.domain.addresses import PostId, post_key
from archive.domain.messages import Message
from archive.domain.monitoring import SourceType
from archive.domain.outcomes import (
    AWAY,
    BLOCKING,
    LINKS_TO_POSTS,
    NO_ANSWER,
    NOT_RENDERED,
    Outcome,
    Relation,
)
from archive.domain.weekly_digest import Title, Titles, WeeklyDigest, normalised
from archive.repository.address_keys import without_known
from archive.repository.announced_posts import announced_posts
from archive.repository.post_queries import IS_ITS_ADDRESS
from archive.repository.removals import forgotten_posts

MAX_POSTS_IN_PUSH = 20  # WeChat takes 8; a higher position is invented and makes no holes

_LIST_WHOLE_PUSHES = ("own_backend", "official")  # sources: what they leave out does not exist


@dataclass(frozen=True, slots=True)
class _Push:
    mid: int
    positions: Sequence[int]
    day: date | None


def push_holes(session: Session, scope: AuditScope) -> Iterator[Gap]:
    """Yield positions of pushes that no post, address or link has, though a later position is known.

    The posts of a push have the positions 1, 2, 3 and so on.
    """
    pushes = [_Push(*row) for row in session.execute(_pushes(session, scope))]
    listed = _last_listed_positions(session, scope, [push.mid for push in pushes])
    remedy = Message("archive.audit.remedy_poll_sources") if scope.can_search else ADD_SOURCE
    for push in pushes:
        for position in range(1, push.positions[-1]):
            if position not in push.positions and not any(last > position for last in listed[push.mid]):
                what = {"known": list(push.positions), "mid": push.mid, "position": position}
                yield scope.gap(
                    GapKind.HOLE,
                    f"{push.mid}_{position}",
                    Message("archive.audit.hole", what),
                    remedy,
                    fillable=scope.can_search,
                    day=push.day,
                )


def _pushes(session: Session, scope: AuditScope) -> Any:
    """Select pushes with fewer known positions than the last one implies: mid, positions, day."""
    known = _known_positions(session, scope).subquery()
    positions = func.array_agg(known.c.idx.distinct())
    return (
        select(known.c.mid, positions, func.min(known.c.day))
        .where(known.c.idx.between(1, MAX_POSTS_IN_PUSH))
        .group_by(known.c.mid)
        .having(func.max(known.c.idx) > func.count(known.c.idx.distinct()))
        .order_by(known.c.mid)
    )


def _known_positions(session: Session, scope: AuditScope) -> Any:
    """Select every known position: of a post, of an address whatever its outcome, or of a link."""
    no_day = cast(null(), Date)
    posts = select(Post.mid.label("mid"), Post.idx.label("idx"), Post.published_on.label("day"))
    addresses = select(Address.mid, Address.idx, no_day)
    links = list(_linked_positions(session, scope))
    columns = [literal([one[part] for one in links], ARRAY(BigInteger)) for part in range(2)]
    return union_all(
        posts.where(Post.account_id == scope.account_id),
        addresses.where(Address.account_id == scope.account_id, Address.mid.is_not(None)),
        select(*map(func.unnest, columns), no_day),
    )


def _linked_positions(session: Session, scope: AuditScope) -> Iterator[tuple[int, int]]:
    """Yield the positions that the account's posts link to."""
    keys = select(PostLink.key).distinct().join(Post, Post.id == PostLink.post_id)
    keys = keys.where(Post.account_id == scope.account_id, PostLink.relation.in_(LINKS_TO_POSTS))
    for key in session.scalars(keys):
        post = PostId.of_key(key)
        if post and post.biz == scope.biz:
            yield int(post.mid), int(post.idx)


def _last_listed_positions(session: Session, scope: AuditScope, mids: Sequence[int]) -> dict[int, list[int]]:
    """Return by push the last position in each source that lists pushes whole."""
    mid, idx = func.coalesce(Address.mid, Post.mid), func.coalesce(Address.idx, Post.idx)
    rows = select(mid, func.max(idx)).select_from(Address).outerjoin(Post, IS_ITS_ADDRESS)
    rows = rows.join(Sighting, Sighting.address_id == Address.id)
    rows = rows.where(Address.account_id == scope.account_id, mid.is_not(None))
    rows = rows.where(Sighting.source.in_(_LIST_WHOLE_PUSHES), mid.in_(mids)).group_by(mid, Sighting.source)
    positions: dict[int, list[int]] = defaultdict(list)
    for push, last in session.execute(rows):
        positions[push].append(last)
    return positions


_SIZE = PostLink.page_metadata["size"].astext


def linked_posts(session: Session, scope: AuditScope) -> Iterator[Gap]:
    """Yield posts that the account's posts link to, in their text or as an album's neighbours."""
    rows = _without_archived(session, scope, without_known(session, session.execute(_links(scope))))
    for row in rows:
        key, posts = row.key, row.posts
        names = [Message(f"archive.relation.{relation}") for relation in row.relations]
        code = "archive.audit.linked_by_several" if posts > 1 else "archive.audit.linked"
        what = {"post": row.example, "relations": names} | ({"more": posts - 1} if posts > 1 else {})
        yield scope.gap(
            GapKind.MENTIONED,
            "_".join(key.split(":")[1:]) if not key.startswith("s/") else row.url,
            Message(code, what),
            FETCH,
            fillable=True,
            title=row.text,
            url=row.url,
        )


def _without_archived(session: Session, scope: AuditScope, rows: Iterator[Row[Any]]) -> Iterator[Row[Any]]:
    """Return the rows whose `key` is not that of a post of the account."""
    aids = session.scalars(select(Post.aid).where(Post.account_id == scope.account_id))
    archived = {post_key(scope.biz, aid) for aid in aids}
    return (row for row in rows if row.key not in archived)


def _links(scope: AuditScope) -> Select[Any]:
    has_chksm = PostLink.url.contains("chksm=")
    best: Any = postgresql.aggregate_order_by(PostLink.url, has_chksm.desc(), PostLink.id)
    text: Any = postgresql.aggregate_order_by(PostLink.text, (PostLink.text != "").desc(), PostLink.id)
    own = PostLink.key.startswith(f"{scope.biz}:", autoescape=True) | PostLink.key.startswith("s/")
    posts = func.count(PostLink.post_id.distinct())
    relations = func.array_agg(PostLink.relation.distinct())
    return (
        select(
            PostLink.key, func.array_agg(best)[1].label("url"), func.array_agg(text)[1].label("text"),
            relations.label("relations"), posts.label("posts"),
            func.min(Post.aid.collate("C")).label("example"),
        )
        .join(Post, Post.id == PostLink.post_id)
        .where(Post.account_id == scope.account_id, PostLink.relation.in_(LINKS_TO_POSTS), PostLink.url != "")
        .where(own)
        .group_by(PostLink.key)
        .order_by(posts.desc(), PostLink.key.collate("C"))
    )  # fmt: skip


def incomplete_albums(session: Session, scope: AuditScope) -> Iterator[Gap]:
    """Yield albums that claim more posts than are known to be in them, and that no source lists."""
    for album, title, size, posts in session.execute(_albums(scope)):
        yield scope.gap(
            GapKind.MENTIONED,
            Message("archive.audit.album", {"album": album}),
            Message("archive.audit.album_incomplete", {"size": size, "posts": posts}),
            Message("archive.audit.remedy_list_album", {"album": album}),
            fillable=True,
            title=title,
            album=album,
        )


def _albums(scope: AuditScope) -> Select[Any]:
    numeric = case((_SIZE.regexp_match("^[0-9]{1,9}$"), cast(_SIZE, BigInteger)))
    posts, size = func.count(PostLink.post_id.distinct()), func.max(numeric)
    listed = select(Source.id).where(
        Source.account_id == scope.account_id,
        Source.type == SourceType.ALBUM,
        Source.external_id == PostLink.key,
        Source.last_good_at.is_not(None),
    )
    columns: tuple[Any, ...] = (PostLink.key, func.max(PostLink.text), size, posts)
    return (
        select(*columns)
        .join(Post, Post.id == PostLink.post_id)
        .where(Post.account_id == scope.account_id, PostLink.relation == Relation.ALBUM, ~listed.exists())
        .group_by(PostLink.key)
        .having(size > posts)
        .order_by(PostLink.key.collate("C"))
    )


_UNANSWERED = (*BLOCKING, NO_ANSWER, Outcome.EXPIRED_LINK)

_REMEDIES = {
    Outcome.EXPIRED_LINK: Message("archive.audit.remedy_other_address"),
    Outcome.UNKNOWN: Message("archive.audit.remedy_unknown"),
    NOT_RENDERED: Message("archive.audit.remedy_chromium"),
}

_KINDS = {Outcome.UNKNOWN: GapKind.UNKNOWN, NOT_RENDERED: GapKind.NOT_RENDERED}


def unanswered_addresses(session: Session, scope: AuditScope) -> Iterator[Gap]:
    """Yield addresses without a post, except those that the server said are unavailable or no posts."""
    for row in session.execute(_addresses(scope)):
        yield scope.gap(
            _KINDS.get(row.last_outcome, GapKind.MENTIONED),
            row.aid or row.url,
            _sightings(row, scope.now),
            _REMEDIES.get(row.last_outcome, FETCH),
            fillable=row.last_outcome != Outcome.EXPIRED_LINK,
            day=row.published_on or _listed_day(row.listed_at),
            title=row.post_title or row.title or "",
            address_id=row.id,
        )


def _addresses(scope: AuditScope) -> Select[Any]:
    seen = (
        select(
            func.array_agg(Sighting.source.distinct()).label("sources"),
            func.max(Sighting.title).label("title"),
            func.min(Sighting.first_seen_at).label("seen_at"),
            func.max(Sighting.listing["published_at"].astext).label("listed_at"),
        )
        .where(Sighting.address_id == Address.id)
        .lateral()
    )
    columns = (Address.id, Address.aid, Address.url, *FETCH_STATE, *seen.c)
    rows = select(*columns, Post.published_on, Post.title.label("post_title")).outerjoin(Post, IS_ITS_ADDRESS)
    rows = rows.join(seen, true())
    open_ = Address.last_outcome.is_(None) | Address.last_outcome.in_(_UNANSWERED)
    wanted = Address.last_outcome.in_(list(_KINDS)) | (open_ & Post.id.is_(None))
    return rows.where(scope.addresses, wanted).order_by(Address.id)


FETCH_STATE = (
    Address.last_outcome,
    Address.last_reason,
    Address.attempts,
    Address.next_fetch_at,
)


def fetch_state(row: Row[Any], now: datetime) -> Message:
    """Return how far fetching an address has come, by the columns of FETCH_STATE; `now` is aware UTC."""
    if row.last_outcome == Outcome.EXPIRED_LINK:
        return Message("archive.audit.state_expired")
    if row.last_outcome is None:
        return Message("archive.audit.state_never_fetched")
    params: dict[str, Any] = {"n": row.attempts, "reason": _fetch_reason(row)}
    if row.next_fetch_at is None:
        return Message("archive.audit.state_given_up", params)
    if row.next_fetch_at <= now:
        return Message("archive.audit.state_due", params)
    return Message("archive.audit.state_waiting", {**params, "when": row.next_fetch_at})


def _fetch_reason(row: Row[Any]) -> Message:
    outcome = Message(f"archive.outcome.{row.last_outcome}")
    if not row.last_reason:
        return outcome
    params = {"outcome": outcome, "reason": Message.load(row.last_reason)}
    return Message("archive.audit.outcome_with_reason", params)


def _sightings(row: Row[Any], now: datetime) -> Message:
    state = fetch_state(row, now)
    if not row.sources:
        return Message("archive.audit.never_seen", {"state": state})
    params = {"sources": row.sources, "day": str(shanghai_day(row.seen_at)), "state": state}
    return Message("archive.audit.seen", params)


def _listed_day(published_at: str | None) -> date | None:
    with suppress(ValueError, TypeError):
        return shanghai_day(datetime.fromisoformat(published_at or ""))
    return None


def missing_digest_titles(session: Session, scope: AuditScope, digest_title: str) -> Iterator[Gap]:
    """Yield titles that digests list and no post has, each once.

    `digest_title` is a regular expression of digests' titles.
    """
    digests = _digests(session, scope, digest_title)
    if not digests:
        return
    titles = Titles(_titles(session, scope), _unavailable_titles(session, scope))
    pending = {normalised(title) for title in _pending_titles(session, scope)}
    seen: set[str] = set()
    for digest in digests:
        for title in titles.missing(digest):
            key = normalised(title)
            if key not in seen:
                seen.add(key)
                yield _missing_title(scope, digest, title, is_pending=key in pending)


def posts_without_address(session: Session, scope: AuditScope) -> Iterator[Gap]:
    """Yield posts that a source named by their title only."""
    for post in announced_posts(session, scope.biz):
        yield scope.gap(
            GapKind.MENTIONED,
            post.title,
            Message("archive.audit.title_only", {"source": post.source, "at": post.first_seen_at}),
            Message("archive.audit.remedy_submit_address"),
            fillable=False,
            day=shanghai_day(post.published_at) if post.published_at else None,
            title=post.title,
        )


def _missing_title(scope: AuditScope, digest: WeeklyDigest, title: str, *, is_pending: bool) -> Gap:
    remedy = Message("archive.audit.remedy_search_sources") if scope.can_search else ADD_SOURCE
    if is_pending:
        remedy = Message("archive.audit.remedy_pending_title")
    return scope.gap(
        GapKind.DIGEST,
        title,
        Message("archive.audit.in_digest", {"post": digest.aid, "title": digest.title}),
        remedy,
        fillable=is_pending or scope.can_search,
        day=digest.published_on,
        title=title,
    )


def _digests(session: Session, scope: AuditScope, digest_title: str) -> list[WeeklyDigest]:
    """Return digests, oldest first; titles are matched here, as Postgres has other regular expressions."""
    pattern = re.compile(digest_title)
    rows = select(Post.id, Post.title).where(Post.account_id == scope.account_id)
    ids = [id_ for id_, title in session.execute(rows) if pattern.search(title)]
    columns = (Post.aid, Post.title, Post.published_on, Post.text)
    digests = select(*columns).where(Post.id.in_(ids)).order_by(Post.published_on, Post.mid, Post.idx)
    return [WeeklyDigest(*row) for row in session.execute(digests)]


def _titles(session: Session, scope: AuditScope) -> Iterator[Title]:
    """Yield the titles that posts have and had, on their pages and in lists."""
    own = Post.account_id == scope.account_id
    current = select(Post.title, Post.published_on).where(own)
    earlier = select(Version.title, Post.published_on).join(Post, Post.id == Version.post_id)
    listed = select(Sighting.title, Post.published_on).distinct()
    listed = listed.join(Address, Address.id == Sighting.address_id).join(Post, IS_ITS_ADDRESS)
    for rows in (
        current,
        earlier.where(own, Version.title != Post.title),
        listed.where(own, Sighting.title.not_in(("", Post.title))),
    ):
        for title, day in session.execute(rows):
            yield Title(title, day)


def _unavailable_titles(session: Session, scope: AuditScope) -> Sequence[str]:
    """Return titles of posts that are deleted, taken down, private or forgotten, which are no gaps."""
    rows = select(Sighting.title).join(Address, Address.id == Sighting.address_id)
    rows = rows.where(scope.addresses, Address.last_outcome.in_(AWAY), Sighting.title != "")
    return [*session.scalars(rows), *(post.title for post in forgotten_posts(session, scope.biz))]


def _pending_titles(session: Session, scope: AuditScope) -> Sequence[str]:
    """Return titles in lists of posts that are still to be fetched."""
    pending = Address.last_outcome.is_(None) | Address.last_outcome.in_(
        (Outcome.VERIFICATION, Outcome.RATE_LIMITED, NO_ANSWER)
    )
    rows = select(Sighting.title).join(Address, Address.id == Sighting.address_id)
    rows = rows.outerjoin(Post, IS_ITS_ADDRESS).where(scope.addresses, pending, Post.id.is_(None))
    return session.scalars(rows.where(Sighting.title != "")).all()
