"""Durable jobs: one per tick and subject, and when one that failed is run again."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from procrastinate import App
from procrastinate.jobs import Job
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from archive.domain.errors import DatabaseUnavailable
from scheduler.jobs.base import CrawlFailed, Interrupted, JobFailed
from scheduler.polling import TIMETABLE, Work
from scheduler.queue import (
    JobRetry,
    PlannedJob,
    defer,
    egress_queue,
    host_lock,
    open_queue,
    queue_of,
    requeue,
    running_jobs,
)
from tests.scheduler.test_polling import MINUTE, at

EGRESS = "home"
JOB = PlannedJob(Work.FETCH, EGRESS, egress_queue(EGRESS), host_lock(EGRESS, "mp.weixin.qq.com"))


def queue(engine: Engine, do: Callable[..., None] = lambda: None) -> App:
    return queue_of(engine.url, dict.fromkeys(Work, do))


def with_queue(engine: Engine, work: Callable[[App], object]) -> object:
    async def run() -> object:
        async with open_queue(queue(engine)) as app:
            return await work(app)  # type: ignore[misc]

    return asyncio.run(run())


def test_schedulers_at_the_same_tick_defer_one_job(engine: Engine) -> None:
    async def several(app: App) -> list[bool]:
        return await asyncio.gather(*(defer(app, JOB, tick) for tick in (7, 7, 7)))

    assert sorted(with_queue(engine, several)) == [False, False, True]


def test_while_a_job_waits_no_second_one_of_its_subject_is_deferred(engine: Engine) -> None:
    async def twice(app: App) -> list[bool]:
        other = PlannedJob(Work.FETCH, "office", egress_queue("office"), host_lock("office", "x"))
        return [await defer(app, JOB, 7), await defer(app, JOB, 8), await defer(app, other, 8)]

    assert with_queue(engine, twice) == [True, False, True]


def test_ticks_are_the_same_whoever_counts_them() -> None:
    entry = TIMETABLE[0]
    first = at("2025-11-17 10:00")
    assert entry.tick(first) == entry.tick(first + 0.4 * MINUTE) == entry.tick(first + MINUTE / 2) - 1


def test_a_requeued_job_gives_way_to_the_one_that_waits(engine: Engine) -> None:
    async def both(app: App) -> list[str]:
        await defer(app, JOB, 1)
        worker = await app.job_manager.register_worker()
        assert await app.job_manager.fetch_job([JOB.queue], worker)
        await (
            app.tasks["fetch"]
            .configure(queue=JOB.queue, queueing_lock=f"fetch:{EGRESS}", task_kwargs={"timestamp": 2})
            .defer_async()
        )
        (job,) = await running_jobs(app, worker)
        await requeue(app, job)
        return [str(one.status) for one in await app.job_manager.list_jobs_async()]

    assert with_queue(engine, both) == ["todo"]


@pytest.mark.parametrize(
    ("error", "attempts", "seconds"),
    [
        (Interrupted("stop"), 50, 0),
        (OperationalError("", None, Exception()), 0, 15),
        (DatabaseUnavailable("away"), 3, 120),
        (DatabaseUnavailable("away"), 9, 300),
        (DatabaseUnavailable("away"), 10, None),
        (CrawlFailed("scheduler.crawl.said_nothing"), 0, None),
        (JobFailed("scheduler.backup.failed", to="/x", reason="full"), 0, 60),
        (JobFailed("scheduler.backup.failed", to="/x", reason="full"), 3, None),
        (ValueError("a fault of ours"), 0, 60),
        (ValueError("a fault of ours"), 3, None),
    ],
)
def test_the_error_decides_when_a_job_is_run_again(
    error: Exception, attempts: int, seconds: int | None
) -> None:
    job = Job(id=1, queue="q", lock=None, queueing_lock=None, task_name="fetch", attempts=attempts)
    before = datetime.now(UTC)
    decision = JobRetry().get_retry_decision(exception=error, job=job)
    if seconds is None:
        assert decision is None
    else:
        assert decision is not None
        assert before <= decision.retry_at - timedelta(seconds=seconds) <= datetime.now(UTC)
