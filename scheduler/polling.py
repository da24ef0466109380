"""When a source is asked next: by the account's own rhythm, by the hours, by how the source fares. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from archive.domain.records import SHANGHAI
from crawler.discovery.source import State

LEARNED_OVER = timedelta(weeks=12)  # long enough to see weekdays, short enough to follow a new habit

FEWEST_PUSHES = 8  # fewer tell no habit

# Looked for when so many pushes are to be expected since the last look: at a usual hour that is soon.
EXPECTED_PUSHES = 0.2

SAME_PUSH = timedelta(minutes=10)  # posts of one push appear together

STEP = timedelta(minutes=15)

WEEKDAY_SHARE = 0.7  # of what an hour promises; the rest is that hour on any day, so that no hour is blind

ONE_DAY = timedelta(days=1)

RATE_LIMITED_FIRST = timedelta(hours=1)

# Only a person can mend these; asking more often tells nothing new.
HOPELESS = frozenset(
    (State.CLOSED, State.LOGIN_EXPIRED, State.BAD_TOKEN, State.REFUSED, State.NOT_CONFIGURED, State.FOREIGN)
)


@dataclass(frozen=True, slots=True)
class Hours:
    """How often a source may and must be asked. `quiet`: from and to, times of day in Asia/Shanghai."""

    shortest: timedelta = timedelta(minutes=15)
    longest: timedelta = timedelta(hours=12)
    default: timedelta = timedelta(hours=1)
    quiet: tuple[time, time] | None = None


def rhythm(published: Sequence[datetime], now: datetime, hours: Hours) -> datetime:
    """When to look next for an account that published at these instants (aware, any order).

    Soon where its habit promises a post, late where it never published; `default` while there is no habit.
    """
    pushes = _pushes(published, now)
    if len(pushes) < FEWEST_PUSHES:
        return now + hours.default
    promised = _promise(pushes, now)
    moment, expected = now, 0.0
    while expected < EXPECTED_PUSHES and moment - now < hours.longest:
        local = moment.astimezone(SHANGHAI)
        expected += promised[local.weekday()][local.hour] * (STEP / timedelta(hours=1))
        moment += STEP
    return min(max(moment, now + hours.shortest), now + hours.longest)


def _pushes(published: Sequence[datetime], now: datetime) -> list[datetime]:
    """The first instant of each push of the last weeks."""
    pushes: list[datetime] = []
    for instant in sorted(one for one in published if now - LEARNED_OVER <= one <= now):
        if not pushes or instant - pushes[-1] > SAME_PUSH:
            pushes.append(instant)
    return pushes


def _promise(pushes: Sequence[datetime], now: datetime) -> list[list[float]]:
    """Pushes to be expected in each hour of each weekday; half of each counts for the hours beside it."""
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


def next_look(state: State | None, failures: int, regular: datetime, now: datetime, hours: Hours) -> datetime:
    """When to ask a source again that is in this state after so many tries in a row that were not good.

    `regular` is when it would be asked if all were well. After a challenge that is the line's matter. None as
    state: its try said nothing at all.
    """
    if state in HOPELESS:
        return now + ONE_DAY
    if state is State.VERIFICATION:
        return now + hours.shortest
    if state is State.RATE_LIMITED:
        return now + _doubling(RATE_LIMITED_FIRST, failures, ONE_DAY)
    if state in (State.UNREACHABLE, State.NOT_UNDERSTOOD, None):
        return now + _doubling(hours.shortest, failures, hours.longest)
    return regular


def _doubling(first: timedelta, failures: int, last: timedelta) -> timedelta:
    doubled: timedelta = first * (1 << min(max(failures - 1, 0), 10))
    return min(doubled, last)


def scattered(moment: datetime, now: datetime, percent: int, chance: float) -> datetime:
    """The moment moved by up to `percent` of its distance from now, either way; `chance` is from 0 to 1."""
    return moment + (moment - now) * (percent / 100) * (2 * chance - 1)


def outside_quiet(moment: datetime, hours: Hours) -> datetime:
    """The moment, or the end of the quiet hours it falls into."""
    if hours.quiet is None:
        return moment
    first, last = hours.quiet
    local = moment.astimezone(SHANGHAI)
    if not _is_between(local.timetz().replace(tzinfo=None), first, last):
        return moment
    end = local.replace(hour=last.hour, minute=last.minute, second=last.second, microsecond=0)
    return (end if end > local else end + ONE_DAY).astimezone(moment.tzinfo)


def is_quiet(moment: datetime, hours: Hours) -> bool:
    """Whether nothing is asked at this moment."""
    return outside_quiet(moment, hours) != moment


def _is_between(moment: time, first: time, last: time) -> bool:
    if first < last:
        return first <= moment < last
    return moment >= first or moment < last
