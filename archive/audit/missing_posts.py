"""Holes: a push has its posts at the places 1, 2, 3 …; one that is nowhere, between those that are."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, Date, Row, Select, case, cast, func, literal, null, select, true, union_all
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from archive.audit.gap import NO_SOURCE, AuditScope, Gap, GapKind, day_of
from archive.db.models import AddressRow, Post, PostLink, SightingRow, SourceRow, Version
from archive.domain.outcomes import AWAY, BLOCKING, NO_ANSWER, NOT_RENDERED, Outcome, Relation
from archive.domain.records import SHANGHAI
from archive.domain.weekly_digest import Title, Titles, WeeklyDigest, normalised
from archive.repository.post_queries import IS_ITS_ADDRESS
from archive.repository.sources import LINKS_TO_POSTS

MOST_IN_PUSH = 20  # WeChat takes 8; a higher place is somebody's invention and makes no holes

_WHOLE = ("own_backend", "official")  # sources that list a push whole: what they leave out is not there

_LOOK = "`mparchive audit --fill` asks the account's sources anew"


@dataclass(frozen=True, slots=True)
class _Push:
    mid: int
    places: Sequence[int]
    day: date | None


def holes(session: Session, its: AuditScope) -> Iterator[Gap]:
    """Places of pushes that no post, address or link has, though a later place of the push is known."""
    pushes = [_Push(*row) for row in session.execute(_pushes(its))]
    listed = _listed_whole(session, its, [push.mid for push in pushes])
    for push in pushes:
        known = ", ".join(map(str, push.places))
        for place in range(1, push.places[-1]):
            if place not in push.places and not any(last > place for last in listed[push.mid]):
                what = f"places {known} of push {push.mid} are known, {place} is not"
                remedy = _LOOK if its.can_look else NO_SOURCE
                yield its.gap(
                    GapKind.HOLE, f"{push.mid}_{place}", what, remedy, fillable=its.can_look, day=push.day
                )


def _pushes(its: AuditScope) -> Any:
    """Pushes with fewer places than their last one says: those known, and the day."""
    known = _known(its).subquery()
    places = func.array_agg(known.c.idx.distinct())
    return (
        select(known.c.mid, places, func.min(known.c.day))
        .where(known.c.idx.between(1, MOST_IN_PUSH))
        .group_by(known.c.mid)
        .having(func.max(known.c.idx) > func.count(known.c.idx.distinct()))
        .order_by(known.c.mid)
    )


def _known(its: AuditScope) -> Any:
    """Every place that is known: archived, an address whatever came of it, or linked to."""
    aid, no_day = AddressRow.aid, cast(null(), Date)
    posts = select(Post.mid.label("mid"), Post.idx.label("idx"), Post.published_on.label("day"))
    addresses = select(_number(aid, "_", 1), _number(aid, "_", 2), no_day)
    links = select(_number(PostLink.key, ":", 2), _number(PostLink.key, ":", 3), no_day)
    own = PostLink.key.startswith(f"{its.biz}:", autoescape=True)
    return union_all(
        posts.where(Post.account_id == its.account_id),
        addresses.where(AddressRow.account_id == its.account_id, aid.is_not(None)),
        links.join(Post, Post.id == PostLink.post_id).where(
            Post.account_id == its.account_id, PostLink.relation.in_(LINKS_TO_POSTS), own
        ),
    )


def _number(text: Any, between: str, part: int) -> Any:
    return cast(func.split_part(text, literal(between), part), BigInteger)


def _listed_whole(session: Session, its: AuditScope, mids: Sequence[int]) -> dict[int, list[int]]:
    """By push, the last place that each source listed which lists pushes whole."""
    mid, idx = _number(AddressRow.aid, "_", 1), _number(AddressRow.aid, "_", 2)
    rows = select(mid, func.max(idx)).join(SightingRow, SightingRow.address_id == AddressRow.id)
    rows = rows.where(AddressRow.account_id == its.account_id, AddressRow.aid.is_not(None))
    rows = rows.where(SightingRow.source.in_(_WHOLE), mid.in_(mids)).group_by(mid, SightingRow.source)
    found: dict[int, list[int]] = defaultdict(list)
    for push, last in session.execute(rows):
        found[push].append(last)
    return found


_SIZE = PostLink.facts["size"].astext


def linked(session: Session, its: AuditScope) -> Iterator[Gap]:
    """Posts that the account's posts link to, in their text or as an album's neighbours."""
    for key, url, words, relations, posts, example in session.execute(_links(its)):
        subject = "_".join(key.split(":")[1:]) if not key.startswith("s/") else url
        more = f" and {posts - 1} more" if posts > 1 else ""
        yield its.gap(
            GapKind.MENTIONED,
            subject,
            f"{example}{more} lead there ({relations}); no address of it was ever taken up",
            "`mparchive audit --fill` fetches it",
            fillable=True,
            title=words,
            url=url,
        )


def _links(its: AuditScope) -> Select[Any]:
    has_chksm = PostLink.url.contains("chksm=")
    best: Any = postgresql.aggregate_order_by(PostLink.url, has_chksm.desc(), PostLink.id)
    words: Any = postgresql.aggregate_order_by(PostLink.text, (PostLink.text != "").desc(), PostLink.id)
    there = Post.__table__.alias("there")
    aid = func.replace(func.substr(PostLink.key, len(its.biz) + 2), ":", "_")
    archived = select(there.c.id).where(there.c.account_id == its.account_id, there.c.aid == aid)
    known = select(AddressRow.id).where(AddressRow.key == PostLink.key)
    own = PostLink.key.startswith(f"{its.biz}:", autoescape=True) | PostLink.key.startswith("s/")
    posts = func.count(PostLink.post_id.distinct())
    relations = func.string_agg(PostLink.relation.distinct(), ", ")
    return (
        select(
            PostLink.key, func.array_agg(best)[1], func.array_agg(words)[1], relations, posts,
            func.min(Post.aid.collate("C")),
        )
        .join(Post, Post.id == PostLink.post_id)
        .where(Post.account_id == its.account_id, PostLink.relation.in_(LINKS_TO_POSTS), PostLink.url != "")
        .where(own, ~known.exists(), ~archived.exists())
        .group_by(PostLink.key)
        .order_by(posts.desc(), PostLink.key.collate("C"))
    )  # fmt: skip


def albums(session: Session, its: AuditScope) -> Iterator[Gap]:
    """Albums that say they hold more posts than are known to be in them, and that no source lists."""
    for album, title, size, posts in session.execute(_albums(its)):
        yield its.gap(
            GapKind.MENTIONED,
            f"album {album}",
            f"its pages say that it has {size} posts; {posts} archived ones are known to be in it",
            f'`mparchive audit --fill` lists it; albums = ["{album}"] in mparchive.toml has it watched',
            fillable=True,
            title=title,
            album=album,
        )


def _albums(its: AuditScope) -> Select[Any]:
    numeric = case((_SIZE.regexp_match("^[0-9]{1,9}$"), cast(_SIZE, BigInteger)))
    posts, size = func.count(PostLink.post_id.distinct()), func.max(numeric)
    listed = select(SourceRow.id).where(
        SourceRow.account_id == its.account_id,
        SourceRow.name == "album:" + PostLink.key,
        SourceRow.last_good_at.is_not(None),
    )
    columns: tuple[Any, ...] = (PostLink.key, func.max(PostLink.text), size, posts)
    return (
        select(*columns)
        .join(Post, Post.id == PostLink.post_id)
        .where(Post.account_id == its.account_id, PostLink.relation == Relation.ALBUM, ~listed.exists())
        .group_by(PostLink.key)
        .having(size > posts)
        .order_by(PostLink.key.collate("C"))
    )


_UNANSWERED = (*BLOCKING, NO_ANSWER, Outcome.EXPIRED_LINK)

_FETCH = "`mparchive audit --fill` fetches it"

_REMEDIES = {
    Outcome.EXPIRED_LINK: "this link works no more; `mparchive backfill` another address of the post",
    Outcome.UNKNOWN: "`mparchive audit --fill` asks once more; what stays so is of a new sort: report it",
    NOT_RENDERED: "have Chromium installed, then `mparchive audit --fill`",
}

_KINDS = {Outcome.UNKNOWN: GapKind.UNKNOWN, NOT_RENDERED: GapKind.NOT_DRAWN}


def lacking(session: Session, its: AuditScope) -> Iterator[Gap]:
    """A gap for each; those that the server said are away, or no posts, are none."""
    for row in session.execute(_rows(its)):
        yield its.gap(
            _KINDS.get(row.last_outcome, GapKind.MENTIONED),
            row.aid or row.url,
            f"{_seen(row)}; {state(row, its.now)}",
            _REMEDIES.get(row.last_outcome, _FETCH),
            fillable=row.last_outcome != Outcome.EXPIRED_LINK,
            day=row.published_on or _listed_day(row.listed_at),
            title=row.post_title or row.title or "",
            address_id=row.id,
        )


def _rows(its: AuditScope) -> Select[Any]:
    told = (
        select(
            func.string_agg(SightingRow.source.distinct(), ", ").label("sources"),
            func.max(SightingRow.title).label("title"),
            func.min(SightingRow.first_seen_at).label("seen_at"),
            func.max(SightingRow.listing["published_at"].astext).label("listed_at"),
        )
        .where(SightingRow.address_id == AddressRow.id)
        .lateral()
    )
    columns = (AddressRow.id, AddressRow.aid, AddressRow.url, *STATE, *told.c)
    rows = select(*columns, Post.published_on, Post.title.label("post_title")).outerjoin(Post, IS_ITS_ADDRESS)
    rows = rows.join(told, true())
    open_ = AddressRow.last_outcome.is_(None) | AddressRow.last_outcome.in_(_UNANSWERED)
    wanted = AddressRow.last_outcome.in_(list(_KINDS)) | (open_ & Post.id.is_(None))
    return rows.where(its.addresses, wanted).order_by(AddressRow.id)


STATE = (AddressRow.last_outcome, AddressRow.last_reason, AddressRow.attempts, AddressRow.next_fetch_at)


def state(row: Row[Any], now: datetime) -> str:
    """How far asking an address has come, by the columns of STATE."""
    if row.last_outcome == Outcome.EXPIRED_LINK:
        return "the link has expired"
    if row.last_outcome is None:
        return "never asked"
    reason = f"{row.last_outcome} ({row.last_reason})" if row.last_reason else row.last_outcome
    if row.next_fetch_at is None:
        return f"given up after {row.attempts} tries: {reason}"
    when = row.next_fetch_at.astimezone(SHANGHAI)
    again = "due" if row.next_fetch_at <= now else f"asked again {when:%Y-%m-%d %H:%M}"
    return f"{again}, after {row.attempts} tries: {reason}"


def _seen(row: Row[Any]) -> str:
    return f"seen in {row.sources} on {day_of(row.seen_at)}" if row.sources else "noted without a source"


def _listed_day(published_at: str | None) -> date | None:
    with suppress(ValueError, TypeError):
        return day_of(datetime.fromisoformat(published_at or ""))
    return None


_DIGEST_QUERY = "`mparchive audit --fill` looks for it in the account's sources"

_KNOWN = (
    "an address listed by this title is among those that are mentioned: `mparchive audit --fill` fetches it"
)


def listed_titles(session: Session, its: AuditScope, digest_title: str) -> Iterator[Gap]:
    """Each once, however many digests list it. `digest_title`: a regular expression of digests' titles."""
    digests = _digests(session, its, digest_title)
    if not digests:
        return
    titles = Titles(_titles(session, its), _away(session, its))
    waiting = {normalised(title) for title in _waiting(session, its)}
    told: set[str] = set()
    for digest in digests:
        for title in titles.missing(digest):
            key = normalised(title)
            if key not in told:
                told.add(key)
                yield _gap(its, digest, title, is_known=key in waiting)


def _gap(its: AuditScope, digest: WeeklyDigest, title: str, *, is_known: bool) -> Gap:
    remedy = _KNOWN if is_known else _DIGEST_QUERY if its.can_look else NO_SOURCE
    what = f"listed by {digest.aid} ({digest.title})"
    fillable = is_known or its.can_look
    return its.gap(
        GapKind.DIGEST, title, what, remedy, fillable=fillable, day=digest.published_on, title=title
    )


def _digests(session: Session, its: AuditScope, digest_title: str) -> list[WeeklyDigest]:
    """Oldest first. Python's expressions are not Postgres', so that the titles are matched here."""
    pattern = re.compile(digest_title)
    rows = select(Post.id, Post.title).where(Post.account_id == its.account_id)
    chosen = [number for number, title in session.execute(rows) if pattern.search(title)]
    columns = (Post.aid, Post.title, Post.published_on, Post.text)
    found = select(*columns).where(Post.id.in_(chosen)).order_by(Post.published_on, Post.mid, Post.idx)
    return [WeeklyDigest(*row) for row in session.execute(found)]


def _titles(session: Session, its: AuditScope) -> Iterator[Title]:
    """What the account's posts are and were called, by their pages and by whoever listed them."""
    own = Post.account_id == its.account_id
    current = select(Post.title, Post.published_on).where(own)
    earlier = select(Version.title, Post.published_on).join(Post, Post.id == Version.post_id)
    listed = select(SightingRow.title, Post.published_on).distinct()
    listed = listed.join(AddressRow, AddressRow.id == SightingRow.address_id).join(Post, IS_ITS_ADDRESS)
    for rows in (
        current,
        earlier.where(own, Version.title != Post.title),
        listed.where(own, SightingRow.title.not_in(("", Post.title))),
    ):
        for title, day in session.execute(rows):
            yield Title(title, day)


def _away(session: Session, its: AuditScope) -> Sequence[str]:
    """The titles by which posts were listed that are deleted, taken down or private: no gaps."""
    rows = select(SightingRow.title).join(AddressRow, AddressRow.id == SightingRow.address_id)
    rows = rows.where(its.addresses, AddressRow.last_outcome.in_(AWAY), SightingRow.title != "")
    return session.scalars(rows).all()


def _waiting(session: Session, its: AuditScope) -> Sequence[str]:
    """The titles by which posts were listed that wait to be fetched."""
    pending = AddressRow.last_outcome.is_(None) | AddressRow.last_outcome.in_(
        (Outcome.VERIFICATION, Outcome.RATE_LIMITED, NO_ANSWER)
    )
    rows = select(SightingRow.title).join(AddressRow, AddressRow.id == SightingRow.address_id)
    rows = rows.outerjoin(Post, IS_ITS_ADDRESS).where(its.addresses, pending, Post.id.is_(None))
    return session.scalars(rows.where(SightingRow.title != "")).all()
