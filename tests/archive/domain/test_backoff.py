"""Exponential back-off."""

from datetime import timedelta

import pytest

from archive.domain.backoff import exponential

BASE, CAP = timedelta(seconds=10), timedelta(hours=1)


@pytest.mark.parametrize(("attempt", "seconds"), [(0, 10), (1, 10), (2, 20), (3, 40), (9, 2560), (10, 3600)])
def test_the_wait_doubles_with_each_attempt_up_to_the_cap(attempt: int, seconds: int) -> None:
    assert exponential(attempt, BASE, CAP) == timedelta(seconds=seconds)


def test_any_number_of_attempts_gives_the_cap() -> None:
    assert exponential(10**9, BASE, CAP) == CAP
