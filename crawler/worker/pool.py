"""The reactor's side of the worker process: calls into it, batches for it, a new one when it dies."""

import asyncio
import logging
import multiprocessing
import os
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from archive.db.settings import ArchiveSettings
from archive.domain.parsed_page import ParsedPage, unreadable
from crawler.process.protocol import START_METHOD_VARIABLE
from crawler.worker import tasks
from crawler.worker.page_reader import DEADLY

if TYPE_CHECKING:
    from scrapy.settings import BaseSettings

logger = logging.getLogger("crawler")

CALL_TIMEOUT = 300.0  # seconds; a batch takes well under 5, a database that restarts a few more

BATCH_PAGES = 16  # one commit for each is too many; more only wait longer and weigh more

BATCH_BYTES = 16 * 1024 * 1024  # as received; bounds what one call copies into the worker

T = TypeVar("T")

Item = TypeVar("Item")

Outcome = TypeVar("Outcome")


def workers_of(settings: "BaseSettings") -> int:
    """How many workers a crawl can use: with one request at a time never more than one."""
    return min(settings.getint("WORKERS"), settings.getint("CONCURRENT_REQUESTS"))


class WorkerDied(Exception):
    """The worker process is gone, killed or hung, with the call it was given."""


class Worker:
    """A pool of worker processes, started on the first call and again after one has died."""

    def __init__(self, settings: ArchiveSettings, processes: int = 1, method: str = ""):
        self._settings = settings
        # spawn: a fork of a process with a running reactor and its threads is not safe
        self._method = method or os.environ.get(START_METHOD_VARIABLE, "spawn")
        self._processes = processes
        self._pool: ProcessPoolExecutor | None = None

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            context = multiprocessing.get_context(self._method)
            self._pool = ProcessPoolExecutor(self._processes, context, tasks.start, (self._settings,))
        return self._pool

    async def call(self, function: Callable[..., T], *arguments: Any, timeout: float = CALL_TIMEOUT) -> T:
        """Run a function there, at most `timeout` seconds long; raises what it raises, or WorkerDied."""
        pool, future = self._handed(function, arguments)
        try:
            return await asyncio.wait_for(future, timeout)
        except (BrokenProcessPool, TimeoutError) as error:
            self._drop(pool)
            raise WorkerDied(f"the worker process died in {function.__name__}") from error

    def _handed(
        self, function: Callable[..., T], arguments: tuple[Any, ...]
    ) -> tuple[ProcessPoolExecutor, asyncio.Future[T]]:
        """Hand a call to the pool. Where a worker died with nothing in hand, nothing was lost: a new pool."""
        loop, pool = asyncio.get_running_loop(), self._started()
        try:
            return pool, loop.run_in_executor(pool, function, *arguments)
        except BrokenProcessPool:
            logger.warning("action=worker_replaced reason=it died with nothing in hand")
            self._drop(pool)
            pool = self._started()
            return pool, loop.run_in_executor(pool, function, *arguments)

    async def warm_up(self) -> None:
        """Start every worker now rather than under the first pages."""
        await asyncio.gather(*(self.call(tasks.ready) for _ in range(self._processes)))

    def _drop(self, pool: ProcessPoolExecutor) -> None:
        if self._pool is pool:
            self._pool = None
        for process in list((pool._processes or {}).values()):  # a hung one does not stop by itself
            process.kill()
        pool.shutdown(wait=False, cancel_futures=True)

    async def close(self) -> None:
        """Let the worker finish and wait for its end."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await asyncio.to_thread(pool.shutdown)


class Batches(Generic[Item, Outcome]):
    """Gathers what waits while the worker is busy, and hands it over together."""

    def __init__(
        self,
        send: Callable[[list[Item]], Awaitable[list[Outcome]]],
        weigh: Callable[[Item], int],
        *,
        at_once: int = 1,
    ):
        self._send = send
        self._weigh = weigh
        self._free = at_once
        self._waiting: deque[tuple[Item, asyncio.Future[Outcome]]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    async def put(self, item: Item) -> Outcome:
        """Wait for this item's outcome; an error of its batch is raised for every item of it."""
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        self._start()
        return await future

    def _start(self) -> None:
        while self._waiting and self._free:
            self._free -= 1
            task = asyncio.create_task(self._run(self._take()))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _take(self) -> list[tuple[Item, asyncio.Future[Outcome]]]:
        batch = [self._waiting.popleft()]
        weight = self._weigh(batch[0][0])
        while self._waiting and len(batch) < BATCH_PAGES:
            weight += self._weigh(self._waiting[0][0])
            if weight > BATCH_BYTES:
                break
            batch.append(self._waiting.popleft())
        return batch

    async def _run(self, batch: list[tuple[Item, asyncio.Future[Outcome]]]) -> None:
        try:
            outcomes = await self._send([item for item, _ in batch])
        except Exception as error:
            for _, future in batch:
                future.set_exception(error)
        else:
            for (_, future), outcome in zip(batch, outcomes, strict=True):
                future.set_result(outcome)
        finally:
            self._free += 1
            self._start()


PAGES = 8  # a call: two seconds of work, 30 MB of pages

AHEAD = 2  # calls a process has before it: it never waits, and readings (0.3 MB each) do not pile up

_METHOD = "forkserver"  # what readers need is imported once

Read = tuple[int, ParsedPage | str]


class Rereader:
    """Worker processes that read captures; a page that kills its reader is told, and the others are read."""

    def __init__(self, settings: ArchiveSettings, processes: int):
        multiprocessing.get_context(_METHOD).set_forkserver_preload([tasks.__name__])
        self._workers = Worker(settings, processes, _METHOD)
        self._alone = Worker(settings, method=_METHOD)
        self._at_once = processes * AHEAD
        self._one_at_a_time = asyncio.Lock()

    async def read(self, capture_ids: Sequence[int]) -> AsyncGenerator[list[Read], None]:
        """What is read in captures, some at a time, in the order given."""
        waiting: deque[asyncio.Task[list[Read]]] = deque()
        try:
            for start in range(0, len(capture_ids), PAGES):
                waiting.append(asyncio.create_task(self._read(capture_ids[start : start + PAGES])))
                if len(waiting) >= self._at_once:
                    yield await waiting.popleft()
            while waiting:
                yield await waiting.popleft()
        finally:
            for task in waiting:
                task.cancel()
            await self._workers.close()
            await self._alone.close()

    async def _read(self, ids: Sequence[int]) -> list[Read]:
        try:
            return list(zip(ids, await self._workers.call(tasks.read_again, ids), strict=True))
        except WorkerDied:  # of one of these pages, or of one that another process read
            return [(number, await self._read_alone(number)) for number in ids]

    async def _read_alone(self, number: int) -> ParsedPage | str:
        async with self._one_at_a_time:
            try:
                (reading,) = await self._alone.call(tasks.read_again, [number])
            except WorkerDied:
                return unreadable(DEADLY)
            return reading
