"""The daemon: checks the timetable, defers jobs, and works itself, until it is stopped."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import FrameType, TracebackType

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from procrastinate import App
from sqlalchemy import Engine

from archive.db.advisory_locks import scheduler_lock
from archive.db.engine import open_archive, transaction
from archive.db.roles import role_warnings
from archive.domain.messages import Message
from archive.domain.monitoring import SourceName, remedy_for
from archive.repository.egress import EGRESS_LIVES, live_egresses, record_heartbeat
from archive.system import clock
from crawler.media.settings import MediaSettings
from scheduler.config import Config, ConfigError, SchedulerSettings, load_config
from scheduler.database_watch import DatabaseWatch
from scheduler.jobs import backup, discover, fetch, inbox, report
from scheduler.jobs.base import JobContext
from scheduler.metrics import serve_metrics
from scheduler.polling import TIMETABLE, TimetableEntry, Work
from scheduler.queue import DATABASE_ERRORS, HOME, PlannedJob, defer, failure_summary, open_queue, queue_of
from scheduler.service_manager import READY, STOPPING, notify, show_signs_of_life
from scheduler.source_check import configured_sources, unwatched_problem
from scheduler.worker import HeartbeatSettings, JobWorker, quiet_logs

CLOCK_CHECK = 10.0  # seconds, by a clock that nobody sets back

STDOUT, STDERR = 1, 2  # file descriptors

SECOND_SIGNAL = 143  # exit code of a process that SIGTERM ended

log = structlog.get_logger()


@dataclass
class CurrentConfig:
    """The configuration in force: that of the file, or the one before while the file has a mistake."""

    path: Path
    config: Config = field(init=False)
    problem: Message | None = None
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
        before = self.config.reading_room
        try:
            self.config = load_config(self.path)
        except ConfigError as error:
            self.problem = error.message
            log.error("configuration refused", action="config_refused", reason=str(error))
        else:
            self.problem = None
            reloaded = Message("scheduler.log.reloaded", {"path": self.path})
            log.info(reloaded, action="config_taken", path=str(self.path))
            if self.config.reading_room != before:
                log.warning(
                    "[reading_room] has changed, which takes effect when the daemon is restarted",
                    action="config_needs_restart",
                )

    def force_refresh(self) -> None:
        """Read the file at the next refresh, changed or not."""
        self._seen = (0, 0)

    def _stamp(self) -> tuple[int, int]:
        try:
            status = self.path.stat()
        except OSError:
            return (-1, -1)
        return (status.st_mtime_ns, status.st_size)


@dataclass
class JobPlanner:
    """Decides at each tick of the timetable which jobs are needed."""

    context: JobContext
    current: CurrentConfig

    def plan(self, work: Work) -> list[PlannedJob]:
        """Return the jobs of one kind that are needed now."""
        config, context = self.current.config, self.context
        match work:
            case Work.DISCOVER:
                return discover.plan_discover(context, config.accounts, config.schedule, self._egresses())
            case Work.FETCH:
                return fetch.plan_fetch(context, config.limits, self._egresses())
            case Work.MEDIA:
                return fetch.plan_media(context, config.limits, self._egresses())
            case Work.REVISIT:
                return fetch.plan_revisit(context, config.limits, self._egresses())
        return self._plan_at_home(work)

    def _plan_at_home(self, work: Work) -> list[PlannedJob]:
        """Return the jobs that only run where the configuration file is."""
        config = self.current.config
        match work:
            case Work.INBOX:
                return inbox.plan_inbox(config.inbox)
            case Work.BACKUP:
                return backup.plan_backup(config.backup, self.context.now())
        return report.plan_report()

    def _egresses(self) -> list[str]:
        """Return the egresses that have a worker, this machine's own first."""
        own = self.context.egress
        with transaction(self.context.engine) as session:
            live = live_egresses(session, self.context.now(), EGRESS_LIVES)
        return [own, *(egress for egress in live if egress != own)]

    async def tick(self, app: App, entry: TimetableEntry) -> int:
        """Defer the jobs of a timetable entry; returns how many are new. A failure is only logged."""
        deferred = 0
        try:
            self.current.refresh()
            for job in await asyncio.to_thread(self.plan, entry.work):
                tick = entry.tick(self.context.now()) if job.tick is None else job.tick
                deferred += await defer(app, job, tick)
        except DATABASE_ERRORS as error:
            reason = failure_summary(error)
            log.error("nothing could be planned", action="database_away", work=entry.work, reason=reason)
        except Exception as error:  # APScheduler's own report of it is left out of the log
            reason = failure_summary(error)
            log.error("nothing could be planned", action="look_failed", work=entry.work, reason=reason)
        return deferred


def home_tasks(current: CurrentConfig) -> dict[Work, Callable[..., None]]:
    """Return the jobs that only run where the configuration file is."""

    def run_report(context: JobContext) -> None:
        report.run_report(context, current.config, current.problem)

    def run_inbox(context: JobContext) -> None:
        inbox.run_inbox(context, current.config.inbox)

    def run_backup(context: JobContext) -> None:
        backup.run_backup(context, current.config.backup)

    return {Work.REPORT: run_report, Work.INBOX: run_inbox, Work.BACKUP: run_backup}


def run_scheduler(config_path: Path, heartbeat: HeartbeatSettings | None = None) -> int:
    """Schedule and work until SIGTERM or SIGINT; returns 0.

    Raises ConfigError, SettingError, DatabaseUnavailable.
    """
    current, settings = CurrentConfig(config_path), SchedulerSettings.read()
    stop = prepare_process(current)
    with ExitStack() as stack:
        context = open_context(stack.enter_context(open_archive()), settings, stop)
        if not stack.enter_context(scheduler_lock(context.engine)):
            log.warning(Message("scheduler.log.second"), action="second_scheduler")
        if settings.metrics_at:
            stack.enter_context(serve_metrics(context.engine, *settings.metrics_at))
        worker = JobWorker(context, stop, home_tasks(current), [HOME], heartbeat or HeartbeatSettings())
        accounts = [account.name for account in current.config.accounts]
        started = Message("scheduler.log.started")
        log.info(started, action="daemon_started", egress=context.egress, accounts=accounts)
        _log_watched(context.engine, current.config)
        asyncio.run(_schedule_and_work(JobPlanner(context, current), worker))
        log.info(Message("scheduler.log.stopped"), action="daemon_stopped")
    return 0


def _log_watched(engine: Engine, config: Config) -> None:
    """Log how each account is watched; where no source lists its posts, the report opens an incident."""
    with transaction(engine) as session:
        for account in config.accounts:
            kinds = {SourceName.parse(one.name).type for one in configured_sources(session, account)}
            sources = [Message(f"scheduler.source.{kind}") for kind in sorted(kinds)]
            watched = Message("scheduler.log.watched", {"account": account.name, "sources": sources})
            if problem := unwatched_problem(session, account):
                remedy = remedy_for(problem)
                log.warning(problem, action="account_not_watched", biz=account.biz, remedy=remedy)
            else:
                log.info(watched, action="account_watched", biz=account.biz)


def work_until_stopped(heartbeat: HeartbeatSettings | None = None) -> int:
    """Work until SIGTERM or SIGINT; returns 0. Raises SettingError, DatabaseUnavailable."""
    settings, stop = SchedulerSettings.read(), prepare_process(None)
    with open_archive() as engine:
        context = open_context(engine, settings, stop)
        log.info("worker started", action="worker_started", egress=context.egress)
        asyncio.run(JobWorker(context, stop, heartbeat=heartbeat or HeartbeatSettings()).run())
        log.info("worker stopped", action="worker_stopped")
    return 0


def prepare_process(current: CurrentConfig | None) -> threading.Event:
    """Check settings and handle signals; returns the event that a stop sets. Raises SettingError."""
    MediaSettings.read()  # refused now rather than at every check
    quiet_logs()
    sys.excepthook = log_broken_start
    stop = threading.Event()
    _handle_signals(stop, current)
    return stop


def log_broken_start(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Log in one line that a crawl was stopped while it started; print any other error as usual.

    multiprocessing reports so, from a thread of its own, that a crawl did not take its pipes. The result of
    the crawl says that it failed.
    """
    if threading.current_thread() is threading.main_thread() or not isinstance(
        error, ConnectionError | EOFError
    ):
        sys.__excepthook__(kind, error, trace)
        return
    log.warning("a crawl was stopped while it started", action="start_stopped", reason=str(error))


def open_context(engine: Engine, settings: SchedulerSettings, stop: threading.Event) -> JobContext:
    """Return what jobs of this process work with; from now on its egress gets jobs."""
    context = JobContext(engine, settings.egress, stop)
    with transaction(engine) as session:
        for warning in role_warnings(session.connection()):
            log.warning(
                "the database role has too many rights",
                action="role_too_powerful",
                reason=str(warning),
            )
        record_heartbeat(session, settings.egress, context.now())
    return context


async def _schedule_and_work(planner: JobPlanner, worker: JobWorker) -> None:
    app = queue_of(planner.context.engine.url, dict.fromkeys(Work, _not_run_here))
    async with open_queue(app):
        scheduler = scheduler_of(planner, app)
        scheduler.start()
        database = DatabaseWatch(planner.context.engine.url, lambda: planner.current.config.ping)
        tasks = [
            asyncio.create_task(one)
            for one in (_watch_clock(scheduler), show_signs_of_life(), database.run())
        ]
        notify(READY)
        try:
            await worker.run()
        finally:
            notify(STOPPING)
            for task in tasks:
                task.cancel()
            scheduler.shutdown(wait=False)


def _not_run_here() -> None:
    """Stand for the function of a job in a queue that jobs are only deferred to."""


async def _watch_clock(scheduler: AsyncIOScheduler) -> None:
    while True:
        await asyncio.sleep(CLOCK_CHECK)
        if moved := bring_forward(scheduler, datetime.now(UTC)):  # APScheduler's own clock
            log.warning("the clock was set back", action="clock_put_back", looks=moved)


def bring_forward(scheduler: AsyncIOScheduler, now: datetime) -> list[str]:
    """Run checks now that would wait for hours because the clock was set back by hours; returns which."""
    every = {str(entry.work): entry.every for entry in TIMETABLE}
    late = [job for job in scheduler.get_jobs() if job.next_run_time - now > 2 * every[job.id]]
    for job in late:
        job.modify(next_run_time=now)
    return [job.id for job in late]


def scheduler_of(planner: JobPlanner, app: App, now: Callable[[], datetime] = clock.now) -> AsyncIOScheduler:
    """Return the timetable in APScheduler: late checks happen once, and never overlap."""
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


def _handle_signals(stop: threading.Event, current: CurrentConfig | None) -> None:
    had_terminal = os.isatty(STDOUT)

    def handle_stop(number: int, frame: FrameType | None) -> None:
        if stop.is_set():  # nothing is logged here: the signal may have come amid a line
            os._exit(SECOND_SIGNAL)  # crawls end with this process
        stop.set()

    def handle_hangup(number: int, frame: FrameType | None) -> None:
        if had_terminal and not os.isatty(STDOUT):  # its window was closed: nobody would find this process
            nowhere = os.open(os.devnull, os.O_WRONLY)
            for output in (STDOUT, STDERR):
                os.dup2(nowhere, output)
            stop.set()
        elif current:
            current.force_refresh()

    signal.signal(signal.SIGTERM, handle_stop)
    signal.signal(signal.SIGINT, handle_stop)
    signal.signal(signal.SIGHUP, handle_hangup)
