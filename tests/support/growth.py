"""Measure how processor time grows with the size of the input."""

import gc
from collections.abc import Callable
from time import process_time
from typing import TypeVar

T = TypeVar("T")

MAX_GROWTH = 3.0  # times the processor time for twice the input: 2 where it grows with it, 4 with its square

MIN_SECONDS = 0.2  # for twice the input; what takes less says nothing about growth

ATTEMPTS = 6  # other processes share the caches of the processor: only the shortest times are meaningful


def growth(make: Callable[[int], T], work: Callable[[T], object], size: int) -> float:
    """Return the processor time of `work` on an input of twice the size, over that of the size.

    Return 0 where both are short. Measure again while the ratio is over MAX_GROWTH, at most ATTEMPTS times.
    """
    shortest, longer = _seconds(work, make(size)), _seconds(work, make(2 * size))
    for _ in range(ATTEMPTS - 1):
        if longer < max(MIN_SECONDS, MAX_GROWTH * shortest):
            break
        shortest = min(shortest, _seconds(work, make(size)))
        longer = min(longer, _seconds(work, make(2 * size)))
    return longer / shortest if longer >= MIN_SECONDS else 0


def _seconds(work: Callable[[T], object], given: T) -> float:
    gc.collect()
    gc.disable()  # its own time grows with all objects that exist
    try:
        start = process_time()
        work(given)
        return process_time() - start
    finally:
        gc.enable()
