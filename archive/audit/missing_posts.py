"""Find posts that are missing: holes in pushes, and what links, albums and digests name."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Date,
    Integer,
    Select,
    Text,
    any_,
    bindparam,
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
from sqlalchemy.orm import Session, aliased

from archive.audit.gap import ADD_SOURCE, FETCH, AuditScope, Gap, GapKind, shanghai_day
from archive.db.models import Address, Post, PostLink, Sighting, Source, Version
from archive.domain.addresses import PostId
from archive.domain.messages import Message
from archive.domain.monitoring import SourceType
from archive.domain.outcomes import (
    AWAY,
    LINKS_TO_POSTS,
    NO_ANSWER,
    Outcome,
    Relation,
)
from archive.domain.weekly_digest import Title, Titles, WeeklyDigest, normalised
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


class UnknownLink(NamedTuple):
    """A key that links have and no address or post; and the number of posts that link to it with a URL."""

    key: str
    posts: int


def push_holes(session: Session, scope: AuditScope, links: Sequence[UnknownLink]) -> Iterator[Gap]:
    """Yield positions of pushes that no post, address or link has, though a later position is known.

    The posts of a push have the positions 1, 2, 3 and so on.
    """
    linked = [found for one in links if (found := PostId.of_key(one.key)) and found.biz == scope.biz]
    values = {"mids": [int(one.mid) for one in linked], "places": [int(one.idx) for one in linked]}
    rows = scope.execute(session, _pushes, **values)
    pushes = [_Push(mid, _positions(places), day) for mid, places, day in rows]
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


def _positions(places: int) -> list[int]:
    """Return the positions whose bits are set."""
    return [position for position in range(1, MAX_POSTS_IN_PUSH + 1) if places >> position & 1]


def _pushes(scope: AuditScope) -> Any:
    """Select pushes that lack a position before the last one: mid, a bit for each known position, day.

    Bits need no sorting, as an array of distinct positions would: the account may have 100,000 addresses.
    """
    known = _known_positions(scope).subquery()
    places = func.bit_or(literal(1).op("<<")(known.c.idx))
    every = literal(1).op("<<")(func.max(known.c.idx) + 1) - 2
    return (
        select(known.c.mid, places, func.min(known.c.day))
        .where(known.c.idx.between(1, MAX_POSTS_IN_PUSH))
        .group_by(known.c.mid)
        .having(places != every)
        .order_by(known.c.mid)
    )


def _known_positions(scope: AuditScope) -> Any:
    """Select every known position: of a post, of an address whatever its outcome, or of a link to neither."""
    no_day = cast(null(), Date)
    posts = select(
        Post.mid.label("mid"), cast(Post.idx, Integer).label("idx"), Post.published_on.label("day")
    )
    of_aid = [func.split_part(Address.aid, "_", part) for part in (1, 2)]  # which an index has
    addresses = select(cast(of_aid[0], BigInteger), cast(of_aid[1], Integer), no_day)
    mids = bindparam("mids", type_=ARRAY(BigInteger))
    places = bindparam("places", type_=ARRAY(Integer))
    return union_all(
        posts.where(Post.account_id == scope.account_id),
        addresses.where(Address.account_id == scope.account_id, Address.aid.is_not(None)),
        select(func.unnest(mids), func.unnest(places), no_day),
    )


def _last_listed_positions(session: Session, scope: AuditScope, mids: Sequence[int]) -> dict[int, list[int]]:
    """Return by push the last position in each source that lists pushes whole."""
    if not mids:
        return defaultdict(list)
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


def linked_posts(session: Session, scope: AuditScope, links: Sequence[UnknownLink]) -> Iterator[Gap]:
    """Yield posts that the account's posts link to, in their text or as an album's neighbours."""
    with_url = [one for one in links if one.posts]
    shown = with_url[: scope.most]
    scope.omitted[GapKind.MENTIONED] += len(with_url) - len(shown)
    keys = [one.key for one in shown]
    details = {row.key: row for row in scope.execute(session, _details, keys=keys)} if keys else {}
    for key, posts in shown:
        row = details[key]
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


def unknown_links(session: Session, scope: AuditScope) -> list[UnknownLink]:
    """Return the links of the account that lead to no known address or post, those of most posts first."""
    return [UnknownLink(*row) for row in scope.execute(session, _unknown_links)]


def _unknown_links(scope: AuditScope) -> Select[*tuple[Any, ...]]:
    own = func.starts_with(PostLink.key, func.concat(scope.biz, ":")) | PostLink.key.startswith("s/")
    of_post = select(PostLink).where(PostLink.post_id == Post.id, PostLink.relation.in_(LINKS_TO_POSTS), own)
    # The offset makes Postgres start from the account's posts: it would scan the links of all accounts.
    link = aliased(PostLink, of_post.offset(0).lateral())
    posts = func.count(link.post_id.distinct()).filter(link.url != "")
    rows = select(link.key, posts).select_from(Post).join(link, true())
    rows = rows.where(Post.account_id == scope.account_id, *_is_unknown(scope, link)).group_by(link.key)
    return rows.order_by(posts.desc(), link.key.collate("C"))


def _is_link_of(scope: AuditScope) -> ColumnElement[bool]:
    return (Post.account_id == scope.account_id) & PostLink.relation.in_(LINKS_TO_POSTS)


def _details(scope: AuditScope) -> Select[*tuple[Any, ...]]:
    """Select for each key the best address and words of its links, their relations, and a post with one."""
    keys = bindparam("keys", type_=ARRAY(Text))
    has_chksm = PostLink.url.contains("chksm=")
    best: Any = postgresql.aggregate_order_by(PostLink.url, has_chksm.desc(), PostLink.id)
    text: Any = postgresql.aggregate_order_by(PostLink.text, (PostLink.text != "").desc(), PostLink.id)
    return (
        select(
            PostLink.key, func.array_agg(best)[1].label("url"), func.array_agg(text)[1].label("text"),
            func.array_agg(PostLink.relation.distinct()).label("relations"),
            func.min(Post.aid.collate("C")).label("example"),
        )
        .join(Post, Post.id == PostLink.post_id)
        .where(_is_link_of(scope), PostLink.url != "", PostLink.key == any_(keys))
        .group_by(PostLink.key)
    )  # fmt: skip


def _is_unknown(scope: AuditScope, link: type[PostLink]) -> Iterator[ColumnElement[bool]]:
    """Select links whose key no address has, and no post of the account."""
    is_long = link.key.regexp_match("^[^:]+:[0-9]{1,18}:[0-9]{1,4}$")  # others fit no address's columns
    mid = case((is_long, cast(func.split_part(link.key, ":", 2), BigInteger)))
    idx = case((is_long, cast(func.split_part(link.key, ":", 3), Integer)))
    archived = aliased(Post)
    for known in (
        select(Address.id).where(Address.mid == mid, Address.key == link.key),
        select(Address.id).where(link.key.startswith("s/"), Address.short_token == func.substr(link.key, 3)),
        select(Address.id).where(Address.other_key == link.key),
        select(archived.id).where(
            archived.account_id == scope.account_id, archived.aid == func.concat(mid, "_", idx)
        ),
    ):
        yield ~known.exists()


def incomplete_albums(session: Session, scope: AuditScope) -> Iterator[Gap]:
    """Yield albums that claim more posts than are known to be in them, and that no source lists."""
    for album, title, size, posts in scope.execute(session, _albums):
        yield scope.gap(
            GapKind.MENTIONED,
            Message("archive.audit.album", {"album": album}),
            Message("archive.audit.album_incomplete", {"size": size, "posts": posts}),
            Message("archive.audit.remedy_list_album", {"album": album}),
            fillable=True,
            title=title,
            album=album,
        )


def _albums(scope: AuditScope) -> Select[*tuple[Any, ...]]:
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
    if re.escape(digest_title) == digest_title:  # plain words, which spare the other titles
        rows = rows.where(Post.title.contains(digest_title, autoescape=True))
    ids = [id_ for id_, title in session.execute(rows) if pattern.search(title)]
    if not ids:
        return []
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
