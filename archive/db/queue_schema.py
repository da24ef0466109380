"""Bring the schema of the job queue up to that of the installed procrastinate, by its own migrations.

The archive's migration 0003 carries procrastinate's schema of version 3.10. What a later procrastinate
changes is in the SQL files that it ships; they are applied in the order of their names, and the last one is
recorded in the comment of the schema `jobs`.
"""

import importlib.util
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from sqlalchemy import Connection, text

SCHEMA = "jobs"

CARRIED = "03.04.00_50_post_add_retry_failed_job_procedure"  # the last one in v0003_procrastinate_3_10.sql

_RECORD = "procrastinate "  # begins the comment; the name of the last migration follows

_COMMENT = text(
    "SELECT coalesce(obj_description(oid, 'pg_namespace'), '') FROM pg_namespace WHERE nspname = :name"
)


def is_queue_current(connection: Connection) -> bool:
    """Tell whether the queue has every migration of the installed procrastinate; true without a queue."""
    return not _missing(connection)


def upgrade_queue(connection: Connection) -> None:
    """Apply the migrations of the installed procrastinate that the queue lacks, in their order."""
    for name, path in _missing(connection).items():
        connection.execute(text(f"SET LOCAL search_path TO {SCHEMA}"))
        connection.exec_driver_sql(path.read_text(encoding="utf-8").replace("%", "%%"))
        connection.execute(text("SET LOCAL search_path TO DEFAULT"))
        connection.execute(text(f"COMMENT ON SCHEMA {SCHEMA} IS '{_RECORD}{name}'"))


def _missing(connection: Connection) -> Mapping[str, Path]:
    comment = connection.scalar(_COMMENT, {"name": SCHEMA})
    if comment is None:  # a schema before the queue
        return {}
    applied = comment.removeprefix(_RECORD) if comment.startswith(_RECORD) else CARRIED
    return {name: path for name, path in shipped_migrations().items() if name > applied}


@cache
def shipped_migrations() -> Mapping[str, Path]:
    """Return the migrations that the installed procrastinate ships, by name, in their order.

    The package is found without being imported, which takes a quarter second.
    """
    spec = importlib.util.find_spec("procrastinate")
    places = list(spec.submodule_search_locations or ()) if spec else []
    files = [path for place in places for path in (Path(place) / "sql" / "migrations").glob("*.sql")]
    return {path.stem: path for path in sorted(files)}
