"""Weeks of an account in minutes: real crawls, a real worker, a real Postgres, and a clock that jumps.

The timetable is looked at here, at each instant at which something is due; then time stands still until the
worker has done what there was to do. Everything published is synthetic.
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
from archive.db.models import AddressRow, Egress, SourceRow
from archive.db.settings import ArchiveSettings
from scheduler.daemon import CurrentConfig, JobPlanner
from scheduler.job_context import JobContext
from scheduler.queue import open_queue, queue_of
from scheduler.settings import SchedulerSettings
from scheduler.timetable import TIMETABLE, TimetableEntry, Work
from tests.month.places import Places
from tests.standin.account import at

START = at("2025-10-06 07:00")  # a Monday
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
REPORTS_EVERY = 2 * HOUR
REVISITS_EVERY = 8 * HOUR
DRAIN = 2 * DAY  # after the last publication; longer than any line is held, and any source waits for its turn
JOB_TIME = 120.0  # seconds of the machine that one instant may take
# A job that is tried again waits real seconds, which have no meaning here.
_NO_WAITING = "UPDATE procrastinate_jobs SET scheduled_at = now() WHERE scheduled_at > now()"
ENTRIES = {entry.work: entry for entry in TIMETABLE}


@dataclass(frozen=True, slots=True)
class Push:
    """So many posts published together."""

    number: int
    at: datetime
    posts: int


@dataclass(frozen=True)
class Trouble:
    """Something that happens: at an instant, or (`busy`) in the middle of the first job after it."""

    at: datetime
    name: str
    do: Callable[[Places], None]
    busy: bool = False


def pushes(days: int, seed: int = 7) -> list[Push]:
    """An account's habit: workdays at half past eight and at five, some weekends at ten."""
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
    """One run through the pushes and troubles, in order of time."""

    places: Places
    pushes: Sequence[Push]
    troubles: Sequence[Trouble]
    drain: timedelta = DRAIN
    reports_every: timedelta = REPORTS_EVERY
    revisits_every: timedelta = REVISITS_EVERY
    now: datetime = START
    seconds: float = 0.0
    happened: list[str] = field(default_factory=list)
    _strikes: list[Trouble] = field(default_factory=list)
    _reported: datetime = START - DAY
    _revisited: datetime = START

    async def run(self) -> None:
        """From the start until everything has had its chance to be archived."""
        began = time.monotonic()
        places = self.places
        self._to(START)
        with _environment(places.environment), open_archive(ArchiveSettings()) as engine:
            places.start_worker()
            current = CurrentConfig(places.config)
            planner = JobPlanner(JobContext(engine, SchedulerSettings.read().egress, Event()), current)
            app = queue_of(engine.url, dict.fromkeys(Work, _nothing))
            async with open_queue(app):
                await self._through(planner, app, engine)
        self.seconds = time.monotonic() - began

    async def _through(self, planner: JobPlanner, app: App, engine: Engine) -> None:
        coming = sorted([*self.pushes, *self.troubles], key=lambda one: one.at)
        end = max(one.at for one in coming) + self.drain
        while self.now < end:
            while coming and coming[0].at <= self.now:
                self._happens(coming.pop(0))
            for work in self._works():
                await self._look(planner, app, ENTRIES[work])
            known = [coming[0].at] if coming else []
            self._to(min(*known, end, await self._next_due(engine)))

    def _works(self) -> Iterator[Work]:
        """What is looked at now."""
        yield Work.DISCOVER
        if self.now - self._revisited >= self.revisits_every:
            self._revisited = self.now
            yield Work.REVISIT
        yield Work.FETCH
        yield Work.MEDIA
        if self.now - self._reported >= self.reports_every:
            self._reported = self.now
            yield Work.REPORT

    def _happens(self, one: Push | Trouble) -> None:
        if isinstance(one, Push):
            self.places.standin.publish(one.number, one.posts, one.at)
        elif one.busy:
            self._strikes.append(one)
        else:
            self._strike(one)

    def _strike(self, trouble: Trouble) -> None:
        trouble.do(self.places)
        self.happened.append(f"{trouble.at:%m-%d %H:%M} {trouble.name}")

    async def _look(self, planner: JobPlanner, app: App, entry: TimetableEntry) -> None:
        if await planner.tick(app, entry):
            await self._worked(app)

    async def _worked(self, app: App) -> None:
        """Wait until no job is left; a trouble that waits for a job strikes while one is being done."""
        until, left = time.monotonic() + JOB_TIME, []
        while time.monotonic() < until:
            with suppress(ConnectorException):
                left = [job for status in ("todo", "doing") for job in await _jobs(app, status)]
                if not left:
                    return
                await self._amid(app, left)
            await asyncio.sleep(0.05)
        raise TimeoutError(f"jobs are left at {self.now}: {left}")

    async def _amid(self, app: App, left: Sequence[Job]) -> None:
        if self._strikes and any(job.status == "doing" for job in left):
            await asyncio.sleep(0.4)  # into its crawl
            await asyncio.to_thread(self._strike, self._strikes.pop(0))
        elif all(job.status == "todo" and job.scheduled_at for job in left):
            await app.connector.execute_query_async(_NO_WAITING)

    async def _next_due(self, engine: Engine) -> datetime:
        """The next instant, on the minute, at which anything is due."""
        with transaction(engine) as session:
            moments = [
                session.scalar(select(func.min(column)).where(column > self.now))
                for column in (SourceRow.next_try_at, AddressRow.next_fetch_at, Egress.blocked_until)
            ]
            overdue = session.scalar(
                select(func.count()).select_from(AddressRow).where(AddressRow.next_fetch_at <= self.now)
            )
        moments += [self.now + 10 * MINUTE] if overdue else []
        moments.append(max(self._reported + self.reports_every, self.now + MINUTE))
        return min(moment for moment in moments if moment)

    def _to(self, moment: datetime) -> None:
        """Jump there, but at least a minute ahead: a tick of the timetable."""
        self.now = max(moment, self.now + MINUTE) if moment > START else moment
        self.places.set_clock(self.now)


async def _jobs(app: App, status: str) -> list[Job]:
    return list(await app.job_manager.list_jobs_async(status=status))


def _nothing() -> None:
    """In place of work, in a queue that jobs are only put into."""


@contextmanager
def _environment(more: dict[str, str]) -> Iterator[None]:
    before = {name: environ.get(name) for name in more}
    environ.update(more)
    try:
        yield
    finally:
        for name, value in before.items():
            environ.pop(name) if value is None else environ.__setitem__(name, value)
