import asyncio
import os
import signal
import time

import pytest
from scrapy.settings import Settings

from archive.db.settings import ArchiveSettings
from crawler.worker.pool import BATCH_BYTES, BATCH_PAGES, Batches, Worker, WorkerDied, workers_of


class Slow:
    """Takes batches one at a time and finishes each when told to."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gates: list[asyncio.Event] = []

    async def send(self, items: list[int]) -> list[int]:
        self.batches.append(items)
        gate = asyncio.Event()
        self.gates.append(gate)
        await gate.wait()
        return [item * 2 for item in items]


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def test_what_waits_while_the_worker_is_busy_goes_together():
    async def scenario() -> None:
        slow = Slow()
        batches = Batches(slow.send, lambda _: 1)
        waiting = [asyncio.create_task(batches.put(number)) for number in range(4)]
        await turns()
        assert slow.batches == [[0]]
        slow.gates[0].set()
        await turns()
        assert slow.batches == [[0], [1, 2, 3]]
        slow.gates[1].set()
        assert await asyncio.gather(*waiting) == [0, 2, 4, 6]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("weight", "largest"), [(1, BATCH_PAGES), (BATCH_BYTES // 3, 3), (BATCH_BYTES * 2, 1)]
)
def test_a_batch_is_bounded_in_pages_and_in_bytes(weight, largest):
    async def scenario() -> None:
        slow = Slow()
        batches = Batches(slow.send, lambda _: weight)
        waiting = [asyncio.create_task(batches.put(number)) for number in range(50)]
        while not all(task.done() for task in waiting):
            await turns()
            slow.gates[-1].set()
        assert max(map(len, slow.batches)) == largest

    asyncio.run(scenario())


def test_two_workers_get_two_batches_at_once():
    async def scenario() -> None:
        slow = Slow()
        batches = Batches(slow.send, lambda _: 1, at_once=2)
        waiting = [asyncio.create_task(batches.put(number)) for number in range(3)]
        await turns()
        assert slow.batches == [[0], [1]]
        for gate in slow.gates:
            gate.set()
        await turns()
        slow.gates[-1].set()
        await asyncio.gather(*waiting)

    asyncio.run(scenario())


def test_the_error_of_a_batch_reaches_everybody_who_waits_and_the_next_batch_still_goes():
    async def scenario() -> None:
        failing = [True]

        async def send(items: list[int]) -> list[int]:
            if failing.pop() if failing else False:
                raise ConnectionError("gone")
            return items

        batches = Batches(send, lambda _: 1)
        first = await asyncio.gather(batches.put(1), return_exceptions=True)
        assert isinstance(first[0], ConnectionError)
        assert await batches.put(2) == 2

    asyncio.run(scenario())


@pytest.mark.parametrize(("concurrency", "workers"), [(1, 1), (2, 2), (16, 2)])
def test_there_are_no_more_workers_than_requests_at_a_time(concurrency, workers):
    settings = Settings({"WORKERS": 2, "CONCURRENT_REQUESTS": concurrency})
    assert workers_of(settings) == workers


def test_a_worker_that_is_killed_with_nothing_in_hand_costs_nothing(fresh_database_url):
    async def scenario() -> None:
        worker = Worker(ArchiveSettings(database_url=fresh_database_url))
        first = await worker.call(os.getpid)
        pool = worker._started()
        os.kill(first, signal.SIGKILL)
        while not pool._broken:  # the pool's own thread sees it
            await asyncio.sleep(0)
        assert await worker.call(os.getpid) != first
        await worker.close()

    asyncio.run(scenario())


def test_a_call_over_its_time_costs_its_worker_and_the_next_call_has_another(fresh_database_url):
    async def scenario() -> None:
        worker = Worker(ArchiveSettings(database_url=fresh_database_url))
        first = await worker.call(os.getpid)
        with pytest.raises(WorkerDied, match="sleep"):
            await worker.call(time.sleep, 200, timeout=0.1)
        assert await worker.call(os.getpid) != first
        await worker.close()

    asyncio.run(scenario())
