"""Holes: a push has its posts at the places 1, 2, 3 …; one that is nowhere, between those that are."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import BigInteger, Date, cast, func, literal, null, select, union_all
from sqlalchemy.orm import Session

from archive.gaps.gap import Gap, GapKind
from archive.gaps.whose import NO_SOURCE, Whose
from archive.models import AddressRow, Post, PostLink, SightingRow
from archive.sources import TO_NEIGHBOURS

MOST_IN_PUSH = 20  # WeChat takes 8; a higher place is somebody's invention and makes no holes
_WHOLE = ("own_backend", "official")  # sources that list a push whole: what they leave out is not there
_LOOK = "`mparchive audit --fill` asks the account's sources anew"


@dataclass(frozen=True, slots=True)
class _Push:
    mid: int
    places: Sequence[int]
    day: date | None


def holes(session: Session, its: Whose) -> Iterator[Gap]:
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


def _pushes(its: Whose) -> Any:
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


def _known(its: Whose) -> Any:
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
            Post.account_id == its.account_id, PostLink.relation.in_(TO_NEIGHBOURS), own
        ),
    )


def _number(text: Any, between: str, part: int) -> Any:
    return cast(func.split_part(text, literal(between), part), BigInteger)


def _listed_whole(session: Session, its: Whose, mids: Sequence[int]) -> dict[int, list[int]]:
    """By push, the last place that each source listed which lists pushes whole."""
    mid, idx = _number(AddressRow.aid, "_", 1), _number(AddressRow.aid, "_", 2)
    rows = select(mid, func.max(idx)).join(SightingRow, SightingRow.address_id == AddressRow.id)
    rows = rows.where(AddressRow.account_id == its.account_id, AddressRow.aid.is_not(None))
    rows = rows.where(SightingRow.source.in_(_WHOLE), mid.in_(mids)).group_by(mid, SightingRow.source)
    found: dict[int, list[int]] = defaultdict(list)
    for push, last in session.execute(rows):
        found[push].append(last)
    return found
