"""How often posts are asked again. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from archive.domain.records import SHANGHAI


@dataclass(frozen=True, slots=True)
class Intervals:
    """At which ages a post is asked again; after the last, whenever as much time has gone by again.

    `there` counts from its publication, `away` from when it was first missing. What began less than
    `fresh` ago may not use up the day's budget alone.
    """

    there: tuple[timedelta, ...]
    away: tuple[timedelta, ...]
    fresh: timedelta


def _hours(*hours: int) -> tuple[timedelta, ...]:
    return tuple(timedelta(hours=number) for number in hours)


INTERVALS = Intervals(
    # ages of a post: most edits come within a day, take-downs within weeks; then every year
    there=_hours(1, 6, 24, 72, 168, 720, 2160, 4320, 8760),
    # how long it has been away: what comes back does so within days or hardly ever
    away=_hours(24, 72, 168, 720, 2160, 4320, 8760),
    fresh=timedelta(days=7),
)


def next_visit(since: datetime, tried_at: datetime, ages: Sequence[timedelta]) -> datetime:
    """When what began at `since` and was asked at `tried_at` next comes to one of these ages.

    After the last of them: whenever as much time has gone by again.
    """
    for age in ages:
        if since + age > tried_at:
            return since + age
    last = ages[-1]
    return since + last * ((tried_at - since) // last + 1)


def day_of(now: datetime) -> datetime:
    """The beginning of the day in Asia/Shanghai: from when the day's budget is counted."""
    return now.astimezone(SHANGHAI).replace(hour=0, minute=0, second=0, microsecond=0)
