"""Read what processes and the database of a running archive use: memory, open files, rows, connections."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import psutil
import psycopg
from psycopg import sql
from sqlalchemy import Engine, text

MEGABYTE = 1e6
_TABLES = text(
    "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition"
    " AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') ORDER BY 1, 2"
)
_BYTES = text("SELECT pg_database_size(current_database())")
_CONNECTIONS = text("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")


def process_tree(pid: int) -> list[psutil.Process]:
    """Return a process and its descendants; none if it has ended."""
    try:
        first = psutil.Process(pid)
        return [first, *first.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def usage_of(name: str, processes: Iterable[psutil.Process]) -> dict[str, float]:
    """Return memory, open files, threads and number of processes, summed; `name` begins each key.

    Memory is in MB of 10^6 bytes. What processes share is divided among them (PSS), so that the sum is true.
    """
    sums: Counter[str] = Counter()
    for process in processes:
        try:
            memory, files, threads = process.memory_full_info().pss, process.num_fds(), process.num_threads()
        except psutil.NoSuchProcess:
            continue
        sums.update({"MB": memory / MEGABYTE, "open files": files, "threads": threads, "processes": 1})
    return {f"{name}: {what}": float(number) for what, number in sums.items()}


def files_below(folder: Path, leave_out: Iterable[str] = ()) -> int:
    """Count the files below a folder, but for those in the named folders directly below it."""
    left_out = {folder / name for name in leave_out}
    return sum(path.is_file() and not left_out.intersection(path.parents) for path in folder.rglob("*"))


def rows_of_tables(engine: Engine) -> dict[str, int]:
    """Count the rows of every table, by its name with its schema where that is not public."""
    counts: dict[str, int] = {}
    with engine.connect() as connection:
        raw = connection.connection.driver_connection
        assert isinstance(raw, psycopg.Connection)
        for schema, table in connection.execute(_TABLES):
            count = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, table))
            row = raw.execute(count).fetchone()
            counts[table if schema == "public" else f"{schema}.{table}"] = row[0] if row else 0
    return counts


def database_use(engine: Engine) -> Mapping[str, float]:
    """Return the size of the database in MB of 10^6 bytes and the number of clients' connections."""
    with engine.connect() as connection:
        size, connections = connection.scalar(_BYTES), connection.scalar(_CONNECTIONS)
    return {"database: MB": (size or 0) / MEGABYTE, "database: connections": float(connections or 0)}
