"""Durable jobs: one a tick, one of a lock at a time, handed back when a worker is gone or stopping."""

import asyncio
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from procrastinate import App
from procrastinate.jobs import Job
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from archive.domain.errors import DatabaseUnavailable
from scheduler.job_context import CrawlFailed, Interrupted, JobContext
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
from scheduler.timetable import TIMETABLE, Work
from scheduler.worker import HeartbeatSettings, Worker
from tests.scheduler.test_polling import MINUTE, at
from tests.scheduler.waiting import TIME, wait_for

EGRESS = "home"
JOB = PlannedJob(Work.FETCH, EGRESS, egress_queue(EGRESS), host_lock(EGRESS, "mp.weixin.qq.com"))
# The only worker that is gone here has been so for a minute; one that lives may not be heard of for seconds.
HEARTBEAT = HeartbeatSettings(every=0.1, poll=0.1, gone_after=30, to_end=10)


def queue(engine: Engine, do: Callable[..., None] = lambda: None) -> App:
    return queue_of(engine.url, dict.fromkeys(Work, do))


def with_queue(engine: Engine, work: Callable[[App], object]) -> object:
    async def run() -> object:
        async with open_queue(queue(engine)) as app:
            return await work(app)  # type: ignore[misc]

    return asyncio.run(run())


def test_schedulers_that_look_at_the_same_tick_make_one_job(engine: Engine) -> None:
    async def several(app: App) -> list[bool]:
        return await asyncio.gather(*(defer(app, JOB, tick) for tick in (7, 7, 7)))

    assert sorted(with_queue(engine, several)) == [False, False, True]


def test_while_a_job_waits_no_second_one_of_its_work_and_subject_is_made(engine: Engine) -> None:
    async def twice(app: App) -> list[bool]:
        other = PlannedJob(Work.FETCH, "office", egress_queue("office"), host_lock("office", "x"))
        return [await defer(app, JOB, 7), await defer(app, JOB, 8), await defer(app, other, 8)]

    assert with_queue(engine, twice) == [True, False, True]


def test_ticks_are_the_same_whoever_counts_them() -> None:
    entry = TIMETABLE[0]
    first = at("2025-11-17 10:00")
    assert entry.tick(first) == entry.tick(first + 0.4 * MINUTE) == entry.tick(first + MINUTE / 2) - 1


class Working:
    """A worker in a thread of its own, with one thing that it does."""

    def __init__(self, engine: Engine, do: Callable[[JobContext], None]):
        self.stop = threading.Event()
        worker = Worker(
            JobContext(engine, EGRESS, self.stop), self.stop, {Work.FETCH: do}, heartbeat=HEARTBEAT
        )
        self._thread = threading.Thread(target=asyncio.run, args=(worker.run(),))

    def __enter__(self) -> "Working":
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop.set()
        self._thread.join(TIME)
        assert not self._thread.is_alive()


def statuses(engine: Engine) -> list[str]:
    async def all_of(app: App) -> list[str]:
        return [str(job.status) for job in await app.job_manager.list_jobs_async()]

    return with_queue(engine, all_of)  # type: ignore[return-value]


def test_a_job_is_done_and_forgotten(engine: Engine) -> None:
    done = threading.Event()
    with_queue(engine, lambda app: defer(app, JOB, 1))
    with Working(engine, lambda _context: done.set()):
        assert done.wait(TIME)
        wait_for(lambda: statuses(engine) == [])


def test_jobs_of_one_lock_are_done_one_after_the_other_whoever_works(engine: Engine) -> None:
    at_work, most, count = [], [], []

    def do(_context: JobContext) -> None:
        at_work.append(1)
        most.append(len(at_work))
        time.sleep(0.05)
        at_work.pop()
        count.append(1)

    async def fill(app: App) -> None:
        for number in range(6):
            job = PlannedJob(Work.FETCH, f"n{number}", JOB.queue, JOB.lock)
            await defer(app, job, 1)

    with_queue(engine, fill)
    with Working(engine, do), Working(engine, do):
        wait_for(lambda: len(count) == 6)
    assert max(most) == 1


def test_a_stopping_worker_hands_the_job_in_hand_back(engine: Engine) -> None:
    begun = threading.Event()

    def do(context: JobContext) -> None:
        begun.set()
        context.interrupt.wait(TIME)
        raise Interrupted("the worker is stopping")

    with_queue(engine, lambda app: defer(app, JOB, 1))
    with Working(engine, do):
        assert begun.wait(TIME)
    assert statuses(engine) == ["todo"]
    done = threading.Event()
    with Working(engine, lambda _context: done.set()):
        assert done.wait(TIME)


def test_the_job_of_a_worker_that_vanished_is_done_by_another(engine: Engine) -> None:
    async def vanish(app: App) -> None:
        await defer(app, JOB, 1)
        gone = await app.job_manager.register_worker()
        assert await app.job_manager.fetch_job([JOB.queue], gone)
        await app.connector.execute_query_async(
            "UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 minute'"
        )

    with_queue(engine, vanish)
    assert statuses(engine) == ["doing"]
    done = threading.Event()
    with Working(engine, lambda _context: done.set()):
        assert done.wait(TIME)


def test_a_job_whose_end_could_not_be_noted_is_done_again(engine: Engine) -> None:
    """As when the database restarts between the work and the note of it: `doing`, and nobody does it."""
    done = threading.Event()

    async def astray(app: App) -> None:
        await app.connector.execute_query_async(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, args, status, worker_id)"
            """ SELECT 'line:home', 'fetch', '{"timestamp": 1}', 'doing', id FROM procrastinate_workers"""
        )

    with Working(engine, lambda _context: done.set()):
        wait_for(lambda: _workers(engine) == 1)
        with_queue(engine, astray)
        assert done.wait(TIME)


def _workers(engine: Engine) -> object:
    async def count(app: App) -> int:
        return len(await app.connector.execute_query_all_async("SELECT id FROM procrastinate_workers"))

    return with_queue(engine, count)


def test_a_job_handed_back_gives_way_to_the_one_that_waits(engine: Engine) -> None:
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
        (ValueError("a fault of ours"), 0, 60),
        (ValueError("a fault of ours"), 3, None),
    ],
)
def test_what_raised_decides_when_a_job_is_tried_again(
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
