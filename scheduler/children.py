"""Starts crawls as child processes: forks of one process that has imported everything, within 0.1 s.

That process is started with the first crawl, and ends with this one.
"""

import multiprocessing
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing.process import BaseProcess
from typing import IO

from crawler import forked

_PRELOADED = "crawler.warm"
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload([_PRELOADED])


def import_before_forking(*modules: str) -> None:
    """Have these imported once rather than by each crawl; to be called before the first one.

    A crawl imports the module that this process was started with.
    """
    _context.set_forkserver_preload([_PRELOADED, *modules])


class Child:
    """A crawl's process, the leader of its own group. What it says can be read from `stdout`, once.

    It runs `scrapy` with these arguments, and ends when the other end of `lifeline` is closed.
    """

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str], lifeline: int):
        reading, writing = os.pipe()
        given = (arguments, environment, forked.handed_over(writing), forked.handed_over(lifeline))
        self._process: BaseProcess = _context.Process(target=forked.main, args=given)
        try:
            self._process.start()
        finally:
            os.close(writing)
        assert self._process.pid is not None  # noqa: S101 - it has started
        self.pid = self._process.pid
        self.stdout: IO[str] = os.fdopen(reading, encoding="utf-8", errors="replace")

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code; raises TimeoutError when it has not ended by then (seconds)."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise TimeoutError
        return self._process.exitcode

    def ask_to_stop(self) -> None:
        """Send it SIGTERM; nothing when it has ended."""
        with suppress(ProcessLookupError):  # it has ended, and was waited for elsewhere
            self._process.terminate()

    def kill_group(self) -> None:
        """Kill it and what it has started; nothing when all have ended."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
