"""Measure how processor time grows with the size of the input."""

import gc
from collections.abc import Callable
from time import process_time

MOST = 2.5  # times the time for twice the input
LEAST = 0.2  # seconds; what takes less says nothing about growth
ATTEMPTS = 4  # where others keep the machine busy, the shortest times are the true ones


def growth(work: Callable[[int], object], size: int) -> float:
    """Return the time for twice the size over that for the size; 0 where both are short.

    The collector is off meanwhile: its own time grows with all that lives.
    """
    once, twice = [], []
    for _ in range(ATTEMPTS):
        once.append(_took(work, size))
        twice.append(_took(work, 2 * size))
        if min(twice) < max(LEAST, MOST * min(once)):
            break
    return min(twice) / min(once) if min(twice) > LEAST else 0


def _took(work: Callable[[int], object], size: int) -> float:
    gc.collect()
    gc.disable()
    try:
        start = process_time()
        work(size)
        return process_time() - start
    finally:
        gc.enable()
