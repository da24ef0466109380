"""Stored captures read again by today's parser, in parallel processes, in their order."""

import asyncio
import multiprocessing
from collections import deque
from collections.abc import AsyncGenerator, Sequence

from archive.config import ArchiveSettings
from archive.reading import Reading, unreadable
from crawler import worker
from crawler.offload import Worker, WorkerDied
from crawler.reading import DEADLY

PAGES = 8  # a call: two seconds of work, 30 MB of pages
AHEAD = 2  # calls a process has before it: it never waits, and readings (0.3 MB each) do not pile up
_METHOD = "forkserver"  # what readers need is imported once

Read = tuple[int, Reading | str]


class Rereader:
    """Worker processes that read captures; a page that kills its reader is told, and the others are read."""

    def __init__(self, settings: ArchiveSettings, processes: int):
        multiprocessing.get_context(_METHOD).set_forkserver_preload([worker.__name__])
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
            return list(zip(ids, await self._workers.call(worker.read_again, ids), strict=True))
        except WorkerDied:  # of one of these pages, or of one that another process read
            return [(number, await self._read_alone(number)) for number in ids]

    async def _read_alone(self, number: int) -> Reading | str:
        async with self._one_at_a_time:
            try:
                (reading,) = await self._alone.call(worker.read_again, [number])
            except WorkerDied:
                return unreadable(DEADLY)
            return reading
