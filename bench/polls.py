"""Measure a check of a feed that has nothing new: `python -m bench.polls [POSTS ...]`.

The installed command checks a feed on loopback in archives of several sizes, filled by SQL. Statements are
counted in the server's log. The result is a part of docs/reference/performance.md.
"""

import hashlib
import re
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
from sqlalchemy import Engine, text

from archive.db.embedded_server import embedded_postgres
from archive.db.engine import open_archive
from archive.db.settings import ArchiveSettings
from bench.bulk import run_command
from bench.filled import as_superuser
from bench.pages import CAPTURES_PER_POST, server_seconds
from bench.report import machine, today, write_part
from tests.crawler.loopback import Loopback, Reply
from tests.plans.large_archive import BIZ, Sizes, fill

SIZES = (1_000, 100_000)  # posts
MOST_GROWTH = 1.2  # from the smallest archive to the largest
WARMING, ROUNDS = 2, 7  # checks; the first ones store what the feed has
POSTS = range(50, 550, 50)  # numbers of posts of the first account
_STATEMENT = re.compile(r"^.*LOG:  (?:statement|execute [^:]*): ", re.MULTILINE)


@dataclass(frozen=True)
class Poll:
    """What a check takes: statements, requests, milliseconds of processor time of command and Postgres."""

    statements: float
    requests: float
    command_ms: float
    server_ms: float


def main(arguments: Sequence[str]) -> None:
    """Measure, write the part of the report, and fail when a check costs more in a larger archive."""
    sizes = [int(argument) for argument in arguments] or list(SIZES)
    polls = {size: _measured(size) for size in sizes}
    write_part(_report(polls))
    small, large = polls[min(sizes)], polls[max(sizes)]
    grown = [name for name in vars(small) if getattr(large, name) > MOST_GROWTH * getattr(small, name)]
    sys.exit(f"grows with the archive: {', '.join(grown)}" if grown else 0)


def _measured(posts: int) -> Poll:
    with tempfile.TemporaryDirectory() as given, Loopback() as server:
        home, address = Path(given), f"{server.url}/feed.xml"
        server.serve("/feed.xml", Reply(_RSS, headers={"Content-Type": "application/rss+xml; charset=utf-8"}))
        (home / "mparchive.toml").write_text(
            f'[[accounts]]\nbiz = "{BIZ}"\nname = "合成"\nfeeds = ["{address}"]\n'
        )
        with embedded_postgres(home) as url, open_archive(ArchiveSettings(database_url=url)):
            with as_superuser(url) as superuser:
                fill(superuser, Sizes.of_captures(posts * CAPTURES_PER_POST))
                _log_statements(superuser)
            polls = [_one(home, server.asked) for _ in range(WARMING + ROUNDS)][WARMING:]
    columns = zip(*(vars(one).values() for one in polls), strict=True)
    return Poll(*map(statistics.median, columns))


def _log_statements(superuser: Engine) -> None:
    with superuser.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ALTER SYSTEM SET log_statement = 'all'"))
        connection.execute(text("SELECT pg_reload_conf()"))


def _one(home: Path, requested: Sequence[object]) -> Poll:
    log = home / "postgres" / "log"
    server = psutil.Process(int((home / "postgres" / "postmaster.pid").read_text().split()[0]))
    begun, asked, spent = log.stat().st_size, len(requested), server_seconds(server)
    command = run_command(home, "discover", "--only", "feed")
    said = log.read_bytes()[begun:].decode("utf-8", "replace")
    return Poll(
        len(_STATEMENT.findall(said)),
        len(requested) - asked,
        command.cpu * 1000,
        (server_seconds(server) - spent) * 1000,
    )


def _item(number: int) -> str:
    address = f"https://mp.weixin.qq.com/s?__biz={BIZ}&amp;mid={1_000_000 + number}&amp;idx=1"
    sn = hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest()
    return f"<item><title>合成标题{number}</title><link>{address}&amp;sn={sn}</link></item>"


_ITEMS = "".join(map(_item, POSTS))

_RSS = f'<rss version="2.0"><channel><title>合成</title>{_ITEMS}</channel></rss>'.encode()


def _report(polls: dict[int, Poll]) -> str:
    rows = "\n".join(
        f"| {size:,} | {poll.statements:.0f} | {poll.requests:.0f} | {poll.command_ms:.0f} "
        f"| {poll.server_ms:.0f} |"
        for size, poll in polls.items()
    )
    return f"""## A check that finds nothing new

Written by `python -m bench.polls` ({today()}). Machine: {machine()}.
`mparchive discover --only feed` checks a feed of {len(POSTS)} archived posts, median of {ROUNDS}; the
command's start is included. Target: at most {MOST_GROWTH} times as much in the largest archive as in the
smallest.

| posts | statements | requests | processor time of the command, ms | of Postgres, ms |
|---|---|---|---|---|
{rows}
"""


if __name__ == "__main__":
    main(sys.argv[1:])
