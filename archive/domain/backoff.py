"""Exponential back-off, the same rule for addresses, egresses, sources, jobs and requests."""

from datetime import timedelta

MAX_DOUBLINGS = 20  # a factor of a million: beyond it every cap applies, and powers of two stay small numbers


def exponential(attempt: int, base: timedelta, cap: timedelta) -> timedelta:
    """Return the wait after this attempt: `base` after the first (1), doubling with each, at most `cap`."""
    wait: timedelta = base * (1 << min(max(attempt - 1, 0), MAX_DOUBLINGS))
    return min(wait, cap)
