"""Read one capture within bounds of memory and time."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import Self

from archive.domain.captures import Capture
from archive.domain.parsed_page import ParsedPage, unreadable
from archive.system.memory_limit import memory_limit
from archive.system.parent_watch import end_with_parent
from crawler.parse.classify import classify

MAX_MEMORY = 1024**3  # bytes for reading one page; hostile ones have taken 0.5 GB, real ones take under 0.1

MAX_SECONDS = 60.0  # of wall time for one page; hostile ones have taken 20, real ones take under 1

DEADLY = "the process that read it died"


def read_within_bounds(capture: Capture) -> ParsedPage:
    """What a capture is; one whose reading takes more than MAX_MEMORY is unreadable."""
    try:
        with memory_limit(MAX_MEMORY):
            return classify(capture)
    except MemoryError:
        return unreadable(f"it takes more than {MAX_MEMORY // 1024**2} MB of memory")


class PageReader:
    """Reads captures in a process of its own, which is replaced where a page kills it or takes too long.

    The process starts with the first page. `read` is what it runs.
    """

    def __init__(
        self, seconds: float = MAX_SECONDS, read: Callable[[Capture], ParsedPage] = read_within_bounds
    ) -> None:
        self._seconds = seconds
        self._read = read
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def read(self, capture: Capture) -> ParsedPage:
        """What a capture is; unreadable where that takes too long, too much memory or kills the process."""
        try:
            return self._started().submit(self._read, capture).result(self._seconds)
        except TimeoutError:
            self._end()
            return unreadable(f"it takes longer than {self._seconds:.0f} s")
        except BrokenProcessPool:
            self._end()
            return unreadable(DEADLY)

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            context = multiprocessing.get_context("forkserver")
            context.set_forkserver_preload([__name__])
            self._pool = ProcessPoolExecutor(1, context, end_with_parent)
        return self._pool

    def _end(self) -> None:
        pool, self._pool = self._pool, None
        if pool is None:
            return
        for process in list((pool._processes or {}).values()):  # one that hangs does not stop by itself
            process.kill()
        pool.shutdown(wait=True, cancel_futures=True)
