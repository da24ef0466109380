"""Children: processes that open an archive and report when they have."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

import pytest

Child = subprocess.Popen[str]
StartChild = Callable[..., Child]


@pytest.fixture
def start_child() -> Iterator[StartChild]:
    """Start `tests.archive.children` in a process group of its own; none outlives the test."""
    started: list[Child] = []

    def start(*what: str, before: Sequence[str] = (), **environment: str) -> Child:
        child = subprocess.Popen(
            [*before, sys.executable, "-m", "tests.archive.children", *what],
            env=os.environ | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(child)
        return child

    yield start
    for child in started:
        child.kill()
        child.wait(10)
        for pipe in (child.stdin, child.stdout):
            with suppress(BrokenPipeError):  # what was written to it and not read
                pipe.close()  # type: ignore[union-attr]  # a pipe
