"""Pools of worker processes: calls into them, batches for them, new ones when they die."""

import asyncio
import multiprocessing
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import structlog

from archive.db.settings import ArchiveSettings
from archive.domain.errors import MessageError
from archive.domain.messages import Message
from archive.domain.parsed_page import ParsedPage, unreadable
from archive.system.child_processes import fork_server_context
from crawler.process.entry import write_log_to_stderr
from crawler.worker import tasks
from crawler.worker.page_parser import PROCESS_DIED

if TYPE_CHECKING:
    from scrapy.settings import BaseSettings

logger = structlog.get_logger("crawler")

CALL_TIMEOUT = 300.0  # seconds; a batch takes well under 5, a database that restarts a few more

BATCH_PAGES = 16  # fewer cost more commits; more only wait longer and take more memory

BATCH_BYTES = 16 * 1024 * 1024  # as received; bounds what one call copies into the worker

T = TypeVar("T")

Item = TypeVar("Item")

Outcome = TypeVar("Outcome")


def workers_of(settings: "BaseSettings") -> int:
    """Return how many workers a crawl can use: never more than it sends requests at a time."""
    return min(settings.getint("WORKERS"), settings.getint("CONCURRENT_REQUESTS"))


class WorkerDied(MessageError):
    """The worker process was killed, or hung and was killed, while it ran a call."""


_forked: list[tuple[ArchiveSettings, ProcessPoolExecutor]] = []


def fork_workers(settings: ArchiveSettings, processes: int) -> None:
    """Start worker processes as forks of this one; the next `Worker` of these settings takes them over.

    To be called while this process has no other thread and its reactor does not run. A fork needs no import,
    which costs a spawned worker 1.5 seconds of CPU.
    """
    context = multiprocessing.get_context("fork")
    pool = ProcessPoolExecutor(processes, context, _start, (settings,))
    pool.submit(tasks.ready)
    _forked.append((settings, pool))


def _start(settings: ArchiveSettings) -> None:
    write_log_to_stderr()
    tasks.start(settings)


def _take_forked(settings: ArchiveSettings) -> ProcessPoolExecutor | None:
    while _forked:
        of_settings, pool = _forked.pop()
        if of_settings == settings:
            return pool
        pool.shutdown(wait=False, cancel_futures=True)
    return None


class Worker:
    """A pool of worker processes, started on the first call and again after one has died."""

    def __init__(self, settings: ArchiveSettings, processes: int = 1, method: str = "spawn"):
        self._settings = settings
        self._method = method  # never fork: this process may have threads, and a reactor that runs
        self._processes = processes
        self._pool: ProcessPoolExecutor | None = None

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = _take_forked(self._settings)
        if self._pool is None:
            context = multiprocessing.get_context(self._method)
            self._pool = ProcessPoolExecutor(self._processes, context, _start, (self._settings,))
        return self._pool

    async def call(self, function: Callable[..., T], *arguments: Any, timeout: float = CALL_TIMEOUT) -> T:
        """Run a function there, at most `timeout` seconds. Raises what it raises, or WorkerDied."""
        pool, future = self._submit(function, arguments)
        try:
            return await asyncio.wait_for(future, timeout)
        except (BrokenProcessPool, TimeoutError) as error:
            self._drop(pool)
            raise WorkerDied("crawler.worker.died", function=function.__name__) from error

    def _submit(
        self, function: Callable[..., T], arguments: tuple[Any, ...]
    ) -> tuple[ProcessPoolExecutor, asyncio.Future[T]]:
        """Submit a call; to a new pool where a worker died while it was idle, as nothing was lost then."""
        loop, pool = asyncio.get_running_loop(), self._started()
        try:
            return pool, loop.run_in_executor(pool, function, *arguments)
        except BrokenProcessPool:
            logger.warning("an idle worker died", action="worker_replaced")
            self._drop(pool)
            pool = self._started()
            return pool, loop.run_in_executor(pool, function, *arguments)

    async def warm_up(self) -> None:
        """Start every worker now rather than with the first pages."""
        await asyncio.gather(*(self.call(tasks.ready) for _ in range(self._processes)))

    def _drop(self, pool: ProcessPoolExecutor) -> None:
        if self._pool is pool:
            self._pool = None
        for process in list((pool._processes or {}).values()):  # a hung one does not end by itself
            process.kill()
        pool.shutdown(wait=False, cancel_futures=True)

    async def close(self) -> None:
        """Let the workers finish, and wait for their end."""
        pool, self._pool = self._pool or _take_forked(self._settings), None  # also one that got no call
        if pool is not None:
            await asyncio.to_thread(pool.shutdown)


class Batches(Generic[Item, Outcome]):
    """Collects items while the worker is busy, and sends them together."""

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
        """Send an item and return its outcome. Raises the error of its batch, as for every item of it."""
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


REPARSE_PAGES = 8  # in a call: two seconds of work, 30 MB of pages

CALLS_AHEAD = 2  # per process: it never waits, and parsed pages (0.3 MB each) do not pile up

_METHOD = "forkserver"  # imports of the parser are done once

Reparsed = tuple[int, ParsedPage | Message]


class Reparser:
    """Worker processes that parse stored captures again; a page that kills its process costs only itself."""

    def __init__(self, settings: ArchiveSettings, processes: int):
        fork_server_context().set_forkserver_preload([tasks.__name__])
        self._workers = Worker(settings, processes, _METHOD)
        self._alone = Worker(settings, method=_METHOD)
        self._at_once = processes * CALLS_AHEAD
        self._one_at_a_time = asyncio.Lock()

    async def parse(self, capture_ids: Sequence[int]) -> AsyncGenerator[list[Reparsed], None]:
        """Yield the parsed pages of captures by id, or why there is none, in the order given."""
        waiting: deque[asyncio.Task[list[Reparsed]]] = deque()
        try:
            for start in range(0, len(capture_ids), REPARSE_PAGES):
                ids = capture_ids[start : start + REPARSE_PAGES]
                waiting.append(asyncio.create_task(self._parse(ids)))
                if len(waiting) >= self._at_once:
                    yield await waiting.popleft()
            while waiting:
                yield await waiting.popleft()
        finally:
            for task in waiting:
                task.cancel()
            await self._workers.close()
            await self._alone.close()

    async def _parse(self, ids: Sequence[int]) -> list[Reparsed]:
        try:
            return list(zip(ids, await self._workers.call(tasks.reparse_captures, ids), strict=True))
        except WorkerDied:  # because of one of these pages, or of one that another process parsed
            return [(capture_id, await self._parse_alone(capture_id)) for capture_id in ids]

    async def _parse_alone(self, capture_id: int) -> ParsedPage | Message:
        async with self._one_at_a_time:
            try:
                (page,) = await self._alone.call(tasks.reparse_captures, [capture_id])
            except WorkerDied:
                return unreadable(PROCESS_DIED)
            return page
