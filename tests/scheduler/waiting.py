"""Waiting for what other processes and threads do."""

import time
from collections.abc import Callable

TIME = 60.0  # seconds; a busy machine takes some
POLL = 0.02  # seconds


def wait_for(what: Callable[[], object]) -> None:
    """Return once it is so; fails when it never comes to be."""
    until = time.monotonic() + TIME
    while not what():
        assert time.monotonic() < until, "it never came"
        time.sleep(POLL)
