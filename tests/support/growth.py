"""Whether the time that work takes grows with its input, and no faster."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
MOST = 2.5  # times the processor time for twice the input; 4 where it grows with the square
TRIES = 3  # another process on the machine may come between once


def grows_evenly(make: Callable[[int], T], work: Callable[[T], object], size: int) -> bool:
    """Whether twice the size takes at most MOST times the processor time."""
    return any(_ratio(make, work, size) <= MOST for _ in range(TRIES))


def _ratio(make: Callable[[int], T], work: Callable[[T], object], size: int) -> float:
    return _seconds(work, make(2 * size)) / max(_seconds(work, make(size)), 1e-4)


def _seconds(work: Callable[[T], object], given: T) -> float:
    begun = time.process_time()
    work(given)
    return time.process_time() - begun
