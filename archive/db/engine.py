"""Open the archive's database: engines for its owner and for readers, transactions, and their time-outs."""

import asyncio
import select
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Any, Self

import psycopg
from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from sqlalchemy.orm import Session

from archive.db import schema
from archive.db.roles import READER
from archive.db.settings import ArchiveSettings, has_second_at_sign
from archive.domain.errors import DatabaseUnavailable, first_line

CONNECT_TIMEOUT = 10  # seconds

STATEMENT_TIMEOUT = 600  # seconds; the longest statement is the export's

# No statement here runs long enough to win back what compiling it takes: a tenth of a second or more. A page
# at random costs about as much as the next one: archives are on solid-state disks, and mostly in memory.
_PLANNING = "-c jit=off -c random_page_cost=1.1"

_OPTIONS = f"-c timezone=UTC -c statement_timeout={STATEMENT_TIMEOUT}s {_PLANNING}"


DATABASE_URL = "MPARCHIVE_DATABASE_URL"

READER_URL = "MPARCHIVE_READER_DATABASE_URL"


@contextmanager
def open_archive(settings: ArchiveSettings | None = None) -> Iterator[Engine]:
    """Open the archive as its owner, its schema up to date.

    Raises DatabaseUnavailable (one sentence, no password).
    """
    settings = settings or ArchiveSettings()
    with ExitStack() as stack:
        url = settings.database_url or _embedded(settings, stack)
        engine = engine_at(url)
        stack.callback(engine.dispose)
        try:
            schema.upgrade(engine)
        except DBAPIError as error:
            raise _unusable(engine, error, DATABASE_URL) from None
        yield engine


@contextmanager
def open_as_reader(settings: ArchiveSettings | None = None) -> Iterator[Engine]:
    """Open the archive with the rights of the web: to read it, and to write what the inbox needs.

    On a server without an address for readers the owner's is used. Where that is the only address given, the
    schema must be up to date already. Raises DatabaseUnavailable.
    """
    settings = settings or ArchiveSettings()
    with ExitStack() as stack:
        if settings.database_url or not settings.reader_database_url:
            owner = stack.enter_context(open_archive(settings))
            owner.dispose()  # the readers' process keeps no connection of the owner
            url: str | URL = owner.url if settings.database_url else owner.url.set(username=READER)
        engine = engine_at(settings.reader_database_url or url, variable=READER_URL)
        stack.callback(engine.dispose)
        _check_schema(engine)
        yield engine


def _check_schema(engine: Engine) -> None:
    try:
        with engine.connect() as connection:
            actual, expected = schema.revision(connection), schema.newest_revision()
    except DBAPIError as error:
        raise _unusable(engine, error, READER_URL) from None
    if actual != expected:
        raise DatabaseUnavailable("archive.database.not_migrated", actual=actual or "0", expected=expected)


def _embedded(settings: ArchiveSettings, stack: ExitStack) -> str:
    from archive.db.embedded_server import embedded_postgres  # noqa: PLC0415 - nobody with a server of their own needs it

    return stack.enter_context(embedded_postgres(settings.home))


def engine_at(url: str | URL, *, read_only: bool = False, variable: str = DATABASE_URL) -> Engine:
    """Make an engine for a server that runs: the only place that does.

    A `read_only` engine serves readers: its transactions cannot write and see one state of the archive, and
    its pool and time-outs are small, so that readers never take the database from a crawl. Raises
    DatabaseUnavailable, which names the variable, when the address is not one of Postgres.
    """
    parsed = _postgres_url(url, variable)
    options = _READ_ONLY_OPTIONS if read_only else _OPTIONS
    engine = create_engine(
        parsed.set(drivername="postgresql+psycopg"),
        pool_pre_ping=not read_only,
        hide_parameters=True,  # an error's text must not hold a post's
        connect_args={
            "connect_timeout": CONNECT if read_only else CONNECT_TIMEOUT,
            "application_name": READER_NAME if read_only else "mparchive",
            "options": options,
        },
        **(_READ_ONLY_POOL if read_only else {}),
    )
    if read_only:
        event.listen(engine, "checkout", _check_open)
    return engine


def _check_open(connection: psycopg.Connection[Any], *_record: object) -> None:
    """Have a connection replaced that its server has closed: a ping before each page would cost more.

    Of an idle connection nothing is to be read, unless the server closed it or says that it will.
    """
    waiting = select.poll()
    if not connection.closed:
        waiting.register(connection.fileno(), select.POLLIN)
    if connection.closed or waiting.poll(0):
        raise DisconnectionError


def _postgres_url(url: str | URL, variable: str) -> URL:
    if isinstance(url, str) and has_second_at_sign(url):
        raise DatabaseUnavailable("archive.database.second_at_sign", variable=variable)
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # the second for a port that is no number
        raise DatabaseUnavailable("archive.database.not_an_address", variable=variable) from None
    if parsed.get_backend_name() not in ("postgresql", "postgres"):
        name = parsed.get_backend_name()
        raise DatabaseUnavailable("archive.database.not_postgres", variable=variable, name=name)
    return parsed


def _unusable(engine: Engine, error: DBAPIError, variable: str) -> DatabaseUnavailable:
    where = engine.url.set(query={}).render_as_string(hide_password=True)  # a query may hold one as well
    reason = first_line(error)
    return DatabaseUnavailable("archive.database.unusable", address=where, reason=reason, variable=variable)


async def connection_problem(url: URL, timeout: timedelta) -> str:
    """Connect anew and ask; return why the database did not answer within the timeout, "" when it did."""
    address = url.set(drivername="postgresql").render_as_string(hide_password=False)
    seconds = timeout.total_seconds()
    try:
        async with (
            asyncio.timeout(seconds),
            await psycopg.AsyncConnection.connect(address, autocommit=True) as connection,
        ):
            await connection.execute("SELECT 1")
    except TimeoutError:
        return f"no answer within {seconds:g} s"
    except (psycopg.Error, OSError) as error:
        return first_line(error)
    return ""


@contextmanager
def transaction(engine: Engine) -> Iterator[Session]:
    """One transaction: committed at the end, rolled back when the block raises."""
    with Session(engine, expire_on_commit=False) as session, session.begin():
        yield session


CONNECTIONS = 8  # of one process that serves readers

WAIT = 5.0  # seconds for one that is free

STATEMENT = 10  # seconds a reader's statement may take

CONNECT = 5  # seconds

READER_NAME = "mparchive web"  # application_name of readers' connections, as pg_stat_activity shows it

# One process a statement: readers share the processors, and to start helpers costs more than a page takes.
_READ_ONLY_OPTIONS = (
    f"-c timezone=UTC -c statement_timeout={STATEMENT}s {_PLANNING} -c default_transaction_read_only=on"
    " -c max_parallel_workers_per_gather=0"
)

_READ_ONLY_POOL: dict[str, Any] = {
    "pool_size": CONNECTIONS,
    "max_overflow": 0,
    "pool_timeout": WAIT,
    "isolation_level": "REPEATABLE READ",
}

NO_DATABASE = (DBAPIError, NoConnectionFree)


class Readers:
    """Sessions that see one state of the archive and cannot change it, while the `with` block runs."""

    def __init__(self, archive: Engine):
        self._engine = engine_at(archive.url, read_only=True)

    @property
    def engine(self) -> Engine:
        """For what opens its own transactions."""
        return self._engine

    @contextmanager
    def session(self) -> Iterator[Session]:
        """One transaction. Raises one of NO_DATABASE when there is no connection or it breaks."""
        with Session(self._engine, expire_on_commit=False) as session, session.begin():
            yield session

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._engine.dispose()
