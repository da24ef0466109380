"""When a source is checked next: by the account's habit, the quiet hours and the source's state."""

import math
from collections.abc import Collection, Mapping, Sequence
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

STEPS_A_DAY = 96  # of STEP

BESIDE = (
    1,
    2,
    3,
    2,
    1,
)  # how much a push counts for the steps before and after its own: half an hour each way

WEEKDAY_SHARE = 0.7  # of what a time promises; the rest is that time on any day, so that none is ignored

# After so many pushes, half of the next ones are expected at the usual times, half at any waking hour: few
# pushes do not show every hour that an account may use.
PUSHES_FOR_HALF = 60

WAKING_HOURS = range(7, 24)  # in Asia/Shanghai

UNKNOWN_PUSHES_A_DAY = 1.0  # of an account that shows no habit yet

ONE_DAY = timedelta(days=1)

# At WeChat's own host each check costs a request; besides its page a new post may cost two.
CHECKS_A_PUSH = 2.0  # one after its usual time, and one for what came at another

LEAST_CHECKS_A_DAY = 2.0

ALBUM_CHECKS_A_DAY = 1.0  # of one where another source lists the new posts: albums have addresses with chksm

FOLLOWED_A_DAY = 6.0  # requests for all albums together that were met in an account's posts

AGENT_CHECKS_A_DAY = 12.0  # of WeRead's gateway for an account; its makers name no limit

OWN_SERVER_LONGEST = timedelta(
    hours=1
)  # between two checks of a feed, list or program: they cost WeChat nothing

_OWN_SERVERS = ("feed", "list", "command")  # kinds of sources

_COMPLETE = ("feed", "list", "command", "own_backend", "official", "weread")  # kinds that list all new posts

LONGEST_RATIONED = timedelta(days=7)  # between two checks of a source that is asked a few times a day at most

FEW_CHECKS_A_DAY, WEEKS_OF_FEW_CHECKS = 2.0, 4  # fewer are counted over weeks: one has too few of them

MOST_JITTER = timedelta(minutes=6)  # of a rationed check: more would move it away from when posts come

_BISECTIONS = 20  # to find a threshold within a millionth of its range

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
    rates = _usual_rates(pushes, now)
    moment, expected = now, 0.0
    while expected < EXPECTED_PUSHES and moment - now < bounds.longest:
        local = moment.astimezone(SHANGHAI)
        expected += rates[local.weekday()][_step_of(local)]
        moment += STEP
    return min(max(moment, now + bounds.shortest), now + bounds.longest)


Rates = list[list[float]]  # pushes to expect, by weekday (Monday is 0) and STEP of the day in Asia/Shanghai


def weekly_rates(published: Sequence[datetime], now: datetime) -> Rates:
    """Return what to expect of an account that published at these instants (aware, any order)."""
    pushes = _pushes(published, now)
    if len(pushes) < FEWEST_PUSHES:
        usual, a_day = [[0.0] * STEPS_A_DAY for _ in range(7)], UNKNOWN_PUSHES_A_DAY
        share = 1.0
    else:
        usual = _usual_rates(pushes, now)
        a_day, share = pushes_a_day(usual), PUSHES_FOR_HALF / (PUSHES_FOR_HALF + len(pushes))
    at_any = share * a_day / len(WAKING_HOURS) / 4
    return [
        [(1 - share) * rate + (at_any if step // 4 in WAKING_HOURS else 0.0) for step, rate in enumerate(day)]
        for day in usual
    ]


def pushes_a_day(rates: Rates) -> float:
    """Return the pushes to expect in a day, on average over the week."""
    return sum(map(sum, rates)) / 7


def shares(expected: Sequence[float], checks_a_day: float) -> list[float]:
    """Divide the checks of a day among accounts that are expected to push so often a day.

    By the cube roots: then the sum of the squares of the waiting times of all posts is as small as it can be.
    By the square roots the mean would be, and accounts that publish seldom would wait long.
    """
    roots = [math.cbrt(max(one, 0.0)) for one in expected]
    whole = sum(roots)
    return [checks_a_day * root / whole if whole else checks_a_day / len(roots) for root in roots]


def rationed_check(rates: Rates, now: datetime, checks_a_day: float, bounds: PollingBounds) -> datetime:
    """Return when to check a source next that may be checked so often a day, on average.

    The checks are where posts would otherwise wait longest: one is due when the hours that the pushes to be
    expected since the last one have waited reach a threshold, which makes as many checks as there may be.
    """
    steps = [rate for day in rates for rate in day]
    local = now.astimezone(SHANGHAI)
    first = local.weekday() * STEPS_A_DAY + _step_of(local)
    if checks_a_day >= FEW_CHECKS_A_DAY:  # a day has no more than its share, however busy it is
        coming = [steps[(first + step) % len(steps)] for step in range(STEPS_A_DAY)]
        threshold = _threshold(coming * 7, checks_a_day)
    else:
        threshold = _threshold(steps * WEEKS_OF_FEW_CHECKS, checks_a_day)
    expected = waited = 0.0
    moment = now
    while waited < threshold and moment - now < LONGEST_RATIONED:
        expected += steps[first % len(steps)]
        waited += expected / 4
        first += 1
        moment += STEP
    longest = max(bounds.longest, min(LONGEST_RATIONED, 2 * ONE_DAY / checks_a_day))
    return min(max(moment, now + bounds.shortest), now + longest)


def checks_a_day(
    name: str, pushes: float, known: Mapping[str, State | None], followed: Collection[str], weread: float
) -> float | None:
    """Return how often a day to check a source, on average; None where its checks are not rationed.

    `pushes`: how many to expect in a day; `known`: the states of all sources of the account by name;
    `followed`: the names of the albums that were met in posts; `weread`: the account's share of the checks of
    the login that it uses.
    """
    kind = name.partition(":")[0]
    if kind == "weread":
        return weread
    if kind == "weread_agent":
        return AGENT_CHECKS_A_DAY
    if kind not in ("album", "own_backend"):
        return None
    if name in followed:
        return min(ALBUM_CHECKS_A_DAY, FOLLOWED_A_DAY / len(followed))
    if kind == "album" and any(_lists_all(other, state) for other, state in known.items()):
        return ALBUM_CHECKS_A_DAY
    alike = sum(other.partition(":")[0] == kind and other not in followed for other in {*known, name})
    return max(LEAST_CHECKS_A_DAY, CHECKS_A_PUSH * pushes) / alike


def _lists_all(name: str, state: State | None) -> bool:
    return name.partition(":")[0] in _COMPLETE and state in (State.OK, State.UNCHANGED)


def is_rationed(name: str) -> bool:
    """Tell whether a source may be checked a number of times a day only; see `checks_a_day`."""
    return name.partition(":")[0] in ("album", "own_backend", "weread", "weread_agent")


def is_own_server(name: str) -> bool:
    """Tell whether a check of a source costs neither WeChat nor WeRead a request."""
    return name.partition(":")[0] in _OWN_SERVERS


def _threshold(steps: Sequence[float], checks_a_day: float) -> float:
    """Return the hours of waiting that make so many checks a day on days of these rates."""
    days = len(steps) / STEPS_A_DAY
    low, high = 0.0, 7 * 24 * 7 * max(1.0, sum(steps))
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if _count_checks(steps, middle) > checks_a_day * days:
            low = middle
        else:
            high = middle
    return high


def _count_checks(steps: Sequence[float], threshold: float) -> int:
    expected = waited = 0.0
    checks = 0
    for rate in steps:
        expected += rate
        waited += expected / 4
        if waited >= threshold:
            expected = waited = 0.0
            checks += 1
    return checks


def _pushes(published: Sequence[datetime], now: datetime) -> list[datetime]:
    """Return the first instant of each push within the habit period."""
    pushes: list[datetime] = []
    for instant in sorted(one for one in published if now - HABIT_PERIOD <= one <= now):
        if not pushes or instant - pushes[-1] > SAME_PUSH:
            pushes.append(instant)
    return pushes


def _usual_rates(pushes: Sequence[datetime], now: datetime) -> Rates:
    """Return the pushes to expect in each step of the week; each push counts for the steps beside it too."""
    weeks = max(1.0, (now - pushes[0]) / timedelta(weeks=1))
    days = [[0.0] * STEPS_A_DAY for _ in range(7)]
    for push in pushes:
        local = push.astimezone(SHANGHAI)
        step = _step_of(local)
        for beside, weight in enumerate(BESIDE, step - len(BESIDE) // 2):
            days[local.weekday()][beside % STEPS_A_DAY] += weight / sum(BESIDE) / weeks
    usual = [sum(day[step] for day in days) / 7 for step in range(STEPS_A_DAY)]
    return [
        [WEEKDAY_SHARE * day[step] + (1 - WEEKDAY_SHARE) * usual[step] for step in range(STEPS_A_DAY)]
        for day in days
    ]


def _step_of(local: datetime) -> int:
    """Return the step of the day of a local time."""
    return local.hour * 4 + local.minute // 15


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
    if state in (State.UNREACHABLE, State.NOT_UNDERSTOOD, None):
        return now + exponential(failures, bounds.shortest, bounds.longest)
    return regular


def add_jitter(
    moment: datetime, now: datetime, percent: int, chance: float, most: timedelta = ONE_DAY
) -> datetime:
    """Move a moment by up to `percent` of its distance from now, either way; `chance` is from 0 to 1.

    It is moved by `most` at most.
    """
    move = (moment - now) * (percent / 100) * (2 * chance - 1)
    return moment + max(-most, min(most, move))


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
    BACKUP = "backup"
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
    _entry(Work.BACKUP, 60),
    _entry(Work.REPORT, 300),
)
