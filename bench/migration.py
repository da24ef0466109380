"""Measure the migration of an archive of an early schema: `python -m bench.migration POSTS`.

The archive is filled by SQL in schema 0010, with made-up posts of 1500 letters and a page of 5 kB each, one
in ten served twice with other bytes. Words for search are left out: building their index takes an hour at
100,000 posts, and no migration since then touches it. The archive then migrates as any archive does when it
is opened: in one transaction, during which the database's files are measured. The result is a part of
docs/reference/performance.md.
"""

import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection, Engine, make_url, text

from archive.db import schema
from archive.db.embedded_server import SUPERUSER, embedded_postgres
from archive.db.engine import engine_at, open_archive
from archive.db.settings import ArchiveSettings
from bench.report import machine, today, write_part
from tests.plans.large_archive import Sizes, fill_tables

OLDEST = "0010"  # the last schema in which everything lay in the first tables
PARAGRAPHS = 5000  # different ones, of 100 letters; a post has 15 of them
HASHES = 156  # of 32 bytes in a page: 5 kB that nothing can compress
SAMPLED = 0.5  # seconds between two measurements of the files

_PREPARE = f"""
CREATE TEMPORARY TABLE paragraphs AS
SELECT n AS id, (
  SELECT string_agg(chr(19968 + (random() * 3000)::integer), '') FROM generate_series(1, 100 + n * 0)
) AS words FROM generate_series(1, {PARAGRAPHS}) n;
CREATE UNIQUE INDEX ON paragraphs (id);
CREATE FUNCTION pg_temp.words_of(n bigint) RETURNS text LANGUAGE sql STABLE RETURN (
  SELECT string_agg(words, chr(13) ORDER BY id) FROM paragraphs
  WHERE id BETWEEN 1 + n * 7 % {PARAGRAPHS - 15} AND 15 + n * 7 % {PARAGRAPHS - 15}
);
CREATE FUNCTION pg_temp.page_of(n bigint) RETURNS bytea LANGUAGE sql STABLE RETURN (
  SELECT string_agg(sha256((n || ' ' || i)::bytea), '') FROM generate_series(1, {HASHES}) i
);
"""

_PARAGRAPH = '<p style="line-height: 2em;">'

_CHANGES = {
    "captures": {"body": "pg_temp.page_of(n)", "body_size": "2500000", "sha256": "sha256(n::text::bytea)"},
    "posts": {
        "text": "pg_temp.words_of(n)",
        "html": f"'{_PARAGRAPH}' || replace(pg_temp.words_of(n), chr(13), '</p>{_PARAGRAPH}') || '</p>'",
    },
    "versions": {"text": "pg_temp.words_of(n)"},
    "sources": {"name": "'album:' || n"},  # which was one column then
}

_SIZES = text("SELECT pg_database_size(current_database()), (SELECT sum(size) FROM pg_ls_waldir())")


@dataclass
class Measured:
    """The seconds of each migration, and bytes of the database's files: before, most during, and after."""

    seconds: dict[str, float] = field(default_factory=dict)
    sizes: list[int] = field(default_factory=list)
    logs: list[int] = field(default_factory=list)


def main(arguments: Sequence[str]) -> None:
    """Fill, migrate, and write the part of the report."""
    posts = int(arguments[0])
    with (
        tempfile.TemporaryDirectory(prefix="mparchive-migration-") as home,
        embedded_postgres(Path(home)) as url,
        open_archive(ArchiveSettings(database_url=url)) as engine,
    ):
        start = time.perf_counter()
        _fill(engine, posts)
        print(f"filled in {time.perf_counter() - start:.0f} s", flush=True)
        superuser = engine_at(make_url(url).set(username=SUPERUSER))
        measured = _migrate(engine, superuser)
        superuser.dispose()
    write_part(_report(posts, measured))


def _fill(engine: Engine, posts: int) -> None:
    sizes = Sizes(
        captures=posts * 11 // 10, due=posts // 5, runs=1000, posts=posts, media=2 * posts, incidents=100
    )
    with engine.begin() as connection:
        schema.migrate(connection, OLDEST)
    with engine.begin() as connection:
        connection.exec_driver_sql(_PREPARE.replace("%", "%%"))
        fill_tables(connection, sizes, _CHANGES)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("VACUUM ANALYZE"))


def _migrate(engine: Engine, superuser: Engine) -> Measured:
    measured = Measured()
    with superuser.connect().execution_options(isolation_level="AUTOCOMMIT") as observer:
        observer.execute(text("CHECKPOINT"))
        _sample(observer, measured)
        with _sampling(observer, measured), engine.begin() as connection:
            for revision in sorted(one for one in schema.revisions() if one > OLDEST):
                start = time.perf_counter()
                schema.migrate(connection, revision)
                measured.seconds[revision] = time.perf_counter() - start
                print(revision, f"{measured.seconds[revision]:.1f} s", flush=True)
        observer.execute(text("CHECKPOINT"))
        _sample(observer, measured)
    return measured


@contextmanager
def _sampling(observer: Connection, measured: Measured) -> Iterator[None]:
    """Measure the files again and again while the block runs."""
    stop = threading.Event()

    def sample() -> None:
        while not stop.wait(SAMPLED):
            _sample(observer, measured)

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _sample(observer: Connection, measured: Measured) -> None:
    size, log = observer.execute(_SIZES).one()
    measured.sizes.append(int(size))
    measured.logs.append(int(log))


def _report(posts: int, measured: Measured) -> str:
    rows = "\n".join(f"| {revision} | {seconds:.1f} |" for revision, seconds in measured.seconds.items())
    return _TEXT.format(
        posts=posts,
        captures=posts * 11 // 10,
        oldest=OLDEST,
        day=today(),
        machine=machine(),
        rows=rows,
        total=sum(measured.seconds.values()),
        before=measured.sizes[0] / 1e6,
        most=max(measured.sizes) / 1e6,
        after=measured.sizes[-1] / 1e6,
        log=max(measured.logs) / 1e6,
    )


_TEXT = """## Migration of an early archive

Written by `python -m bench.migration {posts}` ({day}). Machine: {machine}.
A made-up archive of {posts:,} posts and {captures:,} captures in schema {oldest} is opened by today's
program, which migrates it in one transaction. Posts have 1500 letters, pages take 5 kB; the words for search,
which no migration touches, are left out.

| to schema | seconds |
|---|---|
{rows}
| **all** | **{total:.1f}** |

The database's files had {before:,.0f} MB before, {most:,.0f} MB at most during the migration, and
{after:,.0f} MB after it; the server's own log, which it shrinks again, had {log:,.0f} MB at most.
"""


if __name__ == "__main__":
    main(sys.argv[1:])
