"""Serve an archive that was filled by SQL, for measurements of the web interface."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, make_url

from archive.db.embedded_server import SUPERUSER, embedded_postgres
from archive.db.engine import engine_at, open_archive
from archive.db.settings import ArchiveSettings
from tests.plans.large_archive import NOW, Sizes, fill
from tests.web.served import Served, served


@contextmanager
def as_superuser(url: str) -> Iterator[Engine]:
    """Yield an engine of the embedded server's superuser, who may fill tables past their triggers."""
    engine = engine_at(make_url(url).set(username=SUPERUSER))
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def filled_web(captures: int) -> Iterator[tuple[Served, Path]]:
    """Yield the web interface of an archive of so many captures, and the home of its Postgres."""
    with (
        tempfile.TemporaryDirectory() as home,
        embedded_postgres(Path(home)) as url,
        open_archive(ArchiveSettings(database_url=url)) as engine,
    ):
        with as_superuser(url) as superuser:
            fill(superuser, Sizes.of_captures(captures))
        with served(engine, now=NOW) as web:
            yield web, Path(home)
