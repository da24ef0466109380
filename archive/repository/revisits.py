"""Find posts of an age at which they are fetched again, and count those of today. Instants are aware UTC."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Interval, Select, and_, case, extract, func, literal, select
from sqlalchemy.orm import Session

from archive.db.models import Absence, Address, Capture, Post, Run
from archive.domain.outcomes import Outcome
from archive.domain.revisit_policy import Intervals
from archive.repository.post_queries import PUBLISHED_AT


@dataclass(frozen=True, slots=True)
class RevisitState:
    """Since when a post counts for its next visit, when it was last fetched, and whether it is away."""

    since: datetime
    tried_at: datetime
    is_away: bool


_IS_AWAY = Absence.id.is_not(None)

_SINCE = case((_IS_AWAY, Absence.first_missing_at), else_=PUBLISHED_AT)


def revisits_since(session: Session, since: datetime) -> int:
    """Count the posts that were made due by their age since then."""
    rows = select(func.coalesce(func.sum(Run.counts["asked_again"].as_integer()), 0))
    return int(session.scalar(rows.where(Run.command == "revisit", Run.started_at >= since)) or 0)


def due_revisits(session: Session, intervals: Intervals, now: datetime, limit: int) -> list[int]:
    """Return the ids of addresses whose posts have come to an age they were not fetched at.

    Fresh posts, the youngest first, take turns with the others, the one not fetched for longest first: where
    more are due than may be fetched, neither group waits for ever.
    """
    is_fresh = literal(now - intervals.fresh) < _SINCE
    is_due = case((_IS_AWAY, _next_visit(intervals.away)), else_=_next_visit(intervals.there)) <= literal(now)
    in_turn = func.row_number().over(
        partition_by=is_fresh,
        order_by=(case((is_fresh, _SINCE)).desc().nulls_last(), Address.last_tried_at, Address.id),
    )
    rows = _fetched_addresses(Address.id).where(Address.next_fetch_at.is_(None), is_due)
    return list(session.scalars(rows.order_by(in_turn, is_fresh.desc(), Address.id).limit(limit)))


def revisit_state(session: Session, post: Post) -> RevisitState | None:
    """Return the revisit state of a post; None where it is not fetched again by its age."""
    row = session.execute(
        _fetched_addresses(_SINCE, Address.last_tried_at, _IS_AWAY).where(Post.id == post.id)
    ).one_or_none()
    return RevisitState(*row) if row else None


def _fetched_addresses(*columns: Any) -> Select[Any]:
    """Select of each post the address that gave its page, or that it was missing at when none ever did.

    A temporary link that has expired is left out: it says nothing about the post any more.
    """
    lasting = and_(Absence.post_id == Post.id, Absence.returned_at.is_(None))
    rows = select(*columns).select_from(Post).outerjoin(Absence, lasting)
    rows = rows.join(Capture, Capture.id == func.coalesce(Post.capture_id, Absence.capture_id))
    rows = rows.join(Address, Address.id == Capture.address_id)
    return rows.where(Address.last_tried_at.is_not(None), Address.last_outcome != Outcome.EXPIRED_LINK)


def _next_visit(ages: Sequence[timedelta]) -> ColumnElement[datetime]:
    """Return in SQL when a post is next due: the rule of archive.domain.revisit_policy.next_visit."""
    tried, last = Address.last_tried_at, int(ages[-1].total_seconds())
    seconds = (func.floor(extract("epoch", tried - _SINCE) / last) + 1) * last
    after_all = _SINCE + func.make_interval(0, 0, 0, 0, 0, 0, seconds, type_=Interval())
    return case(*((tried < _SINCE + age, _SINCE + age) for age in ages), else_=after_all)
