"""Measure the storage per page on real captures of 2025 and later: `python -m bench.space`.

Writes docs/reference/space.md. The captures are outside the repository (`MPARCHIVE_SHARED`); they are
stored one by one, in the order they were served.
"""

import gzip
import io
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Engine, text
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from archive.db.engine import open_archive, transaction
from archive.db.settings import ArchiveSettings
from archive.domain.captures import CaptureData
from archive.domain.records import SHANGHAI
from archive.repository import bodies
from archive.repository.bodies import DeltaBases
from archive.repository.captures import store_captures
from archive.storage.body_codec import encode_body
from bench.report import machine, today, write_part
from tests.support.captures import CAPTURES, capture, capture_names

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

SINCE = datetime(2025, 1, 1, tzinfo=SHANGHAI)
PLAIN = 3  # the level of zstd that is compared with: its own default
READS = 9
MEGABYTE = 1e6
TARGETS = {"share": 0.1, "MB/s": 40, "ms": 15}
DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "reference" / "space.md"
URL = "https://mp.weixin.qq.com/s/of-a-capture"
HEADERS = (("Content-Type", "text/html; charset=UTF-8"), ("Content-Encoding", "gzip"))
T = TypeVar("T")
_SERVED = re.compile(rb"svr_time\D{1,30}(\d{10})")


@dataclass(frozen=True, slots=True)
class Page:
    """A page as it was served."""

    kind: str
    served_at: datetime
    body: bytes

    def answer(self) -> CaptureData:
        """Return the capture of its response, compressed with gzip."""
        gzipped = gzip.compress(self.body, 6)
        return CaptureData(URL, URL, 200, HEADERS, self.body, self.served_at, gzipped=gzipped)


@dataclass(frozen=True, slots=True)
class Measured:
    """Bytes and seconds of one page."""

    page: Page
    warc: int
    plain: int
    stored: int
    is_reference: bool
    packing: float
    writing: float
    reading: float

    @property
    def share(self) -> float:
        """Return the stored size relative to the WARC record."""
        return self.stored / self.warc


def served_since(first: datetime) -> list[Page]:
    """Return the pages of posts served since then, in that order; none if there are no captures."""
    pages = []
    for name in capture_names("article_*"):
        body = capture(name)
        if match := _SERVED.search(body):
            served_at = datetime.fromtimestamp(int(match[1]), UTC)
            pages.append(Page(name.partition("/")[0].removeprefix("article_"), served_at, body))
    return sorted((page for page in pages if page.served_at >= first), key=lambda page: page.served_at)


def measured(engine: Engine, pages: Sequence[Page], reads: int = READS) -> list[Measured]:
    """Store each page in its own transaction, then read all back. Raises SystemExit on other bytes."""
    kept = [_packed_and_kept(engine, page) for page in pages]
    rounds = [
        [_reading(engine, number, page) for (_, _, number), page in zip(kept, pages, strict=True)]
        for _ in range(reads)
    ]
    readings = map(statistics.median, zip(*rounds, strict=True))
    return [_measured(engine, *one) for one in zip(pages, kept, readings, strict=True)]


def _packed_and_kept(engine: Engine, page: Page) -> tuple[float, float, int]:
    answer = page.answer()
    with transaction(engine) as session:
        packing, _ = _timed(lambda: encode_body(answer, DeltaBases(session).known))
    writing, number = _timed(lambda: _kept(engine, answer))
    return packing, writing, number


def _reading(engine: Engine, number: int, page: Page) -> float:
    seconds, body = _timed(lambda: _read(engine, number))
    if body != page.body:
        raise SystemExit(f"capture {number} came back with other bytes")
    return seconds


def _measured(engine: Engine, page: Page, kept: tuple[float, float, int], reading: float) -> Measured:
    packing, writing, number = kept
    with transaction(engine) as session:
        columns = text(
            "SELECT length(data), base_sha256 IS NULL FROM captures JOIN bodies USING (sha256) WHERE id = :id"
        )
        stored, is_reference = session.execute(columns, {"id": number}).one()
    plain = len(zstd.compress(page.body, PLAIN))
    return Measured(page, warc_bytes(page), plain, stored, is_reference, packing, writing, reading)


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    start = time.perf_counter()
    done = work()
    return time.perf_counter() - start, done


def _kept(engine: Engine, answer: CaptureData) -> int:
    with transaction(engine) as session:
        return store_captures(session, None, [(None, answer)])[0]


def _read(engine: Engine, number: int) -> bytes:
    with transaction(engine) as session:
        return bodies.capture_body(session, number)


def warc_bytes(page: Page) -> int:
    """Return the size of its response record in a WARC file by warcio, with gzip."""
    file = io.BytesIO()
    writer = WARCWriter(file, gzip=True, warc_version="WARC/1.1")
    http = StatusAndHeaders("200 OK", [HEADERS[0]], protocol="HTTP/1.1")
    payload, size = io.BytesIO(page.body), len(page.body)
    writer.write_record(writer.create_warc_record(URL, "response", payload, length=size, http_headers=http))
    return len(file.getvalue())


def main() -> None:
    """Measure, write the document, and fail when a target is missed."""
    pages = served_since(SINCE)
    if not pages:
        raise SystemExit(f"no captures at {CAPTURES}; set MPARCHIVE_SHARED")
    with (
        tempfile.TemporaryDirectory(prefix="mparchive-space-", ignore_cleanup_errors=True) as home,
        open_archive(ArchiveSettings(home=Path(home))) as engine,
    ):
        found = measured(engine, pages)
    report = _report(found)
    write_part(report, DOCUMENT)
    sys.stdout.write(report)
    if missed := _missed(found):
        raise SystemExit(f"targets missed: {', '.join(missed)}")


def _further(found: Sequence[Measured]) -> list[Measured]:
    return [one for one in found if not one.is_reference]


def _rate(found: Sequence[Measured], seconds: Callable[[Measured], float]) -> float:
    return sum(len(one.page.body) for one in found) / MEGABYTE / sum(seconds(one) for one in found)


def _missed(found: Sequence[Measured]) -> list[str]:
    largest = max((one.share for one in _further(found)), default=1)
    slowest = max(one.reading for one in found) * 1000
    over = {
        f"a delta takes {largest:.3f} of its WARC record": largest > TARGETS["share"],
        f"compressing at {_rate(found, _packing):.0f} MB/s": _rate(found, _packing) < TARGETS["MB/s"],
        f"reading a page takes {slowest:.1f} ms": slowest >= TARGETS["ms"],
    }
    return [sentence for sentence, is_over in over.items() if is_over]


def _packing(one: Measured) -> float:
    return one.packing


def _writing(one: Measured) -> float:
    return one.writing


def _report(found: Sequence[Measured]) -> str:
    further = _further(found)
    return _TEXT.format(
        day=today(),
        machine=machine(),
        pages="\n".join(_line(number, one) for number, one in enumerate(found, 1)),
        further=len(further),
        mean=statistics.mean(one.share for one in further),
        largest=max(one.share for one in further),
        raw=statistics.mean(one.stored / len(one.page.body) for one in further),
        plain=statistics.mean(one.stored / one.plain for one in further),
        totals="\n".join(_total(found[:number]) for number in _counts(len(found))),
        packing=_rate(found, _packing),
        writing=_rate(found, _writing),
        read_further=_milliseconds(further),
        read_reference=_milliseconds([one for one in found if one.is_reference]),
        slowest=max(one.reading for one in found) * 1000,
    )


def _line(number: int, one: Measured) -> str:
    what = "delta base" if one.is_reference else f"{one.share:.3f}"
    served = one.page.served_at.astimezone(SHANGHAI).date()
    sizes = " | ".join(f"{size:,}" for size in (len(one.page.body), one.warc, one.plain, one.stored))
    return f"| {number} | {served} | {one.page.kind} | {sizes} | {what} |"


def _counts(pages: int) -> list[int]:
    return [*range(1, pages, max(1, pages // 7)), pages]


def _total(found: Sequence[Measured]) -> str:
    stored, warc = sum(one.stored for one in found), sum(one.warc for one in found)
    references = len(found) - len(_further(found))
    return f"| {len(found)} | {references} | {warc:,} | {stored:,} | {stored / warc:.2f} |"


def _milliseconds(found: Sequence[Measured]) -> float:
    return statistics.median(one.reading for one in found) * 1000


_TEXT = """# Storage per page

Written by `python -m bench.space` ({day}) from its measurements; do not edit. Machine: {machine}.

Real pages of posts, served in 2025 and later, stored one by one in the order they were served, in an
empty archive. A page that is similar to no earlier page is stored whole and becomes a *delta base* for
later ones ([bodies-in-postgres.md](../explanation/adr/bodies-in-postgres.md)); the others are stored as
*deltas*, and the last column is their size relative to their WARC record. WARC: a response record of
warcio, gzip. zstd: level 3, each page by itself. Sizes in bytes.

| | served | kind | raw | WARC, gzip | zstd | mparchive | delta |
|---|---|---|---|---|---|---|---|
{pages}

The {further} deltas take {mean:.3f} of their WARC record on average and {largest:.3f} at most (target: at
most 0.1); that is {raw:.4f} of the served bytes, and {plain:.3f} of zstd without delta bases.

Including delta bases, the share falls with the number of pages and rises when the template changes:

| pages | of them delta bases | WARC, gzip | mparchive | share |
|---|---|---|---|---|
{totals}

| time | |
|---|---|
| choose a delta base and compress, MB of page per second (target: at least 40) | {packing:.0f} |
| store in the database, one transaction per page, MB/s | {writing:.0f} |
| read a delta back, with its hash and its delta base's verified, ms (median) | {read_further:.1f} |
| read a delta base back, ms (median) | {read_reference:.1f} |
| slowest read, ms (target: under 15) | {slowest:.1f} |
"""


if __name__ == "__main__":
    main()
