"""Simulate weeks of an account in minutes: real crawls, a real worker and Postgres, and a clock that jumps.

The timetable is run here, at each time at which something is due; then the clock stops until the worker has
finished all jobs. Everything published is synthetic.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from os import environ
from threading import Event

from procrastinate import App
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job
from sqlalchemy import Engine, func, select

from archive.db.engine import open_archive, transaction
from archive.db.models import Address, Egress, Source
from archive.db.settings import ArchiveSettings
from scheduler.config import SchedulerSettings
from scheduler.daemon import CurrentConfig, JobPlanner
from scheduler.jobs.base import JobContext
from scheduler.polling import TIMETABLE, TimetableEntry, Work
from scheduler.queue import open_queue, queue_of
from tests.month.machinery import Machinery
from tests.standin.account import COMMISSION, Account, at

START = at("2025-10-06 07:00")  # a Monday
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
REPORTS_EVERY = 2 * HOUR
REVISITS_EVERY = 8 * HOUR
DRAIN = 2 * DAY  # after the last publication; longer than an egress backs off and a source waits
JOB_TIME = 120.0  # seconds of the machine that one instant may take
# A job that is tried again waits real seconds, which have no meaning here.
_NO_WAITING = "UPDATE procrastinate_jobs SET scheduled_at = now() WHERE scheduled_at > now()"
ENTRIES = {entry.work: entry for entry in TIMETABLE}


@dataclass(frozen=True, slots=True)
class Push:
    """A number of posts published together."""

    number: int
    at: datetime
    posts: int
    account: Account = COMMISSION


@dataclass(frozen=True)
class Failure:
    """A failure or change: at a given time, or (`busy`) in the middle of the first job after it."""

    at: datetime
    name: str
    do: Callable[[Machinery], None]
    busy: bool = False


def pushes(days: int, seed: int = 7) -> list[Push]:
    """Return pushes of a typical account: workdays at half past eight and at five, some weekends at ten."""
    chance = random.Random(seed)
    made: list[Push] = []
    for day in range(days):
        begin = START + day * DAY
        slots = [(1.5, 0.75), (10.0, 0.85)] if day % 7 < 5 else [(3.0, 0.35)]
        for hours, probability in slots:
            if chance.random() < probability:
                moment = begin + hours * HOUR + chance.randint(-10, 15) * MINUTE
                made.append(Push(len(made) + 1, moment, chance.choice((1, 1, 2, 3))))
    return made


@dataclass
class Simulation:
    """One run through the pushes and failures, in order of time.

    `goes_on` is asked at each time, when nothing is left to do; with False the run ends early.
    """

    machinery: Machinery
    pushes: Sequence[Push]
    failures: Sequence[Failure]
    drain: timedelta = DRAIN
    reports_every: timedelta = REPORTS_EVERY
    revisits_every: timedelta = REVISITS_EVERY
    goes_on: Callable[[datetime], bool] = lambda _now: True
    now: datetime = START
    seconds: float = 0.0
    history: list[str] = field(default_factory=list)
    _waiting: list[Failure] = field(default_factory=list)
    _reported: datetime = START - DAY
    _revisited: datetime = START

    async def run(self) -> None:
        """Run from the start until every post could have been archived."""
        began = time.monotonic()
        machinery = self.machinery
        self._move_clock(START)
        with _environment(machinery.environment), open_archive(ArchiveSettings()) as engine:
            machinery.start_worker()
            current = CurrentConfig(machinery.config)
            planner = JobPlanner(JobContext(engine, SchedulerSettings.read().egress, Event()), current)
            app = queue_of(engine.url, dict.fromkeys(Work, _nothing))
            async with open_queue(app):
                await self._run_events(planner, app, engine)
        self.seconds = time.monotonic() - began

    async def _run_events(self, planner: JobPlanner, app: App, engine: Engine) -> None:
        coming = sorted([*self.pushes, *self.failures], key=lambda one: one.at)
        end = max(one.at for one in coming) + self.drain
        while self.now < end and self.goes_on(self.now):
            while coming and coming[0].at <= self.now:
                self._apply(coming.pop(0))
            for work in self._works():
                await self._check(planner, app, ENTRIES[work])
            known = [coming[0].at] if coming else []
            self._move_clock(min(*known, end, await self._next_due(engine)))

    def _works(self) -> Iterator[Work]:
        """Yield the kinds of work to check now."""
        yield Work.DISCOVER
        if self.now - self._revisited >= self.revisits_every:
            self._revisited = self.now
            yield Work.REVISIT
        yield Work.FETCH
        yield Work.MEDIA
        if self.now - self._reported >= self.reports_every:
            self._reported = self.now
            yield Work.REPORT

    def _apply(self, one: Push | Failure) -> None:
        if isinstance(one, Push):
            self.machinery.standin.publish(one.number, one.posts, one.at, one.account.biz)
        elif one.busy:
            self._waiting.append(one)
        else:
            self._inject(one)

    def _inject(self, failure: Failure) -> None:
        failure.do(self.machinery)
        self.history.append(f"{failure.at:%m-%d %H:%M} {failure.name}")

    async def _check(self, planner: JobPlanner, app: App, entry: TimetableEntry) -> None:
        if await planner.tick(app, entry):
            await self._finish_jobs(app)

    async def _finish_jobs(self, app: App) -> None:
        """Wait until no job is left; a failure that waits for a job is injected while one is running."""
        until, left = time.monotonic() + JOB_TIME, []
        while time.monotonic() < until:
            with suppress(ConnectorException):
                left = [job for status in ("todo", "doing") for job in await _jobs(app, status)]
                if not left:
                    return
                await self._during_job(app, left)
            await asyncio.sleep(0.05)
        raise TimeoutError(f"jobs are left at {self.now}: {left}")

    async def _during_job(self, app: App, left: Sequence[Job]) -> None:
        if self._waiting and any(job.status == "doing" for job in left):
            await asyncio.sleep(0.4)  # into its crawl
            await asyncio.to_thread(self._inject, self._waiting.pop(0))
        elif all(job.status == "todo" and job.scheduled_at for job in left):
            await app.connector.execute_query_async(_NO_WAITING)

    async def _next_due(self, engine: Engine) -> datetime:
        """Return the next time, on the minute, at which anything is due."""
        with transaction(engine) as session:
            moments = [
                session.scalar(select(func.min(column)).where(column > self.now))
                for column in (Source.next_fetch_at, Address.next_fetch_at, Egress.blocked_until)
            ]
            overdue = session.scalar(
                select(func.count()).select_from(Address).where(Address.next_fetch_at <= self.now)
            )
        moments += [self.now + 10 * MINUTE] if overdue else []
        moments.append(max(self._reported + self.reports_every, self.now + MINUTE))
        return min(moment for moment in moments if moment)

    def _move_clock(self, moment: datetime) -> None:
        """Move the clock there, but at least a minute ahead: one tick of the timetable."""
        self.now = max(moment, self.now + MINUTE) if moment > START else moment
        self.machinery.set_clock(self.now)


async def _jobs(app: App, status: str) -> list[Job]:
    return list(await app.job_manager.list_jobs_async(status=status))


def _nothing() -> None:
    """Stand in for the work of a queue into which jobs are only deferred."""


@contextmanager
def _environment(more: dict[str, str]) -> Iterator[None]:
    before = {name: environ.get(name) for name in more}
    environ.update(more)
    try:
        yield
    finally:
        for name, value in before.items():
            environ.pop(name) if value is None else environ.__setitem__(name, value)
