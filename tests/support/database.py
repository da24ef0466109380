"""Provide a real Postgres: one embedded server per session, one database per test."""

import shutil
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import URL, Engine, create_engine, make_url, text
from sqlalchemy.orm import Session

from archive.db.embedded_server import SUPERUSER, embedded_postgres
from archive.db.engine import open_archive
from archive.db.roles import OWNER, READER
from archive.db.settings import ArchiveSettings

TEMPLATE = "mparchive_template"
# A database is made in half the time in memory. Containers often have only 64 MB of it.
MEMORY = Path("/dev/shm")
MEMORY_NEEDED = 4 * 1024**3  # bytes free; the databases of one session take a few hundred megabytes
_PREPARATIONS = (
    "ALTER SYSTEM SET fsync = off",  # tests lose nothing in a power failure
    "ALTER SYSTEM SET synchronous_commit = off",
    "ALTER SYSTEM SET full_page_writes = off",
    "SELECT pg_reload_conf()",
    f"GRANT SET ON PARAMETER session_replication_role TO {OWNER}",  # to damage rows past their triggers
    f"GRANT pg_signal_backend TO {OWNER}",  # to end other sessions
)
_numbers = count(1)


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """Yield the address of the session's server.

    Its folder is not below pytest's: as root the server runs as another user, and every new pytest session
    closes that folder to others, also under the servers of those that are running.
    """
    with (
        tempfile.TemporaryDirectory(
            prefix="mparchive-tests-", dir=_place(), ignore_cleanup_errors=True
        ) as folder,
        embedded_postgres(Path(folder)) as url,
    ):
        for statement in _PREPARATIONS:
            _execute(url, statement)
        yield url


def _place() -> Path | None:
    """Return the folder for servers: in memory where there is enough, else the one for temporary files."""
    has_room = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= MEMORY_NEEDED
    return MEMORY if has_room else None


def as_superuser(url: str) -> str:
    """Return the address with the server's superuser, whom the archive itself never needs."""
    return make_url(url).set(username=SUPERUSER).render_as_string(hide_password=False)


def as_reader(engine: Engine) -> URL:
    """Return the address of an engine's database with the role that the web connects as."""
    return engine.url.set(username=READER)


def _execute(url: str, statement: str) -> None:
    engine = create_engine(as_superuser(url), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


@pytest.fixture(scope="session")
def template(server_url: str) -> str:
    """Return an empty, migrated database, to be copied."""
    _execute(server_url, f"CREATE DATABASE {TEMPLATE} OWNER {OWNER}")
    with open_archive(ArchiveSettings(database_url=_named(server_url, TEMPLATE))):
        return TEMPLATE


def _named(server_url: str, name: str) -> str:
    return make_url(server_url).set(database=name).render_as_string(hide_password=False)


@pytest.fixture
def empty_database_url(server_url: str) -> Iterator[str]:
    """Yield a database without any table."""
    yield from database_from(server_url, "TEMPLATE template0")


@pytest.fixture
def fresh_database_url(server_url: str, template: str) -> Iterator[str]:
    """Yield an empty, migrated database of the test's own; child processes may use it."""
    yield from database_from(server_url, f"TEMPLATE {template}")


def database_from(server_url: str, how: str) -> Iterator[str]:
    name = f"test_{next(_numbers)}"
    _execute(server_url, f"CREATE DATABASE {name} OWNER {OWNER} {how}")
    yield _named(server_url, name)
    _execute(server_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def engine(fresh_database_url: str) -> Iterator[Engine]:
    """Yield an engine on a database of the test's own."""
    with open_archive(ArchiveSettings(database_url=fresh_database_url)) as opened:
        yield opened


@pytest.fixture(scope="module")
def module_engine(server_url: str, template: str) -> Iterator[Engine]:
    """Yield an engine on one database for all tests of a module."""
    for url in database_from(server_url, f"TEMPLATE {template}"):
        with open_archive(ArchiveSettings(database_url=url)) as opened:
            yield opened


@pytest.fixture(scope="session")
def shared_engine(server_url: str, template: str) -> Iterator[Engine]:
    """Yield an engine on one database that tests leave unchanged."""
    for url in database_from(server_url, f"TEMPLATE {template}"):
        with open_archive(ArchiveSettings(database_url=url)) as opened:
            yield opened


@pytest.fixture
def db_session(shared_engine: Engine) -> Iterator[Session]:
    """Yield a session whose work is rolled back; the code under test may commit (to a savepoint)."""
    with shared_engine.connect() as connection:
        outer = connection.begin()
        with Session(connection, join_transaction_mode="create_savepoint", expire_on_commit=False) as session:
            yield session
        outer.rollback()
