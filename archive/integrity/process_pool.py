"""Processes that look at rows: unpacking and reading pages keeps processors busy."""

import multiprocessing
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Self

from sqlalchemy import Engine

from archive.db.engine import engine_at
from archive.domain.errors import ArchiveError
from archive.integrity.check import BatchResult, Check, CheckContext
from archive.integrity.checks import CHECKS
from archive.integrity.row_scan import look
from archive.system.parent_watch import end_with_parent

MOST = 8  # processes; each has a few pages of 16 MB in memory

AHEAD = 2  # calls that wait for each process: none is idle, and few are in vain when it ends

FEW = 4  # ranges; for fewer it does not pay to start processes

Range = tuple[int, int]  # ids: after the first, up to the second


class HandsLost(ArchiveError):
    """A process that looked at rows was killed."""


class CheckPool:
    """A pool, started when there is much to do; its processes end with it or with a parent that is killed."""

    def __init__(self, engine: Engine, means: CheckContext) -> None:
        self._engine, self._means = engine, means
        self._count = max(2, min(os.cpu_count() or 2, MOST))
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        if self._pool is None:
            return
        if error is not None:  # nobody waits for what is looked at now, and it writes nothing
            for process in list((self._pool._processes or {}).values()):
                process.kill()
        self._pool.shutdown(cancel_futures=True)

    def look(self, check: Check, ranges: Iterable[Range], rows: int) -> Iterator[tuple[int, BatchResult]]:
        """Look at so many rows in ranges, several at once where it pays; raises HandsLost.

        The last id of each range and what was found in it, in order.
        """
        if check.is_heavy and rows > FEW * check.rows:
            return self._look(check, ranges)
        return ((last, look(self._engine, check, self._means, after, last)) for after, last in ranges)

    def _look(self, check: Check, ranges: Iterable[Range]) -> Iterator[tuple[int, BatchResult]]:
        waiting: deque[tuple[int, Future[BatchResult]]] = deque()
        number = CHECKS.index(check)
        try:
            for after, last in ranges:
                waiting.append((last, self._started().submit(_look, number, after, last)))
                if len(waiting) >= self._count * AHEAD:
                    yield _answer(waiting)
            while waiting:
                yield _answer(waiting)
        except BrokenProcessPool:
            raise HandsLost(
                "a process that verified was killed, perhaps for want of memory; the same command goes on"
            ) from None

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            context = multiprocessing.get_context("forkserver")
            url = self._engine.url.render_as_string(hide_password=False)
            self._pool = ProcessPoolExecutor(self._count, context, _start, (url, self._means))
        return self._pool


def _answer(waiting: deque[tuple[int, Future[BatchResult]]]) -> tuple[int, BatchResult]:
    last, future = waiting.popleft()
    return last, future.result()


class _Here:
    """What one of the processes works with."""

    engine: Engine
    means: CheckContext


def _start(url: str, means: CheckContext) -> None:
    end_with_parent()
    _Here.engine, _Here.means = engine_at(url), means


def _look(number: int, after: int, last: int) -> BatchResult:
    return look(_Here.engine, CHECKS[number], _Here.means, after, last)
