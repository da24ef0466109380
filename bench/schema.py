"""Measure what a post and a capture take in the tables and indexes: `python -m bench.schema POSTS [FOLDER]`.

It fills an archive with made-up posts, one page each, by the functions that a crawl uses; every tenth page is
served twice. The same command with an earlier version gives the numbers before a migration. With FOLDER the
archive stays there, and a later version that opens it with `python -m bench.schema FOLDER` is timed.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine, text

from archive.db.embedded_server import embedded_postgres
from archive.db.engine import open_archive, transaction
from archive.db.settings import ArchiveSettings
from archive.domain.addresses import parse_address
from archive.domain.captures import CaptureData, SightingData
from archive.domain.outcomes import Kind, Outcome
from archive.domain.parsed_page import ParsedPage
from archive.domain.records import Record
from archive.ingest.pages import store_parse_results
from archive.repository.captures import store_captures
from archive.repository.frontier import record_sightings
from bench.made_up_texts import MadeUpTexts
from bench.posts import BIZ, made_record

BATCH = 50  # posts in a transaction
AT = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
HEADERS = (("Content-Type", "text/html; charset=UTF-8"), ("Server", "nginx"))
TEMPLATE = "".join(f"function f{number * 7919:08x}(){{return {number}}}" for number in range(600))

# A partition counts for its table.
SIZES = text("""
SELECT coalesce(parent.relname, t.relname) AS name, sum(pg_relation_size(t.oid)) AS heap,
  sum(coalesce(pg_total_relation_size(nullif(t.reltoastrelid, 0)), 0)) AS toast,
  sum(pg_indexes_size(t.oid)) AS indexes
FROM pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace
LEFT JOIN pg_inherits i ON i.inhrelid = t.oid LEFT JOIN pg_class parent ON parent.oid = i.inhparent
WHERE t.relkind = 'r' AND n.nspname IN ('public', 'partitions') GROUP BY 1 ORDER BY 1
""")


def fill(engine: Engine, posts: int) -> float:
    """Store so many posts, each by its page; return the seconds."""
    texts, start = MadeUpTexts(), time.perf_counter()
    for first in range(0, posts, BATCH):
        numbers = range(first, min(first + BATCH, posts))
        with transaction(engine) as session:
            records = [_record(number, texts) for number in numbers]
            seen = [SightingData(parse_address(record.url), "list", AT, record.title) for record in records]
            addresses = [one.address_id for one in record_sightings(session, None, seen, AT)]
            pages = [_page(record) for record in records]
            answers = [
                CaptureData(record.url, record.url, 200, HEADERS, page, AT)
                for record, page in zip(records, pages, strict=True)
            ]
            ids = store_captures(session, None, list(zip(addresses, answers, strict=True)))
            again = list(zip(addresses, answers, strict=True))[::10]
            repeated = store_captures(session, None, again)
        parsed = [
            ParsedPage(Outcome.ARTICLE, kind=Kind.ARTICLE, record=record, biz=BIZ, html=_html(record))
            for record in records
        ]
        with transaction(engine) as session:
            results = [*zip(ids, parsed, strict=True), *zip(repeated, parsed[::10], strict=True)]
            store_parse_results(session, None, results, AT, 6)
    return time.perf_counter() - start


def _record(number: int, texts: MadeUpTexts) -> Record:
    made = made_record(number)
    return Record(made.aid, texts.title(number), made.url, made.date, made.account, texts.text(number))


def _html(record: Record) -> str:
    return "".join(f'<p style="line-height: 2em;">{part}</p>' for part in record.text.split("\r"))


def _page(record: Record) -> bytes:
    return f"<html><script>{TEMPLATE}</script><h1>{record.title}</h1>{_html(record)}</html>".encode()


def sizes(engine: Engine) -> Iterator[tuple[str, int, int, int]]:
    """Yield name and bytes (rows, long values, indexes) of each table, after VACUUM."""
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text("VACUUM ANALYZE"))
        for name, heap, toast, indexes in connection.execute(SIZES):
            yield name, int(heap), int(toast), int(indexes)


def report(engine: Engine) -> None:
    """Print bytes a post by table, and of the tables of captures and of texts together."""
    found = list(sizes(engine))
    with engine.connect() as connection:
        counts = text("SELECT (SELECT count(*) FROM posts), (SELECT count(*) FROM captures)")
        posts, captures = connection.execute(counts).one()
    print(f"{posts} posts, {captures} captures")
    print("| table | rows | long values | indexes | bytes a post |\n|---|---|---|---|---|")
    for name, *parts in found:
        if sum(parts) / posts >= 1:
            print(f"| {name} | {' | '.join(str(round(part / posts)) for part in (*parts, sum(parts)))} |")
    print(f"| all | | | | {round(sum(sum(parts) for _, *parts in found) / posts)} |")
    of_captures = ("captures", "bodies", "parse_results", "unparsed_captures")
    size = sum(sum(parts) for name, *parts in found if name in of_captures)
    print(f"bytes a capture: {round(size / captures)}")


def main() -> None:
    """Fill an archive and report, or open one of an earlier version and time its migration."""
    first, *folder = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="mparchive-schema-", ignore_cleanup_errors=True) as temporary:
        posts = int(first) if first.isdecimal() else 0
        home = Path(folder[0] if folder else temporary) if posts else Path(first)
        home.mkdir(parents=True, exist_ok=True)
        with embedded_postgres(home):
            start = time.perf_counter()
            with open_archive(ArchiveSettings(home=home)) as engine:
                print(f"opened in {time.perf_counter() - start:.1f} s")
                if posts:
                    print(f"stored in {fill(engine, posts):.0f} s")
                report(engine)


if __name__ == "__main__":
    main()
