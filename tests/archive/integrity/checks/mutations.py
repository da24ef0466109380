"""Damages to the small archive, as done by a disk, by carelessness or by a forger.

Columns come from the models: one that is added is damaged as well, and must be found or be listed here as no
evidence, as docs/reference/integrity.md does.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Date,
    DateTime,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    TypeDecorator,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from archive.db.models import Base
from archive.integrity.check import Check, CheckContext, Finding, RowRange, id_column
from archive.integrity.checks import ALL_CHECKS

ROWS = 3  # of each table, for each of its columns
BENEATH = "SET LOCAL session_replication_role = replica"  # no trigger fires and no foreign key holds
FLIPPED: dict[type, str] = {
    SmallInteger: "coalesce({0}, 0) # 64",
    BigInteger: "coalesce({0}, 0) # (1::bigint << 40)",
    Integer: "coalesce({0}, 0) # (1 << 20)",
    Boolean: "NOT {0}",
    Date: "{0} + 1",
    DateTime: "coalesce({0}, now()) + interval '1 microsecond'",
    JSONB: "coalesce({0}, '{{}}') || '{{\"x\": 1}}'",
    LargeBinary: "set_byte({0}, length({0}) / 2, get_byte({0}, length({0}) / 2) # 4)",
    Text: "CASE WHEN coalesce({0}, '') = '' THEN 'x'"
    " ELSE overlay({0} placing chr(ascii({0}) # 1) from 1) END",
}

# What the archive is not evidence of, as docs/reference/integrity.md says: how it works, and its own ids.
OPERATIONAL_TABLES = {
    "egresses", "incidents", "pending_facts", "repeated_captures", "runs", "sources", "unparsed_captures",
    "reader_notes", "saved_searches",
    "bodies",  # checked bit by bit, below
}  # fmt: skip
OPERATIONAL_COLUMNS = {
    "absences": {"id"},
    "addresses": {"attempts", "claimed_by_run_id", "claimed_until", "last_tried_at", "next_fetch_at"},
    "chain_entries": {"id", "added_at"},
    "head_lengths": {"id"},
    "heads": {"taken_at"},
    "media": {"attempts", "expires_at", "last_outcome", "last_reason", "last_tried_at", "next_fetch_at"},
    "parse_results": {"id"},
    "post_links": {"id"},
    "post_media": {"id"},
    "removals": {"run_id"},
    "sightings": {"last_run_id", "last_seen_at"},
}
# These are evidence in some rows only.
_FINAL = "last_outcome IN ('article', 'deleted', 'violation', 'unavailable', 'migrated', 'private')"
_EVIDENT = {
    ("addresses", "last_outcome"): _FINAL,
    ("addresses", "last_reason"): _FINAL,
    ("captures", "run_id"): "id IN (SELECT capture_id FROM parse_results)",
    ("media", "url"): "file_id IS NOT NULL",
}
# A finding may name the row that a damaged one belongs to: an SQL expression of its name.
_NAMED = {
    "absences": "'posts ' || post_id",
    "files": "'media ' || (SELECT min(id) FROM media WHERE file_id = files.id)",
    "head_lengths": "'heads ' || head_id",
    "media": "'posts ' || (SELECT min(post_id) FROM post_media WHERE medium_id = media.id)",
    "parse_results": "'captures ' || capture_id",
    "post_links": "'posts ' || post_id",
    "post_media": "'posts ' || post_id",
    "sightings": "'addresses ' || address_id",
    "versions": "'posts ' || post_id",
    "chain_entries": "CASE WHEN capture_id IS NOT NULL THEN 'captures ' || capture_id"
    " WHEN version_id IS NOT NULL THEN 'versions ' || version_id"
    " WHEN fact_kind = 'account' THEN 'accounts ' || fact_id"
    " WHEN fact_kind = 'address' THEN 'addresses ' || fact_id"
    " WHEN fact_kind = 'sighting' THEN 'sightings ' || fact_id"
    " WHEN fact_kind = 'parse_result' THEN 'captures ' || fact_id"
    " WHEN fact_kind = 'file' THEN 'media ' || fact_id"
    " WHEN fact_kind IS NOT NULL THEN 'posts ' || fact_id"
    " ELSE 'removals ' || coalesce(removal_id, removed_by_id) END",
}


@dataclass(frozen=True)
class Mutation:
    """Statements that do damage, and the rows of which a finding must name one."""

    statements: tuple[str, ...]
    names: tuple[str, ...]

    @property
    def ids(self) -> Iterator[tuple[str, int]]:
        """Yield table and id of the rows."""
        for name in self.names:
            table, _, id_ = name.partition(" ")
            yield table, int(id_)


# A constraint lets these have only values of a closed set: two of each.
_CLOSED = {
    ("parse_results", "outcome"): ("deleted", "private"),
    ("addresses", "last_outcome"): ("deleted", "private"),
    ("absences", "outcome"): ("deleted", "private"),
    ("posts", "kind"): ("video", "audio"),
    ("posts", "source"): ("page", "dump"),
    ("versions", "source"): ("page", "reparse"),
    ("post_search_documents", "kind"): ("video", "audio"),
    ("media", "type"): ("video", "audio"),
    ("media", "last_outcome"): ("refused", "failed"),
    ("post_media", "role"): ("poster", "cover"),
    ("post_links", "relation"): ("topic", "web"),
}


def flipped(column: Column[object]) -> str:
    """Return the SQL of a value that differs by a bit or so."""
    if (column.table.name, column.name) in _CLOSED:
        first, second = _CLOSED[column.table.name, column.name]
        return f"CASE {column.name} WHEN '{first}' THEN '{second}' ELSE '{first}' END"
    stored = column.type.impl_instance if isinstance(column.type, TypeDecorator) else column.type
    kind = next(kind for kind in type(stored).__mro__ if kind in FLIPPED)
    return FLIPPED[kind].format(column.name)


def ids(connection: Connection, table: str, where: str = "true", most: int = ROWS) -> list[int]:
    """Return the ids of some rows, the same each time."""
    id_ = id_column(Base.metadata.tables[table]).name
    found = connection.exec_driver_sql(f"SELECT {id_} FROM {table} WHERE {where} ORDER BY 1").scalars().all()
    return sorted(Random(5).sample(list(found), min(most, len(found))))


def evidence_tables() -> list[Table]:
    """Return the tables that hold evidence, sorted by name."""
    tables = sorted(Base.metadata.tables.values(), key=lambda table: table.name)
    return [table for table in tables if table.name not in OPERATIONAL_TABLES]


def evidence_columns() -> Iterator[Column[object]]:
    """Yield the columns that hold evidence."""
    for table in evidence_tables():
        for column in table.columns:
            if column.name not in OPERATIONAL_COLUMNS.get(table.name, ()) and column.computed is None:
                yield column


def names_of(connection: Connection, table: str, id_: int) -> tuple[str, ...]:
    """Return the names by which a finding may name a row, and the row it belongs to."""
    if table not in _NAMED:
        return (f"{table} {id_}",)
    key = id_column(Base.metadata.tables[table]).name
    query = f"SELECT {_NAMED[table]} FROM {table} WHERE {key} = {id_}"
    other = connection.exec_driver_sql(query).scalar()
    return (f"{table} {id_}", *([other] if other else []))


def changed(connection: Connection) -> Iterator[Mutation]:
    """Change every column of evidence by a bit, or lose its value, past triggers and foreign keys."""
    for column in evidence_columns():
        table, key = column.table.name, id_column(column.table)
        where = _EVIDENT.get((table, column.name), "true")
        for id_ in ids(connection, table, where):
            free = f"ALTER TABLE {table} ALTER {key.name} DROP IDENTITY IF EXISTS"
            prepared = (BENEATH, free) if column is key else (BENEATH,)
            names = names_of(connection, table, id_)
            update = f"UPDATE {table} SET {column.name} = {{}} WHERE {key.name} = {id_}"
            yield Mutation((*prepared, update.format(flipped(column))), names)
            if column.nullable and ids(
                connection, table, f"{column.name} IS NOT NULL AND {key.name} = {id_}"
            ):
                yield Mutation((*prepared, update.format("NULL")), names)


def exchanged(connection: Connection) -> Iterator[Mutation]:
    """Exchange the values of every column of evidence between two rows that differ in it."""
    for column in evidence_columns():
        table, key = column.table.name, id_column(column.table).name
        if column.name == key:
            continue
        where = _EVIDENT.get((table, column.name), "true")
        for pair in _pairs(ids(connection, table, f"{where} AND {_differs(column)}", 2 * ROWS)):
            names = [name for id_ in pair for name in names_of(connection, table, id_)]
            yield Mutation((BENEATH, exchange(table, (column.name,), pair, key)), tuple(names))


def _differs(column: Column[object]) -> str:
    """Return the SQL condition that a row has the column's value alone: any pair of such rows differs."""
    table, name = column.table.name, column.name
    return f"{name} IN (SELECT {name} FROM {table} GROUP BY {name} HAVING count(*) = 1)"


def exchange(table: str, columns: tuple[str, ...], pair: tuple[int, int], key: str = "id") -> str:
    """Return the statement that exchanges columns of two rows."""
    sets = ", ".join(f"{column} = other.{column}" for column in columns)
    places = f"({pair[0]}, {pair[1]}), ({pair[1]}, {pair[0]})"
    return f"UPDATE {table} SET {sets} FROM {table} other WHERE ({table}.{key}, other.{key}) IN ({places})"


def _pairs(rows: list[int]) -> Iterable[tuple[int, int]]:
    return zip(rows[::2], rows[1::2], strict=False)


def deleted(connection: Connection) -> Iterator[Mutation]:
    """Delete rows of every table of evidence."""
    for table in evidence_tables():
        key = id_column(table).name
        for id_ in ids(connection, table.name, most=4 * ROWS):
            delete = f"DELETE FROM {table.name} WHERE {key} = {id_}"
            yield Mutation((BENEATH, delete), names_of(connection, table.name, id_))


def in_bodies(connection: Connection) -> Iterator[Mutation]:
    """Flip one bit of a stored body, anywhere."""
    chance = Random(5)
    query = "SELECT min(c.id), b.sha256, length(b.data) FROM captures c JOIN bodies b USING (sha256)"
    for id_, sha256, size in connection.exec_driver_sql(f"{query} GROUP BY 2, 3 ORDER BY 1").all():
        bit = chance.randrange(size * 8)
        flip = f"set_bit(data, {bit}, 1 - get_bit(data, {bit}))"
        update = f"UPDATE bodies SET data = {flip} WHERE sha256 = '\\x{bytes(sha256).hex()}'"
        yield Mutation((BENEATH, update), (f"captures {id_}",))


@contextmanager
def rolled_back_session(connection: Connection) -> Iterator[Session]:
    """Yield a session whose changes are rolled back."""
    savepoint = connection.begin_nested()
    with Session(connection, join_transaction_mode="create_savepoint") as session:
        yield session
    savepoint.rollback()


_OF_ONE_ROW = (
    "bytes",
    "text",
    "media",
)  # names of the checks that read bodies and files: of single rows only


def findings_of(session: Session, context: CheckContext, mutation: Mutation) -> Iterator[Finding]:
    """Yield what the checks find: first about the named rows and their entries, then about everything."""
    quick = [check for check in ALL_CHECKS if check.name not in _OF_ONE_ROW]
    for table, id_ in mutation.ids:
        for entry in _entries_about(session, table, id_):
            for check in (check for check in quick if check.table == "chain_entries"):
                yield from check.run(RowRange(session, context, entry - 1, entry)).findings
        for check in (check for check in quick if check.table == table):
            yield from check.run(RowRange(session, context, id_ - 1, id_)).findings
    for check in (check for check in ALL_CHECKS if check.name in _OF_ONE_ROW):
        for table, id_ in mutation.ids:
            yield from _check_row(session, context, check, table, id_)
    for check in quick:
        yield from check.run(RowRange(session, context)).findings


def _entries_about(session: Session, table: str, id_: int) -> Iterable[int]:
    """Return the entries that say they are about a row."""
    subject = f"fact_id = {id_}"
    if table in ("captures", "versions", "removals"):
        subject += f" OR {table[:-1]}_id = {id_}"
    if table == "chain_entries":
        subject = f"id = {id_}"
    query = f"SELECT id FROM chain_entries WHERE {subject}"
    return session.connection().exec_driver_sql(query).scalars().all()


def _check_row(
    session: Session, context: CheckContext, check: Check, table: str, id_: int
) -> Iterable[Finding]:
    if table == "posts" and check.table == "captures":
        page = session.connection().exec_driver_sql(f"SELECT capture_id FROM posts WHERE id = {id_}").scalar()
        table, id_ = "captures", page or 0
    return check.run(RowRange(session, context, id_ - 1, id_)).findings if check.table == table else ()


Family = Callable[[Connection], Iterator[Mutation]]

FAMILIES: dict[str, Family] = {
    "changed": changed,
    "exchanged": exchanged,
    "deleted": deleted,
    "in bodies": in_bodies,
}
