"""The queue of jobs in the archive's own Postgres (docs/explanation/adr/jobs-in-postgres.md)."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import structlog
from procrastinate import App, PsycopgConnector, exceptions
from procrastinate.jobs import Job, Status
from procrastinate.retry import BaseRetryStrategy, RetryDecision
from procrastinate.sync_psycopg_connector import wrap_exceptions
from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError

from archive.domain.errors import DatabaseUnavailable
from scheduler.job_context import CrawlFailed, Interrupted
from scheduler.timetable import Work

SCHEMA = "jobs"

CONNECTIONS = 4  # of one worker: fetching, heartbeat, finishing, one more

CONNECT_TIME = 10.0  # seconds for a connection from the pool; longer means that the database is away

DATABASE_TRIES = 10

DATABASE_FIRST, DATABASE_LAST = 15, 300  # seconds; a job that waits holds its lock, so never longer

OTHER_TRIES = 3

OTHER_WAIT = 60  # seconds

HOME = "home"  # queue of what is done where the configuration file is

NO_DATABASE = (DBAPIError, DatabaseUnavailable, exceptions.ConnectorException)

Do = Callable[..., None]

log = structlog.get_logger()


@dataclass(frozen=True)
class Order:
    """A job to be done once. Jobs of one `lock` run one after the other, whoever does them.

    `subject` is what it is about; of one work and subject only one job waits at a time.
    """

    work: Work
    subject: str
    queue: str
    lock: str
    arguments: dict[str, Any] = field(default_factory=dict)


def line_queue(egress: str) -> str:
    """The queue of what is fetched through a line."""
    return f"line:{egress}"


def line_lock(egress: str, host: str) -> str:
    """The lock that keeps one line polite to one host."""
    return f"{egress}:{host}"


class BackOff(BaseRetryStrategy):
    """How a job that raised is tried again: at once if it was interrupted, later if the database was away.

    A crawl that failed is not: when it is due next stands with what is due (addresses, sources, lines).
    """

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        """When to run it again; None: it has failed."""
        if isinstance(exception, Interrupted):
            return RetryDecision(retry_in={"seconds": 0})
        if isinstance(exception, NO_DATABASE) and job.attempts < DATABASE_TRIES:
            wait = min(DATABASE_FIRST * 2 ** min(job.attempts, 10), DATABASE_LAST)
            return RetryDecision(retry_in={"seconds": wait})
        if isinstance(exception, CrawlFailed) or job.attempts >= OTHER_TRIES:
            return None
        return RetryDecision(retry_in={"seconds": OTHER_WAIT})


def queue_of(url: URL, does: Mapping[Work, Do]) -> App:
    """The queue in the database of this address, with what is done for each kind of job."""
    connector = PsycopgConnector(
        conninfo=url.set(drivername="postgresql").render_as_string(hide_password=False),
        kwargs={"options": f"-c search_path={SCHEMA} -c timezone=UTC", "application_name": "mparchive jobs"},
        min_size=1,
        max_size=CONNECTIONS,
        timeout=CONNECT_TIME,
    )
    app = App(connector=connector)
    for work, do in does.items():
        app.task(name=str(work), retry=BackOff())(_doing(work, do))
    return app


@asynccontextmanager
async def opened(app: App) -> AsyncIterator[App]:
    """The queue with its connections. Raises ConnectorException when there is no database."""
    with wrap_exceptions():
        await app.open_async()
    try:
        yield app
    finally:
        await app.close_async()


def _doing(work: Work, do: Do) -> Callable[..., None]:
    def run(*, timestamp: int, **arguments: Any) -> None:
        try:
            do(**arguments)
        except Interrupted:
            raise
        except Exception as error:
            log.error("job failed", action="job_failed", work=work, reason=first_line(error))
            raise

    return run


def first_line(error: BaseException) -> str:
    """The first line of what went wrong, from the driver where it is the database's."""
    cause = getattr(error, "orig", None) or error.__cause__ or error
    return f"{type(error).__name__}: {str(cause).strip().partition(chr(10))[0][:300]}"


async def place(app: App, order: Order, tick: int) -> bool:
    """Put a job into the queue, once for a tick whoever else does; whether it is new.

    Nothing is put where one of this work and subject still waits or is being done.
    """
    subject = f"{order.work}:{order.subject}"
    if list(await app.job_manager.list_jobs_async(queueing_lock=subject, status="doing")):
        return False
    task = app.tasks[str(order.work)].configure(
        queue=order.queue,
        lock=order.lock,
        queueing_lock=subject,
        task_kwargs={**order.arguments, "timestamp": tick},
    )
    try:
        placed = await app.job_manager.defer_periodic_job(
            job=task.job, periodic_id=order.subject, defer_timestamp=tick
        )
    except exceptions.AlreadyEnqueued:
        return False
    return placed is not None


async def stalled(app: App, silent_for: float) -> list[Job]:
    """The jobs in the hands of workers that were not heard of for so many seconds."""
    return list(await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=silent_for))


async def in_hand(app: App, worker_id: int) -> list[Job]:
    """The jobs that a worker has, by the database."""
    return list(await app.job_manager.list_jobs_async(status="doing", worker_id=worker_id))


async def hand_back(app: App, job: Job) -> None:
    """Let another worker do a job; where one of its subject waits already, that one is enough."""
    assert job.id is not None  # noqa: S101 - it comes from the database
    try:
        await app.job_manager.retry_job(job)
    except exceptions.UniqueViolation:
        await app.job_manager.finish_job_by_id_async(job.id, Status.ABORTED, delete_job=True)
