"""Work out what 10,000 accounts need for ten years: `python -m bench.arithmetic [--check]`.

Reads what was measured from the tables in docs, adds the assumptions below, and writes a part of
docs/explanation/scaling.md. With `--check` it writes nothing and ends with 1 when the part is another.
"""

import argparse
import math
import re
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from bench.report import REPORT, write_part
from bench.ways import ROOT
from crawler.settings import CrawlEnvironment

SCALING = ROOT / "docs" / "explanation" / "scaling.md"
SPACE = REPORT.with_name("space.md")
MINUTES_A_YEAR = 365 * 24 * 60
MONTHS_A_YEAR = 12
POSTGRES_TABLE_TB = 32  # the most that one table of PostgreSQL can hold
PACE = 60 / CrawlEnvironment.model_fields["download_delay"].default  # requests a minute from one egress
BODIES = "bodies of pages"


@dataclass(frozen=True)
class Assumed:
    """What is assumed. Prices are round figures in US dollars for a month, without taxes and traffic."""

    accounts: int = 10_000
    years: int = 10
    posts_a_year: int = 500  # of one account
    captures_of_a_post: int = 2  # the page as it appeared, and once more when it was edited or checked
    checks_a_day: int = 24  # of one account, for new posts within the hour
    peak: int = 4  # times the mean, on a morning when most accounts publish
    pictures_of_a_post: int = 8
    picture_kb: int = 150
    free_share: float = 0.3  # of a disk, for vacuum, new indexes and growth
    server_price: int = 250  # 16 cores, 128 GB of memory, two disks of 7.7 TB
    egress_price: int = 5  # a small machine with an address of its own
    storage_price_tb: int = 6  # of object storage that is compatible with S3
    managed_price: int = 1400  # Postgres as a service with 8 cores and 64 GB
    managed_price_tb: int = 115  # of its storage


@dataclass(frozen=True)
class Measured:
    """What the measurements in docs say, each from the table that its command wrote."""

    page_ms: float  # processor time of a page, all processes with Postgres
    check_ms: float  # processor time of a check that finds nothing, as a command of its own
    page_bytes: float  # of a real page stored as a delta
    capture_bytes: float  # rows of a capture without its body, with indexes
    post_bytes: float  # of a post and its versions
    search_bytes: float  # of its text as search compares it, with the index
    chain_bytes: float  # of its entries in the hash chain


def main() -> None:
    """Write the part, or compare it with what is written."""
    parser = argparse.ArgumentParser(prog="python -m bench.arithmetic", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; end with 1 when it differs")
    options = parser.parse_args()
    text = report(Assumed(), measured())
    if not options.check:
        write_part(text, SCALING)
    elif text.strip() not in SCALING.read_text(encoding="utf-8"):
        sys.exit("docs/explanation/scaling.md: run `python -m bench.arithmetic`")


def measured() -> Measured:
    """Read the measurements. Raises ValueError when a table lacks one."""
    performance, scaling = REPORT.read_text(encoding="utf-8"), SCALING.read_text(encoding="utf-8")
    everything = _number(scaling, r"\| everything \| [\d,]+ \| ([\d,]+) ")
    check = re.search(r"\| 100,000 \| \d+ \| 1 \| (\d+) \| (\d+) \|", performance)
    if check is None:
        raise ValueError("docs/reference/performance.md has no check that finds nothing")
    return Measured(
        page_ms=_number(performance, r"\| milliseconds of processor time for a page \| [\d.]+ \| ([\d.]+) "),
        check_ms=float(check[1]) + float(check[2]),
        page_bytes=_mean_delta(SPACE.read_text(encoding="utf-8")),
        capture_bytes=_number(scaling, r"\| of these, `captures` alone \| [\d,]+ \| ([\d,]+) "),
        post_bytes=_number(scaling, r"\| `posts` and `versions` \| [\d,]+ \| ([\d,]+) "),
        search_bytes=_number(scaling, r"\| `post_search_documents` \| [\d,]+ \| ([\d,]+) "),
        chain_bytes=_number(scaling, r"everything takes ([\d,]+) bytes a post") - everything,
    )


def _number(text: str, pattern: str) -> float:
    found = re.search(pattern, text)
    if found is None:
        raise ValueError(f"nothing in docs is {pattern}")
    return float(found[1].replace(",", ""))


def _mean_delta(space: str) -> float:
    """Return the mean size of the real pages that are stored as deltas, in bytes."""
    sizes = re.findall(r"^\| \d+ \| \d{4}-\d\d-\d\d \|.*\| ([\d,]+) \| 0\.\d+ \|$", space, re.MULTILINE)
    return statistics.mean(float(size.replace(",", "")) for size in sizes)


def report(assumed: Assumed, found: Measured) -> str:
    """Return the part of the document."""
    posts = assumed.accounts * assumed.posts_a_year * assumed.years
    captures = posts * assumed.captures_of_a_post
    tables = table_bytes(posts, captures, found)
    database = sum(tables.values()) / 1e12
    disk = database / (1 - assumed.free_share)
    pictures = posts * assumed.pictures_of_a_post * assumed.picture_kb * 1e3 / 1e12
    return _TEXT.format(
        **vars(assumed),
        **vars(found),
        **_requests(assumed, found, posts, captures),
        **_prices(assumed, _egresses(assumed, posts, captures), pictures, disk),
        posts=posts,
        captures=captures,
        captures_a_month=captures / assumed.years / MONTHS_A_YEAR,
        tables="\n".join(f"| {name} | {size / 1e12:.2f} |" for name, size in tables.items()),
        database=database,
        disk=disk,
        largest=max(tables.values()) / 1e12,
        most=POSTGRES_TABLE_TB,
        bodies=tables[BODIES] / 1e12,
        pictures=pictures,
    )


def table_bytes(posts: int, captures: int, found: Measured) -> dict[str, float]:
    """Return the bytes of tables with their indexes by what they hold."""
    return {
        BODIES: captures * found.page_bytes,
        "captures": captures * found.capture_bytes,
        "posts and versions": posts * found.post_bytes,
        "text for search, with its index": posts * found.search_bytes,
        "hash chains": posts * found.chain_bytes,
    }


def _rates(assumed: Assumed, posts: int, captures: int) -> tuple[float, float, float]:
    """Return requests a minute: pages at their peak, checks for new posts, pictures."""
    minutes = assumed.years * MINUTES_A_YEAR
    checks = assumed.accounts * assumed.checks_a_day / (24 * 60)
    return captures / minutes * assumed.peak, checks, posts * assumed.pictures_of_a_post / minutes


def _egresses(assumed: Assumed, posts: int, captures: int) -> tuple[int, ...]:
    """Return how many egresses these requests need at the usual pace."""
    return tuple(max(1, math.ceil(rate / PACE)) for rate in _rates(assumed, posts, captures))


def _requests(assumed: Assumed, found: Measured, posts: int, captures: int) -> dict[str, float]:
    pages, checks, pictures = _rates(assumed, posts, captures)
    needed = _egresses(assumed, posts, captures)
    return {
        "pages_a_minute": pages / assumed.peak,
        "checks_a_minute": checks,
        "pictures_a_minute": pictures,
        "for_pages": needed[0],
        "for_checks": needed[1],
        "for_pictures": needed[2],
        "egresses": sum(needed),
        "pace": PACE,
        "cores": (pages * found.page_ms + checks * found.check_ms) / 60_000,
    }


def _prices(assumed: Assumed, egresses: Sequence[int], pictures: float, disk: float) -> dict[str, float]:
    storage = pictures * assumed.storage_price_tb
    besides = sum(egresses) * assumed.egress_price + storage
    return {
        "for_egresses": sum(egresses) * assumed.egress_price,
        "for_storage": storage,
        "own": assumed.server_price + besides,
        "managed": assumed.managed_price + disk * assumed.managed_price_tb + besides,
    }


_TEXT = """## {accounts:,} accounts

Written by `python -m bench.arithmetic` from the measurements in these documents and from the assumptions
that the script names; a test compares it with them. {accounts:,} accounts for {years} years, each with
{posts_a_year} posts a year whose pages are captured {captures_of_a_post} times, are {posts:,} posts and
{captures:,} captures. The partition of a month has {captures_a_month:,.0f} of them.

| in the database after {years} years | TB |
|---|---|
{tables}
| together | {database:.2f} |
| disk, {free_share:.0%} of it free | {disk:.1f} |

Rows of media and links are not counted. The largest table has {largest:.1f} TB; PostgreSQL allows {most}.
{pictures_of_a_post} pictures of {picture_kb} kB a post are {pictures:.0f} TB: they belong in object storage
(`MPARCHIVE_MEDIA`), not on the server.

| requests | a minute | egresses at the usual pace of {pace:.0f} a minute |
|---|---|---|
| pages | {pages_a_minute:.0f} | {for_pages}, at {peak} times this rate |
| checks for new posts, {checks_a_day} a day | {checks_a_minute:.0f} | {for_checks}, if all go to WeChat |
| pictures | {pictures_a_minute:.0f} | {for_pictures} |
| together | | {egresses} |

At {page_ms:.0f} ms of processor time a page and {check_ms:,.0f} ms a check this takes at most {cores:.1f}
cores; the daemon starts checks from a process that has imported everything, so it takes less. Feeds and
publishing backends are other servers with limits of their own: where they list new posts, fewer egresses
are needed.

| a month | assumed price, US$ |
|---|---|
| a dedicated server with 16 cores, 128 GB and two disks of 7.7 TB | {server_price:,} |
| {egresses} egresses | {for_egresses:,} |
| {pictures:.0f} TB of object storage, once they are full | {for_storage:,.0f} |
| together | {own:,.0f} |
| the same with Postgres as a service instead of the server | {managed:,.0f} |

What has to change for it:

- A larger server, Postgres as a service, object storage for media, more workers and egresses: settings, no
  code. The archive needs no extension of PostgreSQL, no superuser and no file on the server
  ([database-roles.md](adr/database-roles.md)).
- Bodies in object storage: `archive/repository/bodies.py` reads and writes them in the transaction of their
  capture. It would have to upload a body before it commits, and to remove what no row names. The
  {bodies:.1f} TB here do not need it.
- Citus, which distributes tables over several servers: `posts`, `versions`, `addresses` and hash chains can
  be distributed by account. `captures` and `bodies` cannot yet: a capture has no account before it is
  parsed, and a body belongs to every capture with its hash. Captures would have to carry the account that
  they were asked for, and unique constraints and foreign keys the column of distribution: a migration, and
  the statements of `archive/repository/captures.py`.
"""


if __name__ == "__main__":
    main()
