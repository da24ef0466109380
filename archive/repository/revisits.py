"""Which posts have come to an age at which they are asked again, and how many were today."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Interval, Select, and_, case, extract, func, literal, select
from sqlalchemy.orm import Session

from archive.db.models import Absence, AddressRow, CaptureRow, Post, Run
from archive.domain.outcomes import Outcome
from archive.domain.revisit_policy import Intervals
from archive.repository.post_queries import PUBLISHED_AT


@dataclass(frozen=True, slots=True)
class Visited:
    """How a post stands for being asked again; instants are UTC."""

    since: datetime
    tried_at: datetime
    is_away: bool


_IS_AWAY = Absence.id.is_not(None)

_SINCE = case((_IS_AWAY, Absence.first_missing_at), else_=PUBLISHED_AT)


def revisits_since(session: Session, since: datetime) -> int:
    """How many posts were asked again by their age since then."""
    rows = select(func.coalesce(func.sum(Run.counts["asked_again"].as_integer()), 0))
    return int(session.scalar(rows.where(Run.command == "revisit", Run.started_at >= since)) or 0)


def due_revisits(session: Session, intervals: Intervals, now: datetime, limit: int) -> list[int]:
    """Addresses of posts that have come to an age they were not asked at.

    One that is fresh, the youngest first, and one that is not, the longest unasked first, in turn: where
    more is due than may be asked, neither waits for ever.
    """
    is_fresh = literal(now - intervals.fresh) < _SINCE
    came_of_age = case(
        (_IS_AWAY, _next_visit(intervals.away)), else_=_next_visit(intervals.there)
    ) <= literal(now)
    in_turn = func.row_number().over(
        partition_by=is_fresh,
        order_by=(case((is_fresh, _SINCE)).desc().nulls_last(), AddressRow.last_tried_at, AddressRow.id),
    )
    rows = _asked(AddressRow.id).where(AddressRow.next_fetch_at.is_(None), came_of_age)
    return list(session.scalars(rows.order_by(in_turn, is_fresh.desc(), AddressRow.id).limit(limit)))


def visited(session: Session, post: Post) -> Visited | None:
    """How a post stands for being asked again; None where it is not asked again by its age."""
    row = session.execute(
        _asked(_SINCE, AddressRow.last_tried_at, _IS_AWAY).where(Post.id == post.id)
    ).one_or_none()
    return Visited(*row) if row else None


def _asked(*columns: Any) -> Select[Any]:
    """Of each post the address that gave its page, or that it was missed at when none ever did.

    A temporary link that has expired tells nothing any more.
    """
    lasting = and_(Absence.post_id == Post.id, Absence.returned_at.is_(None))
    rows = select(*columns).select_from(Post).outerjoin(Absence, lasting)
    rows = rows.join(CaptureRow, CaptureRow.id == func.coalesce(Post.capture_id, Absence.capture_id))
    rows = rows.join(AddressRow, AddressRow.id == CaptureRow.address_id)
    return rows.where(AddressRow.last_tried_at.is_not(None), AddressRow.last_outcome != Outcome.EXPIRED_LINK)


def _next_visit(ages: Sequence[timedelta]) -> ColumnElement[datetime]:
    """When a post comes to the first of these ages after it was asked: the rule of scheduler.revisit."""
    tried, last = AddressRow.last_tried_at, int(ages[-1].total_seconds())
    seconds = (func.floor(extract("epoch", tried - _SINCE) / last) + 1) * last
    after_all = _SINCE + func.make_interval(0, 0, 0, 0, 0, 0, seconds, type_=Interval())
    return case(*((tried < _SINCE + age, _SINCE + age) for age in ages), else_=after_all)
