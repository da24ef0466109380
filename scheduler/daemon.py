"""The daemon: looks at the timetable, puts jobs into the queue, and works itself, until it is stopped."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import FrameType

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from procrastinate import App
from sqlalchemy import Engine

from archive.db.engine import open_archive, transaction
from archive.repository.egress import live_egresses, record_heartbeat
from archive.repository.frontier import EGRESS_LIVES
from archive.system import clock
from crawler.media.settings import MediaSettings
from scheduler.config import Config, load_config
from scheduler.config_errors import ConfigError
from scheduler.job_context import JobContext
from scheduler.jobs import discover, fetch, inbox, media, revisit
from scheduler.jobs import report as report_module
from scheduler.metrics import serve_metrics
from scheduler.queue import HOME, NO_DATABASE, Order, first_line, opened, place, queue_of
from scheduler.settings import SchedulerSettings
from scheduler.timetable import TIMETABLE, Entry, Work
from scheduler.worker import HeartbeatSettings, Worker, quiet_logs

CLOCK_LOOK = 10.0  # seconds; by a clock that nobody puts back

SECOND_SIGNAL = 143  # exit code of a process that SIGTERM ended

log = structlog.get_logger()


@dataclass
class Current:
    """The configuration in force: that of a file which has changed, if it is good; else the old one stays."""

    path: Path
    config: Config = field(init=False)
    problem: str = ""
    _seen: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        self._seen = self._stamp()
        self.config = load_config(self.path)

    def refresh(self) -> None:
        """Read the file again when it has changed."""
        stamp = self._stamp()
        if stamp == self._seen:
            return
        self._seen = stamp
        try:
            self.config = load_config(self.path)
        except ConfigError as error:
            self.problem = str(error)
            log.error("configuration refused", action="config_refused", reason=self.problem)
        else:
            self.problem = ""
            log.info("configuration taken over", action="config_taken", path=str(self.path))

    def again(self) -> None:
        """Read the file at the next refresh, changed or not."""
        self._seen = (0, 0)

    def _stamp(self) -> tuple[int, int]:
        try:
            found = self.path.stat()
        except OSError:
            return (-1, -1)
        return (found.st_mtime_ns, found.st_size)


@dataclass
class Planner:
    """Says at each tick which jobs there are to do."""

    hands: JobContext
    current: Current

    def orders(self, work: Work) -> list[Order]:
        """The jobs of one kind that are to be done now."""
        config, hands = self.current.config, self.hands
        match work:
            case Work.DISCOVER:
                return discover.plan(hands, config.accounts, config.schedule, self._lines())
            case Work.FETCH:
                return fetch.plan(hands, config.limits, self._lines())
            case Work.MEDIA:
                return media.plan(hands, config.limits, self._lines())
            case Work.REVISIT:
                return revisit.plan(hands, config.limits, self._lines())
            case Work.INBOX:
                return inbox.plan(config.inbox)
            case Work.REPORT:
                return report_module.plan()

    def _lines(self) -> list[str]:
        """The lines that somebody works behind, this machine's own first."""
        own = self.hands.egress
        with transaction(self.hands.engine) as session:
            live = live_egresses(session, self.hands.now(), EGRESS_LIVES)
        return [own, *(line for line in live if line != own)]

    async def tick(self, app: App, entry: Entry) -> int:
        """One look at the timetable's entry: how many jobs it made. One that fails says so, and made none."""
        made = 0
        try:
            self.current.refresh()
            for order in await asyncio.to_thread(self.orders, entry.work):
                made += await place(app, order, entry.tick(self.hands.now()))
        except NO_DATABASE as error:
            log.error(
                "nothing could be planned", action="database_away", work=entry.work, reason=first_line(error)
            )
        except Exception as error:  # APScheduler's own account of it is left out of the log
            log.error(
                "nothing could be planned", action="look_failed", work=entry.work, reason=first_line(error)
            )
        return made


def home_work(current: Current) -> dict[Work, Callable[..., None]]:
    """What is only done where the configuration file is."""

    def report(hands: JobContext) -> None:
        report_module.run(hands, current.config, current.problem)

    def take_in(hands: JobContext) -> None:
        inbox.run(hands, current.config.inbox)

    return {Work.REPORT: report, Work.INBOX: take_in}


def run_daemon(config_path: Path, pulse: HeartbeatSettings | None = None) -> int:
    """Schedule and work until SIGTERM or SIGINT; returns 0.

    Raises ConfigError, SettingError, DatabaseUnavailable.
    """
    current, settings = Current(config_path), SchedulerSettings.read()
    stop = ready(current)
    with ExitStack() as stack:
        hands = hands_of(stack.enter_context(open_archive()), settings, stop)
        if settings.metrics_at:
            stack.enter_context(serve_metrics(hands.engine, *settings.metrics_at))
        worker = Worker(hands, stop, home_work(current), [HOME], pulse or HeartbeatSettings())
        accounts = [account.name for account in current.config.accounts]
        log.info("daemon started", action="daemon_started", egress=hands.egress, accounts=accounts)
        asyncio.run(_schedule_and_work(Planner(hands, current), worker))
        log.info("daemon stopped", action="daemon_stopped")
    return 0


def run_worker(pulse: HeartbeatSettings | None = None) -> int:
    """Work until SIGTERM or SIGINT; returns 0. Raises SettingError, DatabaseUnavailable."""
    settings, stop = SchedulerSettings.read(), ready(None)
    with open_archive() as engine:
        hands = hands_of(engine, settings, stop)
        log.info("worker started", action="worker_started", egress=hands.egress)
        asyncio.run(Worker(hands, stop, pulse=pulse or HeartbeatSettings()).run())
        log.info("worker stopped", action="worker_stopped")
    return 0


def ready(current: Current | None) -> threading.Event:
    """Prepare this process for work; the event that is set when it is told to stop. Raises SettingError."""
    MediaSettings.read()  # refused now rather than at every look
    quiet_logs()
    stop = threading.Event()
    _listen(stop, current)
    return stop


def hands_of(engine: Engine, settings: SchedulerSettings, stop: threading.Event) -> JobContext:
    """What jobs of this process work with; its line is known from now on."""
    hands = JobContext(engine, settings.egress, stop)
    with transaction(engine) as session:
        record_heartbeat(session, settings.egress, hands.now())
    return hands


async def _schedule_and_work(planner: Planner, worker: Worker) -> None:
    app = queue_of(planner.hands.engine.url, dict.fromkeys(Work, _nothing))
    async with opened(app):
        scheduler = scheduler_of(planner, app)
        scheduler.start()
        watch = asyncio.create_task(_watch_clock(scheduler))
        try:
            await worker.run()
        finally:
            watch.cancel()
            scheduler.shutdown(wait=False)


async def _watch_clock(scheduler: AsyncIOScheduler) -> None:
    while True:
        await asyncio.sleep(CLOCK_LOOK)
        if looks := bring_forward(scheduler, datetime.now(UTC)):  # APScheduler's own clock
            log.warning("the clock was put back", action="clock_put_back", looks=looks)


def bring_forward(scheduler: AsyncIOScheduler, now: datetime) -> list[str]:
    """Have looks now that the clock, when it is put back by hours, would leave waiting for as long; which."""
    every = {str(entry.work): entry.every for entry in TIMETABLE}
    far = [job for job in scheduler.get_jobs() if job.next_run_time - now > 2 * every[job.id]]
    for job in far:
        job.modify(next_run_time=now)
    return [job.id for job in far]


def _nothing() -> None:
    """In place of work, in a queue that jobs are only put into."""


def scheduler_of(planner: Planner, app: App, now: Callable[[], datetime] = clock.now) -> AsyncIOScheduler:
    """The timetable in APScheduler's hands: late looks are made up for once, and never overlap."""
    scheduler = AsyncIOScheduler(timezone=UTC)
    for entry in TIMETABLE:
        scheduler.add_job(
            partial(planner.tick, app, entry),
            "interval",
            seconds=entry.every.total_seconds(),
            jitter=int(entry.jitter.total_seconds()),
            misfire_grace_time=int(entry.grace.total_seconds()),
            coalesce=True,
            max_instances=1,
            next_run_time=now(),
            id=str(entry.work),
        )
    return scheduler


def _listen(stop: threading.Event, current: Current | None) -> None:
    def told(number: int, frame: FrameType | None) -> None:
        if stop.is_set():  # nothing is logged here: the signal may have come amid a line
            os._exit(SECOND_SIGNAL)  # a crawl's lifeline ends with this process
        stop.set()

    def hangup(number: int, frame: FrameType | None) -> None:
        if current:
            current.again()

    signal.signal(signal.SIGTERM, told)
    signal.signal(signal.SIGINT, told)
    signal.signal(signal.SIGHUP, hangup)
