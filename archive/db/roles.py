"""The two roles of an archive's database: its owner, who is no superuser, and its readers.

The web, and whatever else only reads, connects as the reader. That role reads every table and writes what the
inbox needs. roles.sql makes both roles; the embedded server runs it itself. The owner grants the reader its
rights whenever it opens the archive, so that new tables need no step by hand.
"""

from collections.abc import Iterator, Mapping
from importlib import resources

import psycopg
from psycopg.errors import LockNotAvailable
from sqlalchemy import Connection, text

from archive.db.models import Base
from archive.domain.errors import DatabaseUnavailable
from archive.domain.messages import Message

OWNER = "mparchive_owner"

READER = "mparchive_reader"

LOCK_SECONDS = 60  # to wait for a table that an older program, which still runs, has locked

_GRANT_LOCK = 4_170_205_812  # any number; of processes that grant at the same time PostgreSQL lets one fail

# What the inbox writes: it adds accounts, addresses and where they were seen, and makes addresses due. And
# what the reader notes, which is no evidence.
_INSERTS = ("accounts", "addresses", "sightings", "pending_facts", "reader_notes", "saved_searches")

_UPDATES = {
    "addresses": ("url", "expected_biz", "next_fetch_at", "attempts"),
    "sightings": ("last_seen_at", "last_run_id"),
    "reader_notes": ("is_starred", "tags", "note", "changed_at"),
    "saved_searches": ("query", "saved_at"),
}

_DELETES = ("saved_searches",)

_FAILED_JOBS = ("jobs.procrastinate_jobs", "jobs.procrastinate_events")  # which /health and /readyz report

_DERIVED = ("derived.counters", "derived.changes")

_ARE_READY = """
SELECT
    (
        SELECT count(*) FROM pg_roles
        WHERE rolname IN ('mparchive_owner', 'mparchive_reader') AND rolcanlogin
            AND NOT (rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls)
    ) = 2
    AND EXISTS (
        SELECT FROM pg_database
        WHERE datname = current_database() AND pg_get_userbyid(datdba) = 'mparchive_owner'
    )
    AND NOT has_database_privilege('public', current_database(), 'TEMPORARY')
    AND NOT EXISTS (
        SELECT FROM pg_class
        WHERE relnamespace IN (
            SELECT oid FROM pg_namespace WHERE nspname IN ('public', 'jobs', 'partitions', 'derived')
        )
            AND pg_get_userbyid(relowner) <> 'mparchive_owner'
    )
"""


def make_roles(server: Mapping[str, str]) -> None:
    """Make the roles in the database of an embedded server, and make the owner that of older tables.

    `server` are the connection's parameters, of a superuser. Raises DatabaseUnavailable when another program
    uses the tables for LOCK_SECONDS; psycopg.Error.
    """
    with psycopg.connect(**dict(server), options=f"-c lock_timeout={LOCK_SECONDS}s") as connection:  # type: ignore[arg-type]  # strings all
        if connection.execute(_ARE_READY).fetchone() == (True,):
            return
        script = resources.files(__package__).joinpath("roles.sql").read_text(encoding="utf-8")
        try:
            connection.execute(script.encode())
        except LockNotAvailable:
            raise DatabaseUnavailable("archive.role.tables_in_use") from None


def grant_reader(connection: Connection) -> None:
    """Grant the reader what it lacks; nothing where the server has no such role."""
    if not connection.scalar(text("SELECT to_regrole(:role)"), {"role": READER}):
        return
    schema, tables = _archive_tables(connection)
    checks = [
        f"has_schema_privilege('{READER}', '{schema}', 'USAGE')",
        *(f"has_table_privilege('{READER}', '{table}', 'SELECT')" for table in tables),
        *(f"has_table_privilege('{READER}', '{schema}.{name}', 'INSERT')" for name in _INSERTS),
        *(f"has_table_privilege('{READER}', '{schema}.{name}', 'DELETE')" for name in _DELETES),
        *(
            f"has_column_privilege('{READER}', '{schema}.{name}', '{column}', 'UPDATE')"
            for name, columns in _UPDATES.items()
            for column in columns
        ),
    ]
    if connection.scalar(text(f"SELECT {' AND '.join(checks)}")):
        return
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _GRANT_LOCK})
    for statement in _grants(schema, tables):
        connection.execute(text(statement))


def _archive_tables(connection: Connection) -> tuple[str, list[str]]:
    """Return the schema and the tables that the reader may read, as they stand in SQL."""
    schema = connection.scalar(text("SELECT current_schema()::regnamespace::text"))
    names = [f"{schema}.{name}" for name in (*Base.metadata.tables, "alembic_version")]
    rows = connection.scalars(
        text("SELECT name FROM unnest(CAST(:names AS text[])) AS name WHERE to_regclass(name) IS NOT NULL"),
        {"names": [*names, *_FAILED_JOBS, *_DERIVED]},
    )
    return schema, list(rows)


def _grants(schema: str, tables: list[str]) -> Iterator[str]:
    yield f"GRANT USAGE ON SCHEMA {schema}, jobs, derived TO {READER}"
    yield f"GRANT SELECT ON {', '.join(tables)} TO {READER}"
    yield f"GRANT INSERT ON {', '.join(f'{schema}.{name}' for name in _INSERTS)} TO {READER}"
    yield f"GRANT DELETE ON {', '.join(f'{schema}.{name}' for name in _DELETES)} TO {READER}"
    for name, columns in _UPDATES.items():
        yield f"GRANT UPDATE ({', '.join(columns)}) ON {schema}.{name} TO {READER}"


def role_warnings(connection: Connection, *, reads_only: bool = False) -> list[Message]:
    """Return what is wrong with the rights of the connected role, each with its remedy.

    `reads_only` says that this connection serves readers, who need not be able to change a post.
    """
    row = connection.execute(
        text(
            "SELECT current_user AS name, rolsuper, has_table_privilege('posts', 'UPDATE') AS writes"
            " FROM pg_roles WHERE rolname = current_user"
        )
    ).one()
    if row.rolsuper:
        return [Message("archive.role.superuser", {"role": row.name})]
    if reads_only and row.writes:
        return [Message("archive.role.reader_writes", {"role": row.name})]
    return []
