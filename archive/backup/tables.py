"""The archive's tables: in an order in which rows can be put back, out and in by COPY."""

from collections.abc import Iterable, Iterator
from typing import Any

import psycopg
from backports import zstd
from sqlalchemy import Connection, MetaData, func, select, text
from sqlalchemy import Table as SqlTable

from archive.backup.file import PIECE
from archive.backup.manifest import Table
from archive.models import Base

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


def number_on(connection: Connection, tables: Iterable[SqlTable]) -> None:
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
