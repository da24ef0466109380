"""Parses captures within bounds of memory and time."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import Self

from archive.domain.captures import CaptureData
from archive.domain.messages import Message
from archive.domain.parsed_page import ParsedPage, unreadable
from archive.system.child_processes import end_with_parent, fork_server_context, memory_limit
from crawler.parse.page import classify

MAX_MEMORY = 1024**3  # bytes to parse one page; hostile ones have taken 0.5 GB, real ones take under 0.1

MAX_SECONDS = 60.0  # of wall time for one page; hostile ones have taken 20, real ones take under 1

PROCESS_DIED = Message("crawler.parse.process_died")


def parse_within_bounds(capture: CaptureData) -> ParsedPage:
    """Parse a capture; one that takes more than MAX_MEMORY is unreadable."""
    try:
        with memory_limit(MAX_MEMORY):
            return classify(capture)
    except MemoryError:
        return unreadable(Message("crawler.parse.too_much_memory", {"limit": MAX_MEMORY // 1024**2}))


class PageParser:
    """Parses captures in a process of its own, which is replaced when a page kills it or takes too long.

    The process starts with the first page. `parse` is what it runs.
    """

    def __init__(
        self, seconds: float = MAX_SECONDS, parse: Callable[[CaptureData], ParsedPage] = parse_within_bounds
    ) -> None:
        self._seconds = seconds
        self._parse = parse
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def parse(self, capture: CaptureData) -> ParsedPage:
        """Parse a capture; unreadable when that takes too long or too much memory, or kills the process."""
        try:
            return self._started().submit(self._parse, capture).result(self._seconds)
        except TimeoutError:
            self._end()
            return unreadable(Message("crawler.parse.too_slow", {"limit": f"{self._seconds:.0f}"}))
        except BrokenProcessPool:
            self._end()
            return unreadable(PROCESS_DIED)

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            context = fork_server_context()
            context.set_forkserver_preload([__name__])
            self._pool = ProcessPoolExecutor(1, context, end_with_parent)
        return self._pool

    def _end(self) -> None:
        pool, self._pool = self._pool, None
        if pool is None:
            return
        for process in list((pool._processes or {}).values()):  # a hung one does not end by itself
            process.kill()
        pool.shutdown(wait=True, cancel_futures=True)
