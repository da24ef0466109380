"""Bounds of child processes: they end with their parent, and have a limit of memory."""

import multiprocessing
import os
import resource
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import parent_process
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Self

from archive.system.files import process_folder

ENVIRONMENT_VARIABLE = "MPARCHIVE_LIFELINE"  # number of the inherited descriptor


@contextmanager
def lifeline() -> Iterator[int]:
    """Open a pipe for a child; yields the descriptor of the reading end, which the child must inherit."""
    reading, writing = os.pipe()
    try:
        yield reading
    finally:
        os.close(reading)
        os.close(writing)


class ParentWatch:
    """Waits in a thread for the end of the parent process, then calls a function once."""

    def __init__(self, wait_for_end: Callable[[], object], on_end: Callable[[], object]):
        def watch() -> None:
            wait_for_end()
            on_end()

        threading.Thread(target=watch, name="parent watch", daemon=True).start()

    @classmethod
    def from_environment(cls, on_end: Callable[[], object]) -> Self | None:
        """Watch the pipe that the environment names; returns None where no parent gave one.

        The variable is removed, since processes started from here do not inherit the pipe.
        """
        descriptor = os.environ.pop(ENVIRONMENT_VARIABLE, "")
        return cls(lambda: _read_to_end(int(descriptor)), on_end) if descriptor.isdecimal() else None

    @classmethod
    def from_multiprocessing(cls, on_end: Callable[[], object]) -> Self | None:
        """Watch the parent that `multiprocessing` knows; returns None in a process it did not start."""
        parent = parent_process()
        return cls(parent.join, on_end) if parent is not None else None


def _read_to_end(descriptor: int) -> None:
    while os.read(descriptor, 1):
        pass


def fork_server_context() -> ForkServerContext:
    """Return the context of the fork server, whose sockets are removed when this process was killed.

    Raises FileWriteError where no folder for them can be made.
    """
    process_folder(for_sockets=True)
    return multiprocessing.get_context("forkserver")


def end_with_parent() -> None:
    """Prepare a pool's process: it ignores interrupts, which its parent handles, and ends with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ParentWatch.from_multiprocessing(lambda: os._exit(1))


_STATM = Path("/proc/self/statm")  # of Linux; elsewhere there is no bound of memory


@contextmanager
def memory_limit(further: int) -> Iterator[None]:
    """Let this process allocate about `further` bytes more; beyond that MemoryError is raised inside."""
    if not _STATM.exists():
        yield
        return
    used = int(_STATM.read_text().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = used + further
    resource.setrlimit(
        resource.RLIMIT_AS, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard)
    )
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
