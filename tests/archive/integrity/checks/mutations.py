"""Damages to the small archive, as done by a disk, by carelessness or by a forger."""

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
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from archive.db.models import Base
from archive.integrity.check import CheckContext, Finding, RowRange, id_column
from archive.integrity.checks import ALL_CHECKS

ROWS = 3  # of each table, for each of its columns
BENEATH = "SET LOCAL session_replication_role = replica"  # no trigger fires and no foreign key holds
FLIPPED: dict[type, str] = {
    BigInteger: "coalesce({0}, 0) # (1::bigint << 40)",
    SmallInteger: "coalesce({0}, 0) # (1::smallint << 10)",
    Integer: "coalesce({0}, 0) # (1 << 20)",
    Boolean: "NOT {0}",
    Date: "{0} + 1",
    DateTime: "coalesce({0}, now()) + interval '1 microsecond'",
    JSONB: "coalesce({0}, '{{}}') || '{{\"x\": 1}}'",
    LargeBinary: "set_byte({0}, length({0}) / 2, get_byte({0}, length({0}) / 2) # 4)",
    Text: "CASE WHEN coalesce({0}, '') = '' THEN 'x'"
    " ELSE overlay({0} placing chr(ascii({0}) # 1) from 1) END",
}


@dataclass(frozen=True)
class Mutation:
    """Statements that do damage, the checks that must find it, and the row that a finding must name."""

    statements: tuple[str, ...]
    checks: tuple[str, ...]
    names: str

    @property
    def table(self) -> str:
        return self.names.partition(" ")[0]


# A constraint lets these have only values of a closed set: two of each.
_CLOSED = {("parse_results", "outcome"): ("deleted", "private")}


def flipped(column: Column[object]) -> str:
    """Return the SQL of a value that differs by a bit or so."""
    if (column.table.name, column.name) in _CLOSED:
        first, second = _CLOSED[column.table.name, column.name]
        return f"CASE {column.name} WHEN '{first}' THEN '{second}' ELSE '{first}' END"
    kind = next(kind for kind in type(column.type).__mro__ if kind in FLIPPED)
    return FLIPPED[kind].format(column.name)


def ids(connection: Connection, table: str, where: str = "true", most: int = ROWS) -> list[int]:
    """Return the ids of some rows, the same each time."""
    id_ = id_column(Base.metadata.tables[table]).name
    found = connection.exec_driver_sql(f"SELECT {id_} FROM {table} WHERE {where} ORDER BY 1").scalars().all()
    return sorted(Random(5).sample(list(found), min(most, len(found))))


def tables() -> list[Table]:
    """Return all tables, sorted by name."""
    return sorted(Base.metadata.tables.values(), key=lambda table: table.name)


def beneath(connection: Connection) -> Iterator[Mutation]:
    """Flip a bit of any column of any table, or lose its value, without the database noticing."""
    for table in (table for table in tables() if "seal" in table.columns):
        for column in table.columns:
            is_held = (table.name, column.name) in _HELD
            for id_ in ids(connection, table.name, f"{column.name} IS NOT NULL" if is_held else "true"):
                yield from _beneath(connection, column, id_, may_be_null=column.nullable and not is_held)


# A constraint, which holds beneath as well, lets these be neither lost nor come from nothing.
_SUBJECTS = ("capture_id", "version_id", "removal_id", "removed_by_id")
_HELD = (*(("chain_entries", name) for name in _SUBJECTS), ("absences", "returned_at"))


def _beneath(
    connection: Connection, column: Column[object], id_: int, *, may_be_null: bool
) -> Iterator[Mutation]:
    table = column.table
    key = id_column(table)
    name = f"{table.name} {id_ ^ 1 << 40 if column is key else id_}"
    free = (f"ALTER TABLE {table.name} ALTER {key.name} DROP IDENTITY IF EXISTS",) if column is key else ()
    update = f"UPDATE {table.name} SET {column.name} = {flipped(column)} WHERE {key.name} = {id_}"
    is_hashed = column.name == "text" and "content_hash" in table.columns  # which its seal leaves to that
    yield Mutation((BENEATH, *free, update), ("posts" if is_hashed else "seals",), name)
    if may_be_null and _is_known(connection, column, f"{key.name} = {id_}"):
        lost = f"UPDATE {table.name} SET {column.name} = NULL WHERE {key.name} = {id_}"
        yield Mutation((BENEATH, lost), ("seals",), name)


def _is_known(connection: Connection, column: Column[object], where: str) -> bool:
    return bool(ids(connection, column.table.name, f"{column.name} IS NOT NULL AND {where}"))


# What a forger changes with plain SQL: the seals are computed again, and another check must find it.
_BY_HAND: dict[tuple[str, str], tuple[str, ...]] = {
    ("chains", "captures"): (
        "requested_url", "final_url", "status", "headers", "body_size", "sha256", "fetched_at", "rendered",
        "evaluated",
    ),
    ("chains", "versions"): (
        "number", "content_hash", "source", "parser_version", "recorded_at",
    ),
    ("chains", "removals"): ("biz", "reason", "removed_at", "removed"),
    ("chains", "chain_entries"): ("position", "content", "digest"),
    ("chains", "chains"): ("length", "digest", "biz"),
    ("posts", "posts"): ("title", "text", "content_hash", "aid", "mid", "idx"),
    ("posts", "versions"): ("title", "text", "content_hash"),
    ("media", "files"): ("sha256", "size", "path"),
    ("absences", "absences"): (
        "outcome", "reason", "last_seen_at", "first_missing_at", "last_missing_at", "returned_at",
    ),
    ("search", "post_words"): ("account_id", "published_on", "kind", "words"),
    ("bytes", "captures"): ("sha256", "body_size"),
}  # fmt: skip

_REFUSED = ("captures",)  # a trigger refuses these changes, so a forger must switch it off


_FLIPPED_BY_HAND = {"account_id": "(SELECT max(id) FROM accounts WHERE id <> account_id)"}


def by_hand(connection: Connection) -> Iterator[Mutation]:
    """Change rows by SQL, with all triggers and foreign keys on."""
    for (check, table), columns in _BY_HAND.items():
        where = "biz <> ''" if table == "chains" else "true"
        for name in columns:
            column = Base.metadata.tables[table].columns[name]
            key, value = id_column(column.table).name, _FLIPPED_BY_HAND.get(name, flipped(column))
            for id_ in ids(connection, table, where):
                update = f"UPDATE {table} SET {name} = {value} WHERE {key} = {id_}"
                yield Mutation((*_allowed(table), update), (check,), f"{table} {id_}")
    yield from _of_pages(connection)
    yield from _of_owners(connection)


def _allowed(table: str) -> tuple[str, ...]:
    """Return what must be switched off before a row of this table can be changed."""
    return (BENEATH,) if table in _REFUSED else ()


def _of_pages(connection: Connection) -> Iterator[Mutation]:
    """Change what was parsed from pages."""
    for name in ("title", "text", "html", "kind", "published_at", "published_on"):
        column = Base.metadata.tables["posts"].columns[name]
        for id_ in ids(connection, "posts", "capture_id IS NOT NULL"):
            update = f"UPDATE posts SET {name} = {flipped(column)} WHERE id = {id_}"
            yield Mutation((update,), ("text",), f"posts {id_}")
    known = "id IN (SELECT capture_id FROM parse_results WHERE outcome NOT IN ('unknown'))"
    for id_ in ids(connection, "captures", known, 5):
        update = f"UPDATE parse_results SET outcome = 'private' WHERE capture_id = {id_}"
        yield Mutation((update,), ("text",), f"captures {id_}")
    for id_ in ids(connection, "captures", known, 5):
        update = f"UPDATE parse_results SET is_current = false WHERE capture_id = {id_}"
        yield Mutation((update,), ("ties",), f"captures {id_}")
        waits = f"INSERT INTO unparsed_captures VALUES ({id_})"
        yield Mutation((waits,), ("ties",), f"captures {id_}")
    other = "(SELECT max(id) FROM captures)"
    for id_ in ids(connection, "captures", _IS_DELTA, 5):
        base = f"(SELECT sha256 FROM captures WHERE id = {other})"
        update = f"UPDATE bodies SET base_sha256 = {base} WHERE {_ITS_BODY.format(id_)}"
        yield Mutation((update,), ("bytes",), f"captures {id_}")
    for id_ in ids(connection, "versions", "capture_id IS NOT NULL"):
        update = f"UPDATE versions SET capture_id = {other} WHERE id = {id_}"
        yield Mutation((update,), ("chains",), f"versions {id_}")


_IS_DELTA = "sha256 IN (SELECT sha256 FROM bodies WHERE base_sha256 IS NOT NULL)"
_IS_BASE = "sha256 IN (SELECT base_sha256 FROM bodies)"
_ITS_BODY = "sha256 = (SELECT sha256 FROM captures WHERE id = {})"


def _of_owners(connection: Connection) -> Iterator[Mutation]:
    """Change the account or address that captures and versions belong to."""
    for id_ in ids(connection, "captures", "address_id IS NOT NULL"):
        update = (
            "UPDATE addresses SET key = key || '1' WHERE id ="
            f" (SELECT address_id FROM captures WHERE id = {id_})"
        )
        yield Mutation((update,), ("chains",), f"captures {id_}")
    for id_ in ids(connection, "versions"):
        mine = f"SELECT post_id FROM versions WHERE id = {id_}"
        renamed = f"UPDATE posts SET aid = aid || '1', idx = idx || '1' WHERE id = ({mine})"
        yield Mutation(
            (renamed.replace("idx || '1'", "(idx || '1')::bigint"),), ("chains",), f"versions {id_}"
        )
        moved = (
            f"UPDATE versions SET post_id = (SELECT id FROM posts WHERE id <> ({mine}) LIMIT 1), number = 9"
        )
        yield Mutation((f"{moved} WHERE id = {id_}",), ("chains",), f"versions {id_}")


def deleted(connection: Connection) -> Iterator[Mutation]:
    """Delete rows that others refer to, that are in a chain, or that a page shows."""
    for table in (
        "accounts",
        "addresses",
        "captures",
        "media",
        "posts",
        "removals",
        "runs",
        "versions",
        "chains",
    ):
        for id_ in ids(connection, table, _BELONGED_TO.get(table, "true"), 5):
            yield _deleted(table, id_, ("ties", "chains"), f"{table} {id_}")
    for id_ in ids(connection, "files", most=4):
        yield _deleted("files", id_, ("ties",), f"files {id_}")
    for id_ in ids(connection, "captures", _IS_BASE, 9):
        against = f"sha256 IN (SELECT sha256 FROM bodies WHERE base_{_ITS_BODY.format(id_)})"
        (stored_against_it,) = ids(connection, "captures", against, 1)
        deletion = f"DELETE FROM bodies WHERE {_ITS_BODY.format(id_)}"
        for named in (id_, stored_against_it):
            yield Mutation((BENEATH, deletion), ("bytes",), f"captures {named}")
    yield from _entries_deleted(connection)
    for table in ("post_media", "post_links"):
        shown = f"capture_id = (SELECT capture_id FROM posts WHERE posts.id = {table}.post_id)"
        for id_ in ids(connection, table, shown, 8):
            yield _deleted(table, id_, ("text",), f"posts {_of(connection, table, 'post_id', id_)}")
    alone = "address_id IN (SELECT address_id FROM sightings GROUP BY address_id HAVING count(*) = 1)"
    for id_ in ids(connection, "sightings", alone, 8):
        yield _deleted(
            "sightings", id_, ("ties",), f"addresses {_of(connection, 'sightings', 'address_id', id_)}"
        )


_BELONGED_TO = {
    "accounts": "id IN (SELECT account_id FROM posts)",
    "media": "id IN (SELECT medium_id FROM post_media)",
}


def _entries_deleted(connection: Connection) -> Iterator[Mutation]:
    for id_ in (*ids(connection, "chain_entries", most=12), *ids(connection, "chain_entries", _OF_REMOVALS)):
        column = next(name for name in _SUBJECTS if _of(connection, "chain_entries", name, id_))
        table = _TABLES.get(column, f"{column[:-3]}s")
        subject = _of(connection, "chain_entries", column, id_)
        yield _deleted("chain_entries", id_, ("chains",), f"{table} {subject}")


_OF_REMOVALS = "coalesce(removal_id, removed_by_id) IS NOT NULL"
_TABLES = {"removed_by_id": "removals"}


def _deleted(table: str, id_: int, checks: tuple[str, ...], names: str) -> Mutation:
    return Mutation((BENEATH, f"DELETE FROM {table} WHERE id = {id_}"), checks, names)


def _of(connection: Connection, table: str, column: str, id_: int) -> int | None:
    found: int | None = connection.exec_driver_sql(f"SELECT {column} FROM {table} WHERE id = {id_}").scalar()
    return found


def swapped(connection: Connection) -> Iterator[Mutation]:
    """Exchange two rows, or columns of two; their seals are computed again."""
    for pair in _pairs(ids(connection, "captures", "run_id = (SELECT min(id) FROM runs)", 12)):
        exchange = _exchange("captures", ("sha256", "body_size"), pair)
        yield Mutation((BENEATH, exchange), ("chains",), f"captures {pair[1]}")
        told = ("requested_url", "final_url", "address_id")
        yield Mutation((BENEATH, _exchange("captures", told, pair)), ("chains",), f"captures {pair[1]}")
    said = ("title", "text", "content_hash")
    for pair in _pairs(ids(connection, "versions", most=8)):
        yield Mutation((_exchange("versions", said, pair),), ("chains",), f"versions {pair[0]}")
    for pair in _pairs(ids(connection, "posts", "id IN (SELECT post_id FROM versions)", 8)):
        yield Mutation((_exchange("posts", said, pair),), ("posts",), f"posts {pair[0]}")
    for pair in _pairs(ids(connection, "chain_entries", most=12)):
        yield Mutation(_renumbered(pair), ("chains",), f"chain_entries {pair[0]}")


def _pairs(rows: list[int]) -> Iterable[tuple[int, int]]:
    return zip(rows[::2], rows[1::2], strict=False)


def _exchange(table: str, columns: tuple[str, ...], pair: tuple[int, int]) -> str:
    sets = ", ".join(f"{column} = other.{column}" for column in columns)
    places = f"({pair[0]}, {pair[1]}), ({pair[1]}, {pair[0]})"
    return f"UPDATE {table} SET {sets} FROM {table} other WHERE ({table}.id, other.id) IN ({places})"


def _renumbered(pair: tuple[int, int]) -> tuple[str, ...]:
    first, second = pair
    position = "(SELECT -position FROM chain_entries WHERE id = {})"
    return (
        f"UPDATE chain_entries SET position = -position WHERE id IN ({first}, {second})",
        f"UPDATE chain_entries SET position = {position.format(second)} WHERE id = {first}",
        f"UPDATE chain_entries SET position = 100000 WHERE id = {second}",
    )


def in_bodies(connection: Connection) -> Iterator[Mutation]:
    """Flip one bit of a stored body, anywhere."""
    chance = Random(5)
    bodies = "SELECT id, length(data) FROM captures JOIN bodies USING (sha256) ORDER BY id"
    sizes = connection.exec_driver_sql(bodies).all()
    for id_, size in sizes:
        for _ in range(ROWS):
            bit = chance.randrange(size * 8)
            update = (
                f"UPDATE bodies SET data = set_bit(data, {bit}, 1 - get_bit(data, {bit}))"
                f" WHERE {_ITS_BODY.format(id_)}"
            )
            yield Mutation((update,), ("bytes",), f"captures {id_}")


@contextmanager
def rolled_back_session(connection: Connection) -> Iterator[Session]:
    """Yield a session whose changes are rolled back."""
    savepoint = connection.begin_nested()
    with Session(connection, join_transaction_mode="create_savepoint") as session:
        yield session
    savepoint.rollback()


def findings_of(session: Session, context: CheckContext, mutation: Mutation) -> list[Finding]:
    """Return what the checks that must find a mutation find; those of single rows check only its row."""
    table, id_ = mutation.table, int(mutation.names.partition(" ")[2])
    found: list[Finding] = []
    for check in (check for check in ALL_CHECKS if check.name in mutation.checks):
        if check.name == "text" and table == "posts":
            page = session.scalar(text("SELECT capture_id FROM posts WHERE id = :id"), {"id": id_})
            found += check.run(RowRange(session, context, page - 1, page)).findings
        elif check.name in ("seals", "bytes", "text", "media"):
            own = check.table == table
            found += check.run(RowRange(session, context, id_ - 1, id_)).findings if own else []
        else:
            found += check.run(RowRange(session, context)).findings
    return found


FAMILIES: dict[str, Callable[[Connection], Iterator[Mutation]]] = {
    "beneath": beneath,
    "by hand": by_hand,
    "deleted": deleted,
    "swapped": swapped,
    "in bodies": in_bodies,
}
