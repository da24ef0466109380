"""Helper processes end with whoever started them, also when that is killed and closes nothing."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import parent_process


def end_with_parent() -> None:
    """Called in a helper at its start. An interrupt is for the parent to decide about."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    """Without this a helper of a parent killed with -9 would wait for work for ever."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def lifeline() -> Iterator[int]:
    """A pipe whose writing end only this process holds: should it be killed, the child reads the end."""
    reading, writing = os.pipe()
    try:
        yield reading
    finally:
        os.close(reading)
        os.close(writing)


LIFELINE_VARIABLE = (
    "MPARCHIVE_LIFELINE"  # number of the inherited descriptor; set for crawls and the reading room
)


def watch_parent(end: Callable[[], object]) -> None:
    """Call `end`, in a thread, once the process that started this one is gone; does nothing without such."""
    descriptor = os.environ.pop(LIFELINE_VARIABLE, "")  # what this process starts has not inherited the pipe

    def watch() -> None:
        while os.read(int(descriptor), 1):
            pass
        end()

    if descriptor.isdecimal():
        threading.Thread(target=watch, daemon=True).start()
