"""How an account published and how the archive grew, counted: what pictures are drawn of.

Days and months are those of Asia/Shanghai.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from archive.db.models import Account, CaptureRow, Post

MOST_DAYS = 20_000  # of one account: there have been official accounts for fewer

MOST_MONTHS = 600

DELAYS = (
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=6),
    timedelta(days=1),
    timedelta(days=7),
)  # what is archived later was published before anybody watched


@dataclass(frozen=True, slots=True)
class Month:
    """What one month added. `month` is its first day."""

    month: date
    count: int


@dataclass(frozen=True, slots=True)
class Silence:
    """Days without a post between two days with one."""

    last: date
    next: date

    @property
    def days(self) -> int:
        """How many there are."""
        return (self.next - self.last).days - 1


def posts_by_day(session: Session, biz: str) -> dict[date, int]:
    """How many posts an account published on each day that has any, first to last."""
    rows = select(Post.published_on, func.count()).join(Account, Account.id == Post.account_id)
    rows = rows.where(Account.biz == biz).group_by(Post.published_on).order_by(Post.published_on)
    return {day: count for day, count in session.execute(rows.limit(MOST_DAYS))}


def delays(session: Session, biz: str) -> list[int]:
    """How many posts were archived within each of DELAYS and not sooner; the last: how many later."""
    taken = Post.first_archived_at - Post.published_at
    within = [func.count().filter(taken <= delay) for delay in DELAYS]
    rows = select(*within, func.count()).join(Account, Account.id == Post.account_id)
    counts = session.execute(rows.where(Account.biz == biz, Post.published_at.is_not(None))).one()
    return [count - before for before, count in zip((0, *counts), counts, strict=False)]


def posts_archived(session: Session, biz: str | None = None) -> list[Month]:
    """How many posts each month added to the archive, first to last; months without any are left out."""
    month = func.date_trunc("month", func.timezone("Asia/Shanghai", Post.first_archived_at))
    rows = select(month, func.count()).group_by(month).order_by(month)
    if biz is not None:
        rows = rows.join(Account, Account.id == Post.account_id).where(Account.biz == biz)
    return [Month(at.date(), count) for at, count in session.execute(rows.limit(MOST_MONTHS))]


def bytes_kept(session: Session) -> list[Month]:
    """How many bytes of pages, as stored, each month added; first to last."""
    month = func.date_trunc("month", func.timezone("Asia/Shanghai", CaptureRow.fetched_at))
    rows = select(month, func.sum(func.length(CaptureRow.body))).group_by(month).order_by(month)
    return [Month(at.date(), int(count)) for at, count in session.execute(rows.limit(MOST_MONTHS))]


def by_month(days: dict[date, int]) -> list[Month]:
    """The days' counts by month, also of months without any between them. Pure."""
    counts: dict[date, int] = {}
    for day, count in days.items():
        month = day.replace(day=1)
        counts[month] = counts.get(month, 0) + count
    if not counts:
        return []
    month, last = min(counts), max(counts)
    found = []
    while month <= last:
        found.append(Month(month, counts.get(month, 0)))
        month = (month + timedelta(days=31)).replace(day=1)
    return found


def silences(days: Sequence[date], most: int) -> list[Silence]:
    """The longest stretches of days without a post, the longest first. Pure; `days` are in order."""
    between = [Silence(last, following) for last, following in pairwise(days)]
    longest = sorted(between, key=lambda one: (-one.days, one.last))
    return [silence for silence in longest[:most] if silence.days > 0]
