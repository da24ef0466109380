"""Provide an archive with one of everything, and processes that open an archive and report when they have."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

import pytest
from sqlalchemy import Engine

from archive.db.engine import open_archive
from archive.db.settings import ArchiveSettings
from archive.storage.media_files import MediaFolder
from tests.archive.filled import fill
from tests.support.database import database_from

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


@pytest.fixture(scope="session")
def original(
    server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Engine, MediaFolder]]:
    """Yield an archive with one of everything; no test changes it."""
    folder = MediaFolder(ArchiveSettings(home=tmp_path_factory.mktemp("home")))
    for url in database_from(server_url, f"TEMPLATE {template}"):
        with open_archive(ArchiveSettings(database_url=url)) as engine:
            fill(engine, folder)
            yield engine, folder
