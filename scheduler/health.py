"""Finds what is wrong now, from the state of accounts, sources, egresses, disks and jobs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from archive.domain.messages import Message
from archive.domain.monitoring import (
    NEIGHBOURS,
    TITLES_ONLY,
    AnnouncedPost,
    HealthProblem,
    IncidentKind,
    IncidentSubject,
    SourceStatus,
    SourceType,
)
from crawler.discovery.source import State

HISTORY = timedelta(days=180)  # the past that an account's silence is compared with

FEWEST_GAPS = 5  # fewer show nothing usual

USUAL_SHARE = 0.95  # of the gaps are no longer than the longest usual one; a holiday is not usual

TIMES_USUAL = 3

UNKNOWN_USUAL = timedelta(days=14)  # silence that is reported where nothing usual is known

# What may be over at the next check is reported at the second; the rest at once.
_PATIENT = frozenset((State.UNREACHABLE, State.NOT_UNDERSTOOD, State.RATE_LIMITED))

_OF_PROGRAM = (State.UNREACHABLE, State.NOT_UNDERSTOOD, State.EMPTY)  # a person can run it to see why

PATIENCE = 2  # checks in a row

# States of the source `weread` that are its login's: accounts may share one, so it is one incident for all.
_OF_THE_LOGIN = frozenset((State.NOT_CONFIGURED, State.LOGIN_EXPIRED, State.RATE_LIMITED, State.REFUSED))

# A post that is known by its title only: reported after the other sources had time for it, and not for ever.
ANNOUNCED_AFTER, ANNOUNCED_WITHIN = timedelta(hours=4), timedelta(days=7)

# A source not checked for so long is no longer watched, or the daemon was off.
SOURCE_STALE = timedelta(days=3)

SHOW_DAYS = timedelta(days=2)  # shorter spans are shown in hours


@dataclass(frozen=True)
class AccountHealth:
    """A watched account: its newest post (or since when it is watched), its days and its sources.

    `days`: one instant for each day it published on, first to last. `unwatched`: that no source lists its
    posts, None where one is configured.
    """

    biz: str
    name: str
    last: datetime | None = None
    days: Sequence[datetime] = ()
    sources: Sequence[SourceStatus] = ()
    unwatched: Message | None = None
    announced: Sequence[AnnouncedPost] = ()


@dataclass(frozen=True)
class LoginHealth:
    """A login to WeRead, which several accounts may share.

    `problem`: what is wrong with it, as in the codes of `crawler.weread.problem`, or not_signed_in or
    newest_only; empty when nothing is. `until`: how long it rests, None when it does not.
    """

    name: str
    problem: str = ""
    until: datetime | None = None


@dataclass(frozen=True)
class BlockedEgress:
    """An egress that backs off after so many challenges in a row; `reason` is the outcome that ended it."""

    name: str
    reason: str
    until: datetime
    challenges: int


@dataclass(frozen=True)
class HealthSnapshot:
    """Everything that is examined. `free` is bytes by folder, `failed_jobs` counts by kind of work."""

    accounts: Sequence[AccountHealth] = ()
    blocked: Sequence[BlockedEgress] = ()
    logins: Sequence[LoginHealth] = ()
    free: Mapping[str, int] = field(default_factory=dict)
    failed_jobs: Mapping[str, int] = field(default_factory=dict)
    config_problem: Message | None = None
    alarm_problem: Message | None = None
    inbox_problem: Message | None = None


@dataclass(frozen=True)
class Bounds:
    """From where on something is wrong."""

    quiet_at_least: timedelta = timedelta(hours=36)
    free_disk: int = 2048 * 1024 * 1024  # bytes


def health_problems(snapshot: HealthSnapshot, bounds: Bounds, now: datetime) -> list[HealthProblem]:
    """Return what is wrong, each with a subject that stays the same while it lasts."""
    return [
        *(problem for account in snapshot.accounts for problem in _account_problems(account, bounds, now)),
        *map(_blocked, snapshot.blocked),
        *(_login_problem(login) for login in snapshot.logins if login.problem),
        *(
            _problem(
                "disk",
                IncidentSubject(IncidentKind.DISK, name=folder),
                folder=folder,
                megabytes=round(free / 2**20),
            )
            for folder, free in snapshot.free.items()
            if free < bounds.free_disk
        ),
        *(
            _problem(
                "jobs",
                IncidentSubject(IncidentKind.JOBS, name=work),
                n=count,
                work=Message(f"scheduler.work.{work}"),
            )
            for work, count in snapshot.failed_jobs.items()
        ),
        *(
            _problem(kind, IncidentSubject(kind), problem=problem)
            for kind, problem in (
                (IncidentKind.CONFIG, snapshot.config_problem),
                (IncidentKind.ALARMS, snapshot.alarm_problem),
                (IncidentKind.INBOX, snapshot.inbox_problem),
            )
            if problem
        ),
    ]


def _problem(code: str, subject: IncidentSubject, **params: Any) -> HealthProblem:
    return HealthProblem(subject, Message(f"scheduler.health.{code}", params))


def _account_problems(account: AccountHealth, bounds: Bounds, now: datetime) -> Iterator[HealthProblem]:
    if account.unwatched:
        yield HealthProblem(IncidentSubject(IncidentKind.UNWATCHED, account.biz), account.unwatched)
    yield from _silence(account, bounds, now)
    checked = [one for one in account.sources if one.state and _is_fresh(one.last_tried_at, now)]
    listing = [one for one in checked if one.name not in (NEIGHBOURS, TITLES_ONLY)]
    yield from _announced(account, now)
    for source in checked:
        yield from _source_problem(account, source)
    if listing and not any(_state(one).good for one in listing):
        yield _problem("blind", IncidentSubject(IncidentKind.BLIND, account.biz), account=account.name)


def _is_fresh(checked_at: datetime | None, now: datetime) -> bool:
    return checked_at is not None and now - checked_at < SOURCE_STALE


def _silence(account: AccountHealth, bounds: Bounds, now: datetime) -> Iterator[HealthProblem]:
    """Yield a silence that a source has confirmed: one that was asked, and worked, after it was too long."""
    bound, last = longest_silence(account.days, now, bounds.quiet_at_least), account.last
    good = (one.last_good_at for one in account.sources if one.name != NEIGHBOURS)
    listed = max(filter(None, good), default=None)
    if last is not None and listed is not None and listed - last > bound:
        subject = IncidentSubject(IncidentKind.QUIET, account.biz)
        yield _problem("quiet", subject, account=account.name, last=last, usual=_span(bound))


def longest_silence(days: Sequence[datetime], now: datetime, at_least: timedelta) -> timedelta:
    """Return three times the longest usual gap between days with posts, in order; at least `at_least`."""
    lately = [one for one in days if now - HISTORY <= one <= now]
    gaps = sorted(later - earlier for earlier, later in pairwise(lately))
    if len(gaps) < FEWEST_GAPS:
        return max(UNKNOWN_USUAL, at_least)
    usual = gaps[min(len(gaps) - 1, int(len(gaps) * USUAL_SHARE))]
    return max(usual * TIMES_USUAL, at_least)


def _source_problem(account: AccountHealth, source: SourceStatus) -> Iterator[HealthProblem]:
    state = _state(source)
    if state.good or state is State.VERIFICATION:  # the egress reports that
        return
    if source.name == SourceType.WEREAD and state in _OF_THE_LOGIN:
        return
    if state in _PATIENT and source.failures < PATIENCE:
        return
    emptied = state is State.EMPTY and source.newest_at
    code = "source.emptied" if emptied else f"source.{state}"
    if source.name == SourceType.COMMAND and state in _OF_PROGRAM:
        code = "source.command_failed"
    detail: Message | str = ""
    if source.detail:
        detail = Message("scheduler.health.source.detail", {"detail": Message.load(source.detail)})
    subject = IncidentSubject(IncidentKind.SOURCE, account.biz, source.name)
    yield _problem(code, subject, account=account.name, source=source.name, detail=detail)


def _announced(account: AccountHealth, now: datetime) -> Iterator[HealthProblem]:
    """Yield that posts of these days are known by their titles only."""
    missing = [
        post
        for post in account.announced
        if post.first_seen_at <= now - ANNOUNCED_AFTER
        and now - ANNOUNCED_WITHIN <= (post.published_at or post.first_seen_at)
    ]
    if missing:
        params = {"account": account.name, "n": len(missing), "title": missing[0].title}
        yield _problem("announced", IncidentSubject(IncidentKind.ANNOUNCED, account.biz), **params)


def _login_problem(login: LoginHealth) -> HealthProblem:
    until = Message("scheduler.health.login.until", {"until": login.until}) if login.until else ""
    subject = IncidentSubject(IncidentKind.LOGIN, name=f"{SourceType.WEREAD}:{login.name}")
    return _problem(f"login.{login.problem}", subject, login=login.name, rest=until)


def _state(source: SourceStatus) -> State:
    return State(source.state or State.NOT_UNDERSTOOD)


def _blocked(egress: BlockedEgress) -> HealthProblem:
    return _problem(
        f"blocked.{egress.reason}",
        IncidentSubject(IncidentKind.VERIFICATION, egress=egress.name),
        egress=egress.name,
        challenges=egress.challenges,
        until=egress.until,
    )


def _span(span: timedelta) -> Message:
    if span >= SHOW_DAYS:
        return Message("scheduler.health.span_days", {"days": f"{span / timedelta(days=1):.1f}"})
    return Message("scheduler.health.span_hours", {"hours": round(span / timedelta(hours=1))})
