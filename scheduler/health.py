"""What is wrong now, from what is known of accounts, sources, lines, disks and jobs. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from archive.domain.monitoring import HealthProblem, SourceStatus
from archive.domain.records import SHANGHAI
from crawler.discovery.source import State

USUAL_OVER = timedelta(days=180)  # the history that an account's silence is held against

FEWEST_GAPS = 5  # fewer tell nothing usual

USUAL_SHARE = 0.95  # of the gaps are no longer than the longest usual one; a holiday is not usual

TIMES_USUAL = 3

UNKNOWN_USUAL = timedelta(days=14)  # silence that is told where nothing usual is known

# What may be over at the next try is told at the second; the rest at once.
_PATIENT = frozenset((State.UNREACHABLE, State.NOT_UNDERSTOOD, State.RATE_LIMITED))

PATIENCE = 2

STALE = timedelta(days=3)  # a source not tried for so long is no longer watched, or the daemon was off

_NO_LISTINGS = ("neighbours",)  # what the archive itself leads to: good whatever the outside does

_CONFIG_REMEDY = "correct the file; until then the daemon goes on with the configuration it has"

_INBOX_REMEDY = "make the folder, and let the daemon's user read and write it; what is put there waits"


@dataclass(frozen=True)
class AccountVitals:
    """An account that is watched: its newest post (or since when it is watched), its days, its sources.

    `days`: one instant for each day it published on, first to last.
    """

    biz: str
    name: str
    last: datetime | None = None
    days: Sequence[datetime] = ()
    sources: Sequence[SourceStatus] = ()


@dataclass(frozen=True)
class LineVitals:
    """A line that is held back."""

    name: str
    reason: str
    until: datetime
    challenges: int


@dataclass(frozen=True)
class Vitals:
    """Everything that is looked at. `free` is bytes by place, `failed_jobs` counts by kind of work."""

    accounts: Sequence[AccountVitals] = ()
    held: Sequence[LineVitals] = ()
    free: Mapping[str, int] = field(default_factory=dict)
    failed_jobs: Mapping[str, int] = field(default_factory=dict)
    config_problem: str = ""
    alarm_problem: str = ""
    inbox_problem: str = ""


@dataclass(frozen=True)
class Bounds:
    """From where on something is wrong."""

    quiet_at_least: timedelta = timedelta(hours=36)
    free_disk: int = 2048 * 1024 * 1024  # bytes


def findings(vitals: Vitals, bounds: Bounds, now: datetime) -> list[HealthProblem]:
    """What is wrong, each with a key that stays the same while it lasts."""
    return [
        *(found for account in vitals.accounts for found in _account(account, bounds, now)),
        *map(_held, vitals.held),
        *(
            HealthProblem(
                f"disk:{place}",
                f"{place} has {free / 2**20:.0f} MB left",
                "make room: once the disk is full, nothing more can be kept",
            )
            for place, free in vitals.free.items()
            if free < bounds.free_disk
        ),
        *(
            HealthProblem(
                f"jobs:{work}",
                f"{count} {work} jobs failed in the last hours",
                "look at the daemon's log: it says why, and goes on by itself once that is mended",
            )
            for work, count in vitals.failed_jobs.items()
        ),
        *([HealthProblem("config", vitals.config_problem, _CONFIG_REMEDY)] if vitals.config_problem else []),
        *(
            [HealthProblem("alarms", vitals.alarm_problem, "check the addresses of [alarms]")]
            if vitals.alarm_problem
            else []
        ),
        *([HealthProblem("inbox", vitals.inbox_problem, _INBOX_REMEDY)] if vitals.inbox_problem else []),
    ]


def _account(account: AccountVitals, bounds: Bounds, now: datetime) -> Iterator[HealthProblem]:
    yield from _quiet(account, bounds, now)
    tried = [
        one for one in account.sources if one.state and one.last_tried_at and now - one.last_tried_at < STALE
    ]
    listing = [one for one in tried if one.name not in _NO_LISTINGS]
    for source in tried:
        yield from _source(account, source)
    if listing and not any(_state(one).good for one in listing):
        yield HealthProblem(
            f"blind:{account.biz}",
            f"{account.name}: no source works, so new posts go unseen",
            "see what is said of each source, or add one: an album, a feed, the account's own login",
        )


def _quiet(account: AccountVitals, bounds: Bounds, now: datetime) -> Iterator[HealthProblem]:
    bound, last = longest_silence(account.days, now, bounds.quiet_at_least), account.last
    if last is not None and now - last > bound:
        yield HealthProblem(
            f"quiet:{account.biz}",
            f"{account.name} has published nothing since {last.astimezone(SHANGHAI):%Y-%m-%d %H:%M}, "
            f"longer than ever is usual ({_words(bound)})",
            "look at the account in WeChat: if it did publish, its sources miss posts",
        )


def longest_silence(days: Sequence[datetime], now: datetime, at_least: timedelta) -> timedelta:
    """Three times the longest usual gap between days with posts (first to last), at least `at_least`."""
    lately = [one for one in days if now - USUAL_OVER <= one <= now]
    gaps = sorted(later - earlier for earlier, later in pairwise(lately))
    if len(gaps) < FEWEST_GAPS:
        return max(UNKNOWN_USUAL, at_least)
    usual = gaps[min(len(gaps) - 1, int(len(gaps) * USUAL_SHARE))]
    return max(usual * TIMES_USUAL, at_least)


def _source(account: AccountVitals, source: SourceStatus) -> Iterator[HealthProblem]:
    state = _state(source)
    if state.good or state is State.VERIFICATION:  # of that the line tells
        return
    if state in _PATIENT and source.failures < PATIENCE:
        return
    words = f"{account.name}: {source.name} is {state}"
    if state is State.EMPTY and source.newest_at:
        words += ", although it listed posts before"
    yield HealthProblem(
        f"source:{account.biz}:{source.name}",
        f"{words} ({source.detail})" if source.detail else words,
        state.remedy,
    )


def _state(source: SourceStatus) -> State:
    return State(source.state or State.NOT_UNDERSTOOD)


def _held(line: LineVitals) -> HealthProblem:
    until = line.until.astimezone(SHANGHAI)
    return HealthProblem(
        f"verification:{line.name}",
        f"the server asks for verification (line {line.name}, {line.reason}, {line.challenges} in a row); "
        f"nothing is fetched before {until:%Y-%m-%d %H:%M}",
        "nothing needs doing: it goes on by itself; if this lasts for a day, use another line",
    )


def _words(span: timedelta) -> str:
    days = span / timedelta(days=1)
    return f"{days:.1f} days" if days >= 2 else f"{span / timedelta(hours=1):.0f} hours"
