"""Where what stands in a picture. Pure: templates draw it, with its numbers in a table beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate

from archive.statistics import Month, by_month

SQUARE, GAP = 10, 2  # of a day, in units of the drawing
LEVELS = 4


@dataclass(frozen=True, slots=True)
class Square:
    """A day of the heat map; `level` is 0 (no post) to LEVELS."""

    x: int
    y: int
    day: date
    count: int
    level: int


@dataclass(frozen=True, slots=True)
class Grown:
    """A month's addition, the sum until then, and how much of the whole that is (0 to 1)."""

    month: date
    count: int
    total: int
    height: float


def heat_map(year: int, days: dict[date, int]) -> list[Square]:
    """The days of a year, a week a column, Monday on top."""
    first, last = date(year, 1, 1), date(year, 12, 31)
    most = max((count for day, count in days.items() if day.year == year), default=0)
    every = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return [_square(day, days.get(day, 0), most, first.weekday()) for day in every]


def _square(day: date, count: int, most: int, lead: int) -> Square:
    week = (day.timetuple().tm_yday - 1 + lead) // 7
    step = SQUARE + GAP
    return Square(week * step, day.weekday() * step, day, count, _level(count, most))


def _level(count: int, most: int) -> int:
    """Any post at all is seen; the day with most has the last level."""
    return -(-count * LEVELS // most) if most else 0


def grown(months: Sequence[Month]) -> list[Grown]:
    """What months added, summed up, also in months without anything: time goes evenly."""
    every = by_month({month.month: month.count for month in months})
    whole = sum(month.count for month in every) or 1
    totals = accumulate(month.count for month in every)
    return [
        Grown(month.month, month.count, total, total / whole)
        for month, total in zip(every, totals, strict=True)
    ]
