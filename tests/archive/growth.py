"""How much more processor time twice as much takes."""

import gc
from collections.abc import Callable
from time import process_time

MOST = 2.5  # times the time for twice the input
LEAST = 0.2  # seconds; what takes less says nothing about growth


def growth(work: Callable[[int], object], size: int) -> float:
    """The time for twice the size over that for the size, each the better of two; 0 where both are short.

    The collector is off meanwhile: its own time grows with all that lives.
    """
    gc.collect()
    gc.disable()
    try:
        once, twice = _best(work, size), _best(work, 2 * size)
    finally:
        gc.enable()
    return twice / once if twice > LEAST else 0


def _best(work: Callable[[int], object], size: int) -> float:
    return min(_took(work, size) for _ in range(2))


def _took(work: Callable[[int], object], size: int) -> float:
    start = process_time()
    work(size)
    return process_time() - start
