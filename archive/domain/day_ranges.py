"""Read the days of a filter: a day, a month, a year or a week of the calendar, in Asia/Shanghai."""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Self

from archive.domain.errors import ArchiveError

_DAY = re.compile(r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?")
_WEEK = re.compile(r"([0-9]{4})-?W([0-9]{2})", re.IGNORECASE)

MAX_QUOTED = 40  # characters of what was given instead of days, in a message


class DayError(ArchiveError):
    """A text does not name days, or names none."""


@dataclass(frozen=True, slots=True)
class DayRange:
    """Days from the first to the last, both included."""

    first: date
    last: date

    @classmethod
    def read(cls, text: str) -> Self:
        """Read 2025, 2025-11, 2025-11-04 or 2025-W45 (ISO 8601, from Monday). Raises DayError."""
        try:
            return cls(*_days_of(text.strip()))
        except (ValueError, OverflowError):
            raise DayError("archive.days.unreadable", given=text[:MAX_QUOTED]) from None


def _days_of(text: str) -> tuple[date, date]:
    if week := _WEEK.fullmatch(text):
        monday = date.fromisocalendar(int(week[1]), int(week[2]), 1)
        return monday, monday + timedelta(days=6)
    match = _DAY.fullmatch(text)
    if not match:
        raise ValueError(text)
    year, month, day = (int(part) if part else None for part in match.groups())
    first = date(year or 0, 1 if month is None else month, 1 if day is None else day)
    return first, _last_day(first, month is not None, day is not None)


def _last_day(first: date, has_month: bool, has_day: bool) -> date:
    if has_day:
        return first
    if not has_month or first.month == 12:
        return first.replace(month=12, day=31)
    return first.replace(month=first.month + 1) - timedelta(days=1)


def chosen_days(
    since: str | None = None, until: str | None = None, week: str | None = None
) -> tuple[date | None, date | None]:
    """Return the first and the last day of a filter, both included; None where it is open.

    `since` stands for the first of the days it names, `until` for the last of its days; `week` for all days
    of a week. Raises DayError where one cannot be read, and where they select no day.
    """
    if week is not None:
        if since is not None or until is not None:
            raise DayError("archive.days.week_alone")
        if not _WEEK.fullmatch(week.strip()):
            raise DayError("archive.days.not_a_week", given=week[:MAX_QUOTED])
        days = DayRange.read(week)
        return days.first, days.last
    first = DayRange.read(since).first if since is not None else None
    last = DayRange.read(until).last if until is not None else None
    if first and last and first > last:
        raise DayError("archive.days.reversed", since=since, until=until)
    return first, last
