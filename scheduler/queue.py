"""The job queue in the archive's own Postgres (docs/explanation/adr/jobs-in-postgres.md)."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog
from procrastinate import App, PsycopgConnector, exceptions
from procrastinate.jobs import Job, Status
from procrastinate.retry import BaseRetryStrategy, RetryDecision
from procrastinate.sync_psycopg_connector import wrap_exceptions
from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError

from archive.domain.backoff import exponential
from archive.domain.errors import DatabaseUnavailable
from scheduler.jobs.base import CrawlFailed, Interrupted
from scheduler.polling import Work

SCHEMA = "jobs"

QUEUE_CONNECTIONS = 4  # of one worker: fetching, heartbeat, finishing, one more

CONNECT_TIME = 10.0  # seconds for a connection from the pool; longer means that the database is unreachable

DATABASE_TRIES = 10

DATABASE_FIRST = timedelta(seconds=15)

DATABASE_LAST = timedelta(minutes=5)  # a job that waits holds its lock, so never longer

OTHER_TRIES = 3

OTHER_WAIT = 60  # seconds

HOME = "home"  # queue of the jobs that run where the configuration file is

DATABASE_ERRORS = (DBAPIError, DatabaseUnavailable, exceptions.ConnectorException)

TaskFunction = Callable[..., None]

log = structlog.get_logger()


@dataclass(frozen=True)
class PlannedJob:
    """A job to be run once. Jobs of one `lock` run one after the other, whichever worker runs them.

    `subject` is what the job is about; of one work and subject at most one job waits at a time. With `tick`
    the job is deferred once for that number, instead of once for each interval of its timetable entry.
    """

    work: Work
    subject: str
    queue: str
    lock: str
    arguments: dict[str, Any] = field(default_factory=dict)
    tick: int | None = None


def egress_queue(egress: str) -> str:
    """Return the name of the queue of jobs that go through an egress."""
    return f"line:{egress}"  # the name that jobs of earlier versions wait under


def host_lock(egress: str, host: str) -> str:
    """Return the lock of jobs that ask one host through one egress."""
    return f"{egress}:{host}"


class JobRetry(BaseRetryStrategy):
    """When a job that raised is run again: at once if it was interrupted, later if the database was away.

    A failed crawl is not run again: what it was to fetch is still due, and gets a new job.
    """

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        """Return when to run the job again; None: it has failed."""
        if isinstance(exception, Interrupted):
            return RetryDecision(retry_in={"seconds": 0})
        if isinstance(exception, DATABASE_ERRORS) and job.attempts < DATABASE_TRIES:
            wait = exponential(job.attempts + 1, DATABASE_FIRST, DATABASE_LAST)
            return RetryDecision(retry_in={"seconds": int(wait.total_seconds())})
        if isinstance(exception, CrawlFailed) or job.attempts >= OTHER_TRIES:
            return None
        return RetryDecision(retry_in={"seconds": OTHER_WAIT})


def queue_of(url: URL, functions: Mapping[Work, TaskFunction]) -> App:
    """Return the queue in the database at this URL, with the function that runs each kind of job."""
    connector = PsycopgConnector(
        conninfo=url.set(drivername="postgresql").render_as_string(hide_password=False),
        kwargs={"options": f"-c search_path={SCHEMA} -c timezone=UTC", "application_name": "mparchive jobs"},
        min_size=1,
        max_size=QUEUE_CONNECTIONS,
        timeout=CONNECT_TIME,
    )
    app = App(connector=connector)
    for work, function in functions.items():
        app.task(name=str(work), retry=JobRetry())(_logging_failures(work, function))
    return app


@asynccontextmanager
async def open_queue(app: App) -> AsyncIterator[App]:
    """Connect the queue for the block. Raises ConnectorException when there is no database."""
    with wrap_exceptions():
        await app.open_async()
    try:
        yield app
    finally:
        await app.close_async()


def _logging_failures(work: Work, function: TaskFunction) -> TaskFunction:
    def run(*, timestamp: int, **arguments: Any) -> None:
        try:
            function(**arguments)
        except Interrupted:
            raise
        except Exception as error:
            log.error("job failed", action="job_failed", work=work, reason=failure_summary(error))
            raise

    return run


def failure_summary(error: BaseException) -> str:
    """Return the type and the first line of an error, in the driver's words where it is the database's."""
    cause = getattr(error, "orig", None) or error.__cause__ or error
    return f"{type(error).__name__}: {str(cause).strip().partition(chr(10))[0][:300]}"


async def defer(app: App, job: PlannedJob, tick: int) -> bool:
    """Put a job into the queue, once for a tick whichever scheduler does; returns whether it is new.

    Nothing is deferred while a job of the same work and subject waits or runs.
    """
    subject = f"{job.work}:{job.subject}"
    if list(await app.job_manager.list_jobs_async(queueing_lock=subject, status="doing")):
        return False
    task = app.tasks[str(job.work)].configure(
        queue=job.queue,
        lock=job.lock,
        queueing_lock=subject,
        task_kwargs={**job.arguments, "timestamp": tick},
    )
    try:
        deferred = await app.job_manager.defer_periodic_job(
            job=task.job, periodic_id=job.subject, defer_timestamp=tick
        )
    except exceptions.AlreadyEnqueued:
        return False
    return deferred is not None


async def stalled_jobs(app: App, silent_for: float) -> list[Job]:
    """Return the jobs of workers without a heartbeat for so many seconds."""
    return list(await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=silent_for))


async def running_jobs(app: App, worker_id: int) -> list[Job]:
    """Return the jobs that a worker runs according to the database."""
    return list(await app.job_manager.list_jobs_async(status="doing", worker_id=worker_id))


async def requeue(app: App, job: Job) -> None:
    """Let another worker run a job; drop it where another one of its subject waits already."""
    assert job.id is not None  # noqa: S101 - it comes from the database
    try:
        await app.job_manager.retry_job(job)
    except exceptions.UniqueViolation:
        await app.job_manager.finish_job_by_id_async(job.id, Status.ABORTED, delete_job=True)
