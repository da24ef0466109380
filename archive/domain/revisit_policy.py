"""Decide at which ages posts are fetched again; archive.repository.revisits has the same rule in SQL."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from archive.domain.records import SHANGHAI


@dataclass(frozen=True, slots=True)
class Intervals:
    """Ages at which a post is fetched again; after the last, each time as much time has passed again.

    `there` counts from its publication, `away` from when it was first missing. Posts younger than `fresh`
    share the day's budget with the older ones.
    """

    there: tuple[timedelta, ...]
    away: tuple[timedelta, ...]
    fresh: timedelta


def _hours(*hours: int) -> tuple[timedelta, ...]:
    return tuple(timedelta(hours=number) for number in hours)


INTERVALS = Intervals(
    # most edits come within a day, take-downs within weeks; then every year
    there=_hours(1, 6, 24, 72, 168, 720, 2160, 4320, 8760),
    # what comes back does so within days or hardly ever
    away=_hours(24, 72, 168, 720, 2160, 4320, 8760),
    fresh=timedelta(days=7),
)


def next_visit(since: datetime, tried_at: datetime, ages: Sequence[timedelta]) -> datetime:
    """Return when something that began at `since` and was fetched at `tried_at` next has one of these ages.

    After the last of them: each time as much time has passed again.
    """
    for age in ages:
        if since + age > tried_at:
            return since + age
    last = ages[-1]
    return since + last * ((tried_at - since) // last + 1)


def start_of_day(now: datetime) -> datetime:
    """Return the start of the day in Asia/Shanghai, from which the day's budget is counted."""
    return now.astimezone(SHANGHAI).replace(hour=0, minute=0, second=0, microsecond=0)
