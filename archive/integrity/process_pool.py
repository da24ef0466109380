"""Run heavy checks in several processes: decoding and parsing pages keeps processors busy."""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Self

from sqlalchemy import Engine

from archive.db.engine import engine_at
from archive.domain.errors import ArchiveError
from archive.integrity.check import BatchResult, Check, CheckContext, Database, check_rows
from archive.integrity.checks import ALL_CHECKS
from archive.system.child_processes import end_with_parent, fork_server_context

MAX_PROCESSES = 8  # each has a few pages of 16 MB in memory

QUEUED_PER_PROCESS = 2  # no process is idle, and little work is lost when the pool ends

MIN_BATCHES = 4  # with fewer it does not pay to start processes

Range = tuple[int, int]  # ids: above the first, at most the second


class CheckProcessKilled(ArchiveError):
    """A process that checked rows was killed."""


class CheckPool:
    """A pool that starts its processes when there is much to check.

    On a connection it starts none: other processes do not see what an open transaction has written. Its
    processes end with it, or with a parent that is killed.
    """

    def __init__(self, database: Database, context: CheckContext) -> None:
        self._database, self._context = database, context
        self._size = max(2, min(os.cpu_count() or 2, MAX_PROCESSES))
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        if self._pool is None:
            return
        if error is not None:  # the batches being checked are not needed any more, and checks write nothing
            for process in list((self._pool._processes or {}).values()):
                process.kill()
        self._pool.shutdown(cancel_futures=True)

    def run(self, check: Check, ranges: Iterable[Range], rows: int) -> Iterator[tuple[int, BatchResult]]:
        """Check ranges of about `rows` rows in all, several at once where it pays.

        Yields the last id of each range and its result, in order. Raises CheckProcessKilled.
        """
        if isinstance(self._database, Engine) and check.is_heavy and rows > MIN_BATCHES * check.batch_size:
            return self._run_in_processes(self._database, check, ranges)
        return (
            (last, check_rows(self._database, check, self._context, after, last)) for after, last in ranges
        )

    def _run_in_processes(
        self, engine: Engine, check: Check, ranges: Iterable[Range]
    ) -> Iterator[tuple[int, BatchResult]]:
        pending: deque[tuple[int, Future[BatchResult]]] = deque()
        index = ALL_CHECKS.index(check)
        try:
            for after, last in ranges:
                pending.append(
                    (last, self._started_pool(engine).submit(_check_in_process, index, after, last))
                )
                if len(pending) >= self._size * QUEUED_PER_PROCESS:
                    yield _first_result(pending)
            while pending:
                yield _first_result(pending)
        except BrokenProcessPool:
            raise CheckProcessKilled("archive.integrity.process_killed") from None

    def _started_pool(self, engine: Engine) -> ProcessPoolExecutor:
        if self._pool is None:
            context = fork_server_context()
            url = engine.url.render_as_string(hide_password=False)
            self._pool = ProcessPoolExecutor(self._size, context, _start_process, (url, self._context))
        return self._pool


def _first_result(pending: deque[tuple[int, Future[BatchResult]]]) -> tuple[int, BatchResult]:
    last, future = pending.popleft()
    return last, future.result()


class _ProcessState:
    """What a process of the pool was started with."""

    engine: Engine
    context: CheckContext


def _start_process(url: str, context: CheckContext) -> None:
    end_with_parent()
    _ProcessState.engine, _ProcessState.context = engine_at(url), context


def _check_in_process(index: int, after: int, last: int) -> BatchResult:
    return check_rows(_ProcessState.engine, ALL_CHECKS[index], _ProcessState.context, after, last)
