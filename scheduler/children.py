"""Starts crawls as child processes: fresh interpreters, or forks of one that has imported everything."""

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing.process import BaseProcess
from typing import IO, Protocol

from crawler import forked
from crawler.protocol import LIFELINE_VARIABLE

_PRELOADED = "crawler.warm"


class Child(Protocol):
    """A crawl's process, the leader of its own group. What it says can be read from `stdout`, once."""

    pid: int
    stdout: IO[str]

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code; raises TimeoutError when it has not ended by then."""

    def ask_to_stop(self) -> None:
        """Send it SIGTERM; nothing when it has ended."""

    def kill_group(self) -> None:
        """Kill it and what it has started; nothing when all have ended."""


class _Grouped:
    pid: int

    def kill_group(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


class _Forks:
    """Whether crawls are forked; only a process that starts many of them does so."""

    on = False


def fork_crawls(*modules: str) -> None:
    """From now on fork crawls off a process that has imported what they need, and also these modules.

    To be called once, before the first crawl. That process ends with this one.
    """
    multiprocessing.get_context("forkserver").set_forkserver_preload([_PRELOADED, *modules])
    _Forks.on = True


def start(arguments: Sequence[str], environment: Mapping[str, str], lifeline: int) -> Child:
    """Start `scrapy` with these arguments; it ends when the other end of `lifeline` is closed."""
    return (_Fork if _Forks.on else _Fresh)(arguments, environment, lifeline)


class _Fresh(_Grouped):
    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str], lifeline: int):
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and spider
            [sys.executable, "-m", "scrapy", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**environment, LIFELINE_VARIABLE: str(lifeline)},
            pass_fds=(lifeline,),
            start_new_session=True,
            text=True,
            errors="replace",
        )
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        self.pid = self._process.pid
        self.stdout: IO[str] = self._process.stdout

    def wait(self, timeout: float | None = None) -> int:
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise TimeoutError from None

    def ask_to_stop(self) -> None:
        self._process.terminate()


class _Fork(_Grouped):
    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str], lifeline: int):
        reading, writing = os.pipe()
        given = (arguments, environment, forked.handed_over(writing), forked.handed_over(lifeline))
        self._process: BaseProcess = multiprocessing.get_context("forkserver").Process(
            target=forked.main, args=given
        )
        try:
            self._process.start()
        finally:
            os.close(writing)
        assert self._process.pid is not None  # noqa: S101 - it has started
        self.pid = self._process.pid
        self.stdout: IO[str] = os.fdopen(reading, encoding="utf-8", errors="replace")

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise TimeoutError
        return self._process.exitcode

    def ask_to_stop(self) -> None:
        with suppress(ProcessLookupError):  # it has ended, and was waited for elsewhere
            self._process.terminate()
