"""Measure what the pages of an account take in a year: `python -m bench.yearly_space [--pages N]`.

Made-up pages of real size whose script changes altogether every two weeks, the worst that the real captures
show. Writes a part of docs/reference/space.md.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine, text

from archive.db.engine import open_archive, transaction
from archive.db.settings import ArchiveSettings
from archive.domain.captures import CaptureData
from archive.repository.captures import store_captures
from bench.posts import made_record
from bench.report import machine, today, write_part
from bench.space import DOCUMENT, HEADERS, Page, warc_bytes
from tests.standin.dump import post_from
from tests.standin.post_page import render
from tests.standin.weight import bundle

PAGES = 1500
TEMPLATES = 26  # a year has as many times two weeks
WEIGHT = 2_500_000  # bytes of script in a page: the size of real ones
SAMPLED = 10  # one page in so many is also written as a WARC record
MOST_SHARE = 1 / 8
FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Year:
    """Bytes of a year of pages, stored and as WARC records, and how many pages are delta bases."""

    pages: int
    stored: int
    warc: int
    bases: int

    @property
    def share(self) -> float:
        """Return the stored size relative to the WARC records."""
        return self.stored / self.warc


def main() -> None:
    """Measure, write the part, and fail when the target is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.yearly_space", description=__doc__)
    parser.add_argument("--pages", type=int, default=PAGES)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="mparchive-space-", ignore_cleanup_errors=True) as home,
        open_archive(ArchiveSettings(home=Path(home), database_url="")) as engine,
    ):
        found = measured_year(engine, options.pages, WEIGHT)
    write_part(_report(found), DOCUMENT)
    sys.exit(f"the pages take {found.share:.3f} of their WARC records" if found.share > MOST_SHARE else 0)


def measured_year(engine: Engine, number: int, weight: int, templates: int = TEMPLATES) -> Year:
    """Store the pages of a year, each in its own transaction."""
    warc = 0
    for place, page in enumerate(made_pages(number, weight, templates)):
        answer = CaptureData(page.kind, page.kind, 200, HEADERS, page.body, page.served_at)
        with transaction(engine) as session:
            store_captures(session, None, [(None, answer)])
        if place % SAMPLED == 0:
            warc += warc_bytes(page) * min(SAMPLED, number - place)
    sizes = "SELECT sum(length(data)), count(*) FILTER (WHERE base_sha256 IS NULL) FROM bodies"
    with transaction(engine) as session:
        stored, bases = session.execute(text(sizes)).one()
    return Year(number, int(stored), warc, int(bases))


def made_pages(number: int, weight: int, templates: int) -> Iterator[Page]:
    """Yield the pages of different posts, in the order they are served."""
    for place in range(number):
        record = made_record(place)
        page = b"".join(render(post_from(record, place), 0))
        script = b"<script>" + bundle(weight, seed=100 + place * templates // number) + b"</script></body>"
        served_at = FIRST_DAY + timedelta(days=365 * place / number)
        yield Page(record.url, served_at, page.replace(b"</body>", script, 1))


def _report(found: Year) -> str:
    return f"""## A year of one account

Written by `python -m bench.yearly_space` ({today()}). Machine: {machine()}. {found.pages:,} made-up pages of
{WEIGHT / 1e6:.1f} MB, each of another post. All of their script changes every two weeks, {TEMPLATES} times
a year: the worst that the pages above show. One page in {SAMPLED} was written as a WARC record and stands
for the others.

| pages | of them delta bases | WARC, gzip | mparchive | share (target: at most {MOST_SHARE}) |
|---|---|---|---|---|
| {found.pages:,} | {found.bases} | {found.warc:,} | {found.stored:,} | {found.share:.3f} |
"""


if __name__ == "__main__":
    main()
