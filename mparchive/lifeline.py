"""The end of a command whose daemon was killed: its parent holds the other end of a pipe."""

import os
import threading
from collections.abc import Callable

from crawler.protocol import LIFELINE_VARIABLE


def heed(end: Callable[[], object]) -> None:
    """Call `end`, in a thread, once the process that started this one is gone; does nothing without such."""
    descriptor = os.environ.pop(LIFELINE_VARIABLE, "")  # what this process starts has not inherited the pipe

    def watch() -> None:
        while os.read(int(descriptor), 1):
            pass
        end()

    if descriptor.isdecimal():
        threading.Thread(target=watch, daemon=True).start()
