"""Measure what partitions of captures cost statements: `python -m bench.months`.

The same work is timed in one archive with the partitions it begins with, and after ten years of months were
added. The least of several times counts, so that other load on the machine matters little. The result is a
part of docs/reference/performance.md.
"""

import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from archive.db.engine import open_archive, transaction
from archive.db.models import Capture, Post
from archive.db.schema import add_capture_months, capture_months
from archive.db.settings import ArchiveSettings
from archive.domain.captures import CaptureData
from archive.domain.outcomes import Kind, Outcome
from archive.domain.parsed_page import ParsedPage
from archive.ingest.pages import store_parse_results
from archive.repository.captures import find_capture, get_capture_metadata, list_captures, store_captures
from bench.posts import BIZ, made_record
from bench.report import machine, today, write_part

TIMES = 30  # each lookup
BATCHES = 20  # of pages
BATCH = 10  # pages in a transaction, as a crawl stores them
NOW = datetime(2026, 11, 24, tzinfo=UTC)
MONTHS = [year * 100 + month for year in range(2030, 2040) for month in range(1, 13)]


def main() -> None:
    """Measure with few months and with many, and write the part of the report."""
    with tempfile.TemporaryDirectory() as home, open_archive(ArchiveSettings(home=Path(home))) as engine:
        few, before = _partitions(engine), _measured(engine, 0)
        with engine.begin() as connection:
            add_capture_months(connection, MONTHS)
        many, after = _partitions(engine), _measured(engine, BATCHES)
    rows = "\n".join(f"| {name} | {before[name]:.1f} | {after[name]:.1f} |" for name in before)
    write_part(_TEXT.format(few=few, many=many, rows=rows, batch=BATCH, day=today(), machine=machine()))


def _partitions(engine: Engine) -> int:
    with engine.begin() as connection:
        return 1 + len(capture_months(connection))


def _measured(engine: Engine, first_batch: int) -> dict[str, float]:
    """Return milliseconds by what was done."""
    batches = iter(range(first_batch, first_batch + BATCHES))
    stored = min(_milliseconds(lambda: _store(engine, next(batches))) for _ in range(BATCHES))
    with transaction(engine) as session:
        lookups = _lookups(session)
        found = {name: min(_milliseconds(look_up) for _ in range(TIMES)) for name, look_up in lookups.items()}
    return {**found, f"store and parse {BATCH} pages": stored}


def _milliseconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000


def _store(engine: Engine, batch: int) -> None:
    records = [made_record(batch * BATCH + number) for number in range(BATCH)]
    pages = [CaptureData(one.url, one.url, 200, (), one.text.encode(), NOW) for one in records]
    with transaction(engine) as session:
        ids = store_captures(session, None, [(None, page) for page in pages])
    with transaction(engine) as session:
        parsed = (ParsedPage(Outcome.ARTICLE, kind=Kind.ARTICLE, record=one, biz=BIZ) for one in records)
        results = list(zip(ids, parsed, strict=True))
        store_parse_results(session, None, results, NOW, 1)


def _lookups(session: Session) -> dict[str, Callable[[], object]]:
    post = session.scalars(select(Post).limit(1)).one()
    newest = session.scalars(select(func.max(Capture.id))).one()
    return {
        "a capture by id": partial(get_capture_metadata, session, newest),
        "the captures of a post": partial(list_captures, session, post),
        "a capture by hash": partial(find_capture, session, post.url, bytes(32)),
    }


_TEXT = """## Captures in many months

Written by `python -m bench.months` ({day}). Machine: {machine}.
Least milliseconds, all statements of each and their planning included. A capture by id is looked up in its
month; by address or hash, the index of every month is asked.

| | {few} partitions | {many} partitions |
|---|---|---|
{rows}
"""


if __name__ == "__main__":
    main()
