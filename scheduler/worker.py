"""A worker: takes jobs from the queue and does them, each crawl in a child process, until it is stopped."""

import asyncio
import logging
import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

import structlog
from procrastinate import App
from procrastinate.jobs import DeleteJobCondition, Job
from procrastinate.worker import Worker as QueueWorker

from archive.db.engine import transaction
from archive.repository import egress
from scheduler.job_context import JobContext
from scheduler.jobs import discover, fetch, media, revisit
from scheduler.queue import (
    NO_DATABASE,
    Do,
    first_line,
    hand_back,
    in_hand,
    line_queue,
    opened,
    queue_of,
    stalled,
)
from scheduler.timetable import Work

AWAY_FIRST, AWAY_LAST = 1.0, 30.0  # seconds between two tries to reach a database that is away

FORGET_AFTER = 14 * 24  # hours that a job which failed is kept for people to look at

CONCURRENCY = 4  # a crawl of posts, one of media, the inbox, the report; locks keep them polite

log = structlog.get_logger()


@dataclass(frozen=True)
class HeartbeatSettings:
    """Seconds: how often a worker shows that it lives, and looks for jobs whose lock has become free; when it
    counts as gone; how long its jobs may take to end.
    """

    every: float = 10.0
    look: float = 5.0
    gone_after: float = 60.0
    to_end: float = 28.0  # of the 30 a stop may take


def egress_tasks(hands: JobContext) -> dict[Work, Do]:
    """What every worker can do; it needs no configuration file."""
    return {
        Work.FETCH: partial(fetch.run, hands),
        Work.MEDIA: partial(media.run, hands),
        Work.REVISIT: partial(revisit.run, hands),
        Work.DISCOVER: partial(discover.run, hands),
    }


@dataclass
class Worker:
    """One worker at one line. `more` is what it does besides, from the queues `more_queues`."""

    hands: JobContext
    stop: threading.Event
    more: Mapping[Work, Callable[[JobContext], None]] = field(default_factory=dict)
    more_queues: Collection[str] = ()
    pulse: HeartbeatSettings = field(default_factory=HeartbeatSettings)

    async def run(self) -> None:
        """Work until `stop` is set; a database that is away is waited for, whatever it takes."""
        wait = AWAY_FIRST
        while not self.stop.is_set():
            try:
                await self._once()
                wait = AWAY_FIRST
            except NO_DATABASE as error:
                log.error("the database is away", action="database_away", reason=first_line(error))
                await self._pause(wait)
                wait = min(wait * 2, AWAY_LAST)

    async def _once(self) -> None:
        """Work until `stop` is set or the database is lost; then no job goes on in this process."""
        interrupt = threading.Event()
        hands = replace(self.hands, interrupt=interrupt)
        does = egress_tasks(hands) | {work: partial(do, hands) for work, do in self.more.items()}
        async with opened(queue_of(hands.engine.url, does)) as app:
            worker = self._worker(app)
            tasks = [
                asyncio.create_task(task)
                for task in (_run(worker), self._beat(app, worker), self._stopped(worker))
            ]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            interrupt.set()
            if self.stop.is_set():
                log.info("stopping", action="stopping")
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        for error in ended:
            if isinstance(error, Exception):
                raise error

    def _worker(self, app: App) -> QueueWorker:
        return QueueWorker(
            app,
            queues=[line_queue(self.hands.egress), *self.more_queues],
            name=f"mparchive {self.hands.egress}",
            concurrency=CONCURRENCY,
            install_signal_handlers=False,
            delete_jobs=DeleteJobCondition.SUCCESSFUL,
            fetch_job_polling_interval=self.pulse.look,
            update_heartbeat_interval=self.pulse.every,
            stalled_worker_timeout=self.pulse.gone_after,
            shutdown_graceful_timeout=self.pulse.to_end,
        )

    async def _beat(self, app: App, worker: QueueWorker) -> None:
        """Show that somebody is behind this line, and hand back what others left in hand."""
        astray: set[int | None] = set()
        await app.job_manager.delete_old_jobs(FORGET_AFTER, include_failed=True, include_aborted=True)
        while True:
            await asyncio.to_thread(self._show)
            left = await stalled(app, self.pulse.gone_after)
            lost = await _lost(app, worker)
            for job in [*left, *(job for job in lost if job.id in astray)]:
                log.warning("job handed back", action="job_handed_back", job=job.id, work=job.task_name)
                await hand_back(app, job)
            astray = {job.id for job in lost}
            await asyncio.sleep(self.pulse.every)

    def _show(self) -> None:
        with transaction(self.hands.engine) as session:
            egress.record_heartbeat(session, self.hands.egress, self.hands.now())

    async def _stopped(self, worker: QueueWorker | None = None) -> None:
        """Return once this worker is told to stop, or the queue's own one has stopped taking jobs."""
        while not self.stop.is_set():
            # It has no other sign that its listening or its heartbeat failed; it would wait for its jobs.
            if worker and worker._stop_event.is_set():
                return
            await asyncio.sleep(0.1)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopped(), seconds)


async def _run(worker: QueueWorker) -> None:
    await worker.run()  # type: ignore[no-untyped-call]  # it has no types


async def _lost(app: App, worker: QueueWorker) -> list[Job]:
    """Jobs that the database has in this worker's hands and that it is not doing: their end was not noted."""
    if worker.worker_id is None:
        return []
    doing = {context.job.id for context in worker._running_jobs.values()}
    return [job for job in await in_hand(app, worker.worker_id) if job.id not in doing]


def quiet_logs() -> None:
    """Leave out the libraries' account of each step, with its tracebacks; what matters has our own line."""
    for name in ("apscheduler", "procrastinate", "psycopg.pool"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
