"""A worker: runs jobs from the queue, each crawl in a process of its own, until it is stopped."""

import asyncio
import logging
import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Any

import structlog
from procrastinate import App
from procrastinate.jobs import DeleteJobCondition, Job
from procrastinate.worker import Worker as QueueWorker

from archive.db.engine import transaction
from archive.domain.backoff import exponential
from archive.repository import egress
from scheduler.jobs import discover, fetch
from scheduler.jobs.base import JobContext
from scheduler.polling import Work
from scheduler.queue import (
    DATABASE_ERRORS,
    TaskFunction,
    egress_queue,
    failure_summary,
    open_queue,
    queue_of,
    requeue,
    running_jobs,
    stalled_jobs,
)

RECONNECT_FIRST, RECONNECT_LAST = timedelta(seconds=1), timedelta(seconds=30)

KEEP_FAILED = 14 * 24  # hours that a failed job stays for people to look at

CONCURRENCY = 5  # jobs at a time: a crawl of posts, one of media, inbox, backup and report; locks do the rest

STOP_POLL = 0.1  # seconds; how soon a stop is noticed

log = structlog.get_logger()


@dataclass(frozen=True)
class HeartbeatSettings:
    """Intervals of a worker, all in seconds.

    `every`: between two heartbeats. `poll`: between two looks for jobs whose lock has become free.
    `gone_after`: without a heartbeat a worker counts as gone. `to_end`: for running jobs when it stops.
    """

    every: float = 10.0
    poll: float = 5.0
    gone_after: float = 60.0
    to_end: float = 28.0  # of the 30 a stop may take


def egress_tasks(context: JobContext) -> dict[Work, TaskFunction]:
    """Return the jobs that every worker can run; they need no configuration file."""
    return {
        Work.FETCH: partial(fetch.run_fetch, context),
        Work.MEDIA: partial(fetch.run_media, context),
        Work.REVISIT: partial(fetch.run_revisit, context),
        Work.DISCOVER: partial(discover.run_discover, context),
    }


@dataclass
class JobWorker:
    """One worker at one egress. It also runs `more` kinds of jobs, from the queues `more_queues`."""

    context: JobContext
    stop: threading.Event
    more: Mapping[Work, Callable[[JobContext], None]] = field(default_factory=dict)
    more_queues: Collection[str] = ()
    heartbeat: HeartbeatSettings = field(default_factory=HeartbeatSettings)

    async def run(self) -> None:
        """Work until `stop` is set; wait for a database that is unreachable, however long that takes."""
        attempts = 0
        while not self.stop.is_set():
            try:
                await self._run_until_lost()
                attempts = 0
            except DATABASE_ERRORS as error:
                log.error("database unreachable", action="database_away", reason=failure_summary(error))
                attempts += 1
                await self._pause(exponential(attempts, RECONNECT_FIRST, RECONNECT_LAST))

    async def _run_until_lost(self) -> None:
        """Work until `stop` is set or the database is lost; on return no job runs in this process."""
        asyncio.get_running_loop().set_exception_handler(log_failed_task)
        interrupt = threading.Event()
        context = replace(self.context, interrupt=interrupt)
        functions = egress_tasks(context) | {work: partial(run, context) for work, run in self.more.items()}
        async with open_queue(queue_of(context.engine.url, functions)) as app:
            worker = self._queue_worker(app)
            tasks = [
                asyncio.create_task(task)
                for task in (_run(worker), self._beat(app, worker), self._until_stopped(worker))
            ]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            interrupt.set()
            if self.stop.is_set():
                log.info("stopping", action="stopping")
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result

    def _queue_worker(self, app: App) -> QueueWorker:
        return QueueWorker(
            app,
            queues=[egress_queue(self.context.egress), *self.more_queues],
            name=f"mparchive {self.context.egress}",
            concurrency=CONCURRENCY,
            install_signal_handlers=False,
            delete_jobs=DeleteJobCondition.SUCCESSFUL,
            fetch_job_polling_interval=self.heartbeat.poll,
            update_heartbeat_interval=self.heartbeat.every,
            stalled_worker_timeout=self.heartbeat.gone_after,
            shutdown_graceful_timeout=self.heartbeat.to_end,
        )

    async def _beat(self, app: App, worker: QueueWorker) -> None:
        """Show that this egress has a worker, and requeue the jobs of workers that are gone."""
        lost_before: set[int | None] = set()
        await app.job_manager.delete_old_jobs(KEEP_FAILED, include_failed=True, include_aborted=True)
        while True:
            await asyncio.to_thread(self._note_egress)
            stalled = await stalled_jobs(app, self.heartbeat.gone_after)
            lost = await _lost_jobs(app, worker)
            for job in [*stalled, *(job for job in lost if job.id in lost_before)]:
                log.warning("job requeued", action="job_handed_back", job=job.id, work=job.task_name)
                await requeue(app, job)
            lost_before = {job.id for job in lost}
            await asyncio.sleep(self.heartbeat.every)

    def _note_egress(self) -> None:
        with transaction(self.context.engine) as session:
            egress.record_heartbeat(session, self.context.egress, self.context.now())

    async def _until_stopped(self, worker: QueueWorker | None = None) -> None:
        """Return once this worker is stopped, or procrastinate's own has stopped taking jobs."""
        while not self.stop.is_set():
            # It has no other sign that its listening or its heartbeat failed; it would wait for its jobs.
            if worker and worker._stop_event.is_set():
                return
            await asyncio.sleep(STOP_POLL)

    async def _pause(self, wait: timedelta) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._until_stopped(), wait.total_seconds())


async def _run(worker: QueueWorker) -> None:
    await worker.run()  # type: ignore[no-untyped-call]  # it has no types


async def _lost_jobs(app: App, worker: QueueWorker) -> list[Job]:
    """Return jobs that this worker runs by the database but not in fact: their end was not written."""
    if worker.worker_id is None:
        return []
    running = {context.job.id for context in worker._running_jobs.values()}
    return [job for job in await running_jobs(app, worker.worker_id) if job.id not in running]


def log_failed_task(_loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
    """Log in one line what asyncio would log with a traceback: a job whose end could not be written.

    The job itself is requeued, by this worker or the next.
    """
    error = context.get("exception")
    reason = failure_summary(error) if isinstance(error, Exception) else str(context.get("message"))
    log.error("a task failed", action="task_failed", reason=reason)


def quiet_logs() -> None:
    """Leave out what libraries log about each step, with tracebacks; what matters has a line of our own."""
    for name in ("apscheduler", "procrastinate", "psycopg.pool"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
