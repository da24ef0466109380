"""What a child process hears its parent's end by, also when the parent is killed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def lifeline() -> Iterator[int]:
    """A pipe whose writing end only this process holds: should it be killed, the child reads the end."""
    reading, writing = os.pipe()
    try:
        yield reading
    finally:
        os.close(reading)
        os.close(writing)
