"""Measure the cost of hash chains and the speed of verify: `python -m bench.integrity`.

Work with and without them alternates in one archive, on made-up posts and pages of realistic size. Processor
time of program and database is measured, so that other load on the machine matters little.
"""

import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

import psutil
from sqlalchemy import Engine, text

from archive.db.engine import open_archive, transaction
from archive.db.settings import ArchiveSettings
from archive.domain.captures import CaptureData
from archive.ingest.pages import import_records, store_parse_results
from archive.integrity.check import RowRange
from archive.integrity.checks import ALL_CHECKS
from archive.repository.captures import store_captures
from bench.posts import made_record
from bench.report import machine, today, write_part
from crawler.parse import PARSER_VERSION
from crawler.parse.page import classify
from mparchive.commands.verify import check_context
from tests.standin.pages import Shown, catalogue

ROUNDS = 5  # each of them twice
IMPORTED = 500  # posts a round, in one transaction
PAGES = 10  # a round
WEIGHT = 2_500_000  # bytes of script in a page: the size of real ones
NOW = datetime(2026, 11, 24, tzinfo=UTC)
APPENDS = "archive.repository.hash_chain._noted_entries"
Work = Callable[[Engine, int], None]


def main() -> None:
    """Measure with and without them alternately, and report medians."""
    with tempfile.TemporaryDirectory() as folder, open_archive(_at(folder)) as engine:
        prices = {name: _price(engine, work) for name, work in WORKS.items()}
        speeds = _speeds(engine, _at(folder))
    write_part(_report(prices, speeds))


def _at(folder: str) -> ArchiveSettings:
    return ArchiveSettings(home=Path(folder))


def _import(engine: Engine, round_: int) -> None:
    records = [made_record(place) for place in range(round_ * IMPORTED, (round_ + 1) * IMPORTED)]
    with transaction(engine) as session:
        import_records(session, None, records, "dump", NOW)


def _crawl(engine: Engine, round_: int) -> None:
    """Store pages as a crawl does: captures in one transaction, parse results in another."""
    answers = [_answer(round_ * PAGES + number) for number in range(PAGES)]
    with transaction(engine) as session:
        kept = store_captures(session, None, [(None, answer) for answer in answers])
    readings = list(zip(kept, map(classify, answers), strict=True))
    with transaction(engine) as session:
        store_parse_results(session, None, readings, NOW, PARSER_VERSION)


WORKS: dict[str, Work] = {"a post from a dump": _import, "a page": _crawl}
COUNTS = {"a post from a dump": IMPORTED, "a page": PAGES}


def _answer(number: int) -> CaptureData:
    """Return the stand-in's article as the page of another post."""
    post = next(shown for shown in catalogue() if isinstance(shown, Shown) and shown.notice is None)
    mid = str(post.post.mid)
    body = b"".join(post.render(WEIGHT)).replace(mid.encode(), str(2_660_000_000 + number).encode())
    url = post.expected.url.replace(mid, str(2_660_000_000 + number))
    return CaptureData(url, url, 200, (), body, NOW)


def _price(engine: Engine, work: Work) -> tuple[float, float]:
    """Return the seconds of a round with and without chains."""
    spent: dict[bool, list[float]] = {True: [], False: []}
    work(engine, 0)  # everything is loaded and the references are known
    for round_ in range(1, 2 * ROUNDS + 1):
        is_with = round_ % 2 == 0
        with nullcontext() if is_with else _without():
            spent[is_with].append(_seconds(engine, work, round_))
    return statistics.median(spent[True]), statistics.median(spent[False])


def _seconds(engine: Engine, work: Work, round_: int) -> float:
    with engine.connect() as connection:
        server = psutil.Process(connection.scalar(text("SELECT pg_backend_pid()")))
    before = time.process_time() + sum(server.cpu_times()[:2])
    work(engine, round_)
    return time.process_time() + sum(server.cpu_times()[:2]) - before


@contextmanager
def _without() -> Iterator[None]:
    """Let transactions end without reading facts and extending chains."""
    with patch(APPENDS, return_value=()):
        yield


def _speeds(engine: Engine, settings: ArchiveSettings) -> dict[str, float]:
    """Return rows, megabytes and pages that one core checks in a second."""
    with transaction(engine) as session:
        size = float(session.scalar(text("SELECT sum(body_size) FROM captures")) or 0) / 1e6
    speeds = {}
    for name in ("facts", "bytes", "text"):
        found = Counter[str]()
        spent = _seconds(
            engine, lambda engine, _, name=name, found=found: _look(engine, settings, name, found), 0
        )
        speeds[name] = (size if name == "bytes" else found.total()) / spent
    return speeds


def _look(engine: Engine, settings: ArchiveSettings, name: str, found: Counter[str]) -> None:
    with transaction(engine) as session:
        for check in (check for check in ALL_CHECKS if check.name == name):
            found[check.table] += check.run(RowRange(session, check_context(settings))).rows


def _report(prices: dict[str, tuple[float, float]], speeds: dict[str, float]) -> str:
    rows = "\n".join(
        f"| {name} | {1000 * without / COUNTS[name]:.2f} | {1000 * with_ / COUNTS[name]:.2f}"
        f" | {100 * (with_ / without - 1):.1f} % |"
        for name, (with_, without) in prices.items()
    )
    return _TEXT.format(rows=rows, machine=machine(), day=today(), **speeds)


_TEXT = """## Integrity

Written by `python -m bench.integrity` ({day}). Machine: {machine}.

Cost of hash chains, in milliseconds of processor time of program and database. A page has
2.5 MB; it is stored and parsed.

| stored | without | with | cost |
|---|---|---|---|
{rows}

In one second one core checks {facts:,.0f} facts, or {bytes:.0f} MB of page bytes, or parses
{text:.0f} pages again.
"""


if __name__ == "__main__":
    sys.exit(main())
