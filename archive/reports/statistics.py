"""Count how an account published and how the archive grew, for charts.

Days and months are those of Asia/Shanghai.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from itertools import pairwise

from sqlalchemy import Select, bindparam, func, select
from sqlalchemy.orm import Session

from archive.db.models import Account, Post
from archive.repository.derived import counts

MAX_DAYS = 20_000  # of one account: official accounts have not existed for so long

MAX_MONTHS = 600

DELAYS = (
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=6),
    timedelta(days=1),
    timedelta(days=7),
)  # a post archived later was published before the account was watched


@dataclass(frozen=True, slots=True)
class Month:
    """What one month added. `month` is the first day of it."""

    month: date
    count: int


@dataclass(frozen=True, slots=True)
class QuietPeriod:
    """The days without a post between two days with one, or from the last one until now.

    `next` is the day that ends it: that of the next post or, where it is `ongoing`, today.
    """

    last: date
    next: date
    ongoing: bool = False

    @property
    def days(self) -> int:
        """Return how many whole days there are."""
        return (self.next - self.last).days - 1


def posts_by_day(session: Session, biz: str) -> dict[date, int]:
    """Count an account's posts by day, first to last; days without any are left out."""
    return {day: count for day, count in session.execute(_BY_DAY, {"biz": biz})}


_BY_DAY = (
    select(Post.published_on, func.count())
    .join(Account, Account.id == Post.account_id)
    .where(Account.biz == bindparam("biz"))
    .group_by(Post.published_on)
    .order_by(Post.published_on)
    .limit(MAX_DAYS)
)


def delays(session: Session, biz: str) -> list[int]:
    """Count the posts archived within each of DELAYS and not sooner; the last number is of later ones."""
    counts = session.execute(_within_delays(), {"biz": biz}).one()
    return [count - before for before, count in zip((0, *counts), counts, strict=False)]


@cache
def _within_delays() -> Select[*tuple[int, ...]]:
    taken = Post.first_archived_at - Post.published_at
    within = [func.count().filter(taken <= delay) for delay in DELAYS]
    rows = select(*within, func.count()).join(Account, Account.id == Post.account_id)
    return rows.where(Account.biz == bindparam("biz"), Post.published_at.is_not(None))


def posts_archived(session: Session, biz: str | None = None) -> list[Month]:
    """Count the posts each month added to the archive, first to last; months without any are left out."""
    if biz is None:
        return _months(session, "posts_archived")
    rows = session.execute(_months_of_account(), {"biz": biz})
    return [Month(at.date(), count) for at, count in rows]


@cache
def _months_of_account() -> Select[datetime, int]:
    month = func.date_trunc("month", func.timezone("Asia/Shanghai", Post.first_archived_at))
    rows = select(month, func.count()).group_by(month).order_by(month).limit(MAX_MONTHS)
    return rows.join(Account, Account.id == Post.account_id).where(Account.biz == bindparam("biz"))


def bytes_stored(session: Session) -> list[Month]:
    """Sum the bytes of page bodies, as stored, that each month added, first to last."""
    return _months(session, "stored_bytes")


def _months(session: Session, name: str) -> list[Month]:
    found = sorted(counts(session, [name])[name].items())
    return [Month(date.fromisoformat(month), count) for month, count in found[:MAX_MONTHS]]


MAX_MONTHS_SHOWN = 36  # of a chart by month; over a longer time it shows years


def by_month(days: dict[date, int], today: date | None = None) -> list[Month]:
    """Sum counts of days by month, with a zero for each month without any, up to that of `today` if given."""
    counts: dict[date, int] = {}
    for day, count in days.items():
        month = day.replace(day=1)
        counts[month] = counts.get(month, 0) + count
    if not counts:
        return []
    month, last = min(counts), max(*counts, (today or min(counts)).replace(day=1))
    counted = []
    while month <= last:
        counted.append(Month(month, counts.get(month, 0)))
        month = (month + timedelta(days=31)).replace(day=1)
    return counted


def period_format(months: Sequence[Month]) -> str:
    """Return the strftime format of a chart's periods: months, or years where the months are many."""
    return "%Y-%m" if len(months) <= MAX_MONTHS_SHOWN else "%Y"


def quiet_periods(days: Sequence[date], most: int, today: date) -> list[QuietPeriod]:
    """Return the longest quiet periods, at most `most`, the longest first; `days` with posts are in order.

    The one that lasts until `today` counts as well, and comes last where it is shorter than all of them.
    """
    between = [QuietPeriod(last, following) for last, following in pairwise(days)]
    ongoing = [QuietPeriod(days[-1], today, ongoing=True)] if days and days[-1] < today else []
    longest = sorted([*between, *ongoing], key=lambda one: (-one.days, one.last))
    shown = longest[:most] + [one for one in longest[most:] if one.ongoing]
    return [silence for silence in shown if silence.days > 0]
