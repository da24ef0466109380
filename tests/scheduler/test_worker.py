"""A worker runs each job once, and jobs of a worker that is gone are run by another."""

import asyncio
import threading
import time
from collections.abc import Callable

import pytest
from procrastinate import App
from sqlalchemy import Engine

from scheduler.jobs.base import Interrupted, JobContext
from scheduler.polling import Work
from scheduler.queue import PlannedJob, defer
from scheduler.worker import HeartbeatSettings, JobWorker, log_failed_task
from tests.scheduler.test_queue import EGRESS, JOB, with_queue
from tests.scheduler.waiting import TIME, wait_for

# The only worker that is gone here has been so for a minute; one that lives may not be heard of for seconds.
HEARTBEAT = HeartbeatSettings(every=0.1, poll=0.1, gone_after=30, to_end=10)


class Working:
    """A worker in a thread of its own, with one thing that it does."""

    def __init__(self, engine: Engine, do: Callable[[JobContext], None]):
        self.stop = threading.Event()
        worker = JobWorker(
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


def test_a_job_is_run_and_deleted(engine: Engine) -> None:
    done = threading.Event()
    with_queue(engine, lambda app: defer(app, JOB, 1))
    with Working(engine, lambda _context: done.set()):
        assert done.wait(TIME)
        wait_for(lambda: statuses(engine) == [])


def test_jobs_of_one_lock_run_one_after_the_other_in_any_worker(engine: Engine) -> None:
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


def test_a_stopping_worker_requeues_its_job(engine: Engine) -> None:
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


def test_the_job_of_a_worker_that_vanished_is_run_by_another(engine: Engine) -> None:
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


def test_a_job_whose_end_was_not_written_is_run_again(engine: Engine) -> None:
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


def test_a_job_whose_end_cannot_be_written_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    async def fail_unnoticed() -> None:
        asyncio.get_running_loop().set_exception_handler(log_failed_task)
        context = {"message": "x", "exception": ValueError("合成\nsecond line")}
        asyncio.get_running_loop().call_exception_handler(context)

    asyncio.run(fail_unnoticed())
    captured = capfd.readouterr()
    (line,) = (captured.out + captured.err).strip().splitlines()
    assert "action=task_failed" in line and "合成" in line
