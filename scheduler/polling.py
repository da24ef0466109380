"""When a source is checked next: by the account's habit, the quiet hours and the source's state."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum

from archive.domain.backoff import exponential
from archive.domain.records import SHANGHAI
from crawler.discovery.source import State

HABIT_PERIOD = timedelta(weeks=12)  # long enough to see weekdays, short enough to follow a new habit

FEWEST_PUSHES = 8  # fewer show no habit

# A check is due when so many pushes are to be expected since the last one: at a usual hour that is soon.
EXPECTED_PUSHES = 0.2

SAME_PUSH = timedelta(minutes=10)  # posts of one push appear together

STEP = timedelta(minutes=15)

WEEKDAY_SHARE = 0.7  # of what an hour promises; the rest is that hour on any day, so that no hour is ignored

ONE_DAY = timedelta(days=1)

RATE_LIMITED_FIRST = timedelta(hours=1)

# Only a person can repair these; checking more often tells nothing new.
NEEDS_PERSON = frozenset(
    (State.CLOSED, State.LOGIN_EXPIRED, State.BAD_TOKEN, State.REFUSED, State.NOT_CONFIGURED, State.FOREIGN)
)


@dataclass(frozen=True, slots=True)
class PollingBounds:
    """How often a source is checked. `quiet`: from and to, times of day in Asia/Shanghai."""

    shortest: timedelta = timedelta(minutes=15)
    longest: timedelta = timedelta(hours=12)
    default: timedelta = timedelta(hours=1)
    quiet: tuple[time, time] | None = None


def usual_interval(published: Sequence[datetime], now: datetime, bounds: PollingBounds) -> datetime:
    """Return when to check an account that published at these instants (aware, any order).

    Soon where its habit promises a post, late where it never published; `default` while it shows no habit.
    """
    pushes = _pushes(published, now)
    if len(pushes) < FEWEST_PUSHES:
        return now + bounds.default
    rates = _hourly_rates(pushes, now)
    moment, expected = now, 0.0
    while expected < EXPECTED_PUSHES and moment - now < bounds.longest:
        local = moment.astimezone(SHANGHAI)
        expected += rates[local.weekday()][local.hour] * (STEP / timedelta(hours=1))
        moment += STEP
    return min(max(moment, now + bounds.shortest), now + bounds.longest)


def _pushes(published: Sequence[datetime], now: datetime) -> list[datetime]:
    """Return the first instant of each push within the habit period."""
    pushes: list[datetime] = []
    for instant in sorted(one for one in published if now - HABIT_PERIOD <= one <= now):
        if not pushes or instant - pushes[-1] > SAME_PUSH:
            pushes.append(instant)
    return pushes


def _hourly_rates(pushes: Sequence[datetime], now: datetime) -> list[list[float]]:
    """Return the pushes to expect in each hour of each weekday; half of each counts for the hours beside."""
    weeks = max(1.0, (now - pushes[0]) / timedelta(weeks=1))
    days = [[0.0] * 24 for _ in range(7)]
    for push in pushes:
        local = push.astimezone(SHANGHAI)
        for hour, share in ((local.hour - 1, 0.25), (local.hour, 0.5), (local.hour + 1, 0.25)):
            days[local.weekday()][hour % 24] += share / weeks
    usual = [sum(day[hour] for day in days) / 7 for hour in range(24)]
    return [
        [WEEKDAY_SHARE * day[hour] + (1 - WEEKDAY_SHARE) * usual[hour] for hour in range(24)] for day in days
    ]


def next_check(
    state: State | None, failures: int, regular: datetime, now: datetime, bounds: PollingBounds
) -> datetime:
    """Return when to check a source in this state again, after so many checks in a row that were not good.

    `regular` is when it would be checked if all were well. After a challenge the egress decides. A state of
    None: the check told nothing at all.
    """
    if state in NEEDS_PERSON:
        return now + ONE_DAY
    if state is State.VERIFICATION:
        return now + bounds.shortest
    if state is State.RATE_LIMITED:
        return now + exponential(failures, RATE_LIMITED_FIRST, ONE_DAY)
    if state in (State.UNREACHABLE, State.NOT_UNDERSTOOD, State.COMMAND_FAILED, None):
        return now + exponential(failures, bounds.shortest, bounds.longest)
    return regular


def add_jitter(moment: datetime, now: datetime, percent: int, chance: float) -> datetime:
    """Move a moment by up to `percent` of its distance from now, either way; `chance` is from 0 to 1."""
    return moment + (moment - now) * (percent / 100) * (2 * chance - 1)


def outside_quiet(moment: datetime, bounds: PollingBounds) -> datetime:
    """Return the moment, or the end of the quiet hours it falls into."""
    if bounds.quiet is None:
        return moment
    first, last = bounds.quiet
    local = moment.astimezone(SHANGHAI)
    if not _is_between(local.timetz().replace(tzinfo=None), first, last):
        return moment
    end = local.replace(hour=last.hour, minute=last.minute, second=last.second, microsecond=0)
    return (end if end > local else end + ONE_DAY).astimezone(moment.tzinfo)


def is_quiet(moment: datetime, bounds: PollingBounds) -> bool:
    """Return whether a moment lies in the quiet hours."""
    return outside_quiet(moment, bounds) != moment


def _is_between(moment: time, first: time, last: time) -> bool:
    if first < last:
        return first <= moment < last
    return moment >= first or moment < last


class Work(StrEnum):
    """The kinds of jobs; also the names of their tasks in the queue."""

    DISCOVER = "discover"
    FETCH = "fetch"
    MEDIA = "media"
    REVISIT = "revisit"
    INBOX = "inbox"
    REPORT = "report"


@dataclass(frozen=True, slots=True)
class TimetableEntry:
    """One recurring check for work of a kind. A check costs a query; only work that is due becomes a job.

    `grace`: how late a check may still happen; `jitter` keeps machines from checking at the same second.
    """

    work: Work
    every: timedelta
    jitter: timedelta
    grace: timedelta

    def tick(self, now: datetime) -> int:
        """Return the number of the interval that `now` lies in, the same on every machine: one job each."""
        return int(now.timestamp() // self.every.total_seconds())


def _entry(work: Work, seconds: int) -> TimetableEntry:
    every = timedelta(seconds=seconds)
    # Never dropped for being late: a machine that slept checks once as soon as it wakes.
    return TimetableEntry(work, every, jitter=every / 10, grace=timedelta(days=1))


TIMETABLE = (
    _entry(Work.DISCOVER, 30),
    _entry(Work.FETCH, 15),  # a new post waits no longer for its fetch
    _entry(Work.MEDIA, 60),
    _entry(Work.REVISIT, 900),
    _entry(Work.INBOX, 15),
    _entry(Work.REPORT, 300),
)
