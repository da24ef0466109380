"""Measure one worker and four, each with an outgoing connection of its own: `python -m bench.workers`.

The workers are the installed command in network namespaces on one Postgres server, whose archive was
filled by SQL. The delay between two requests of an egress is what bounds. The result is a part of
docs/reference/performance.md. Needs root, ip and iptables.
"""

import argparse
import os
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from archive.db.embedded_server import embedded_postgres
from archive.db.engine import open_archive
from archive.db.settings import ArchiveSettings
from archive.repository.claims import WORKER_LIVES
from bench.egresses import HERE, Unsupported, network
from bench.filled import as_superuser
from bench.posts import write_posts
from bench.report import machine, today, write_part
from bench.running_workers import A_CRAWL, CONFIG, Fetched, LockWaits, Setup, Takeover, killed
from scheduler.config import Limits
from tests.plans.large_archive import Sizes, fill
from tests.standin import Standin
from tests.standin.pages import LIGHT

WORKERS = 4
DELAY = 2.0  # seconds between two requests of an egress (MPARCHIVE_DOWNLOAD_DELAY; 6 unless set)
LEAST_DISTANCE = 0.8 * DELAY  # the delay varies by 15 %; the rest is the way of a request to the server
LEAST_RATIO, MOST_TAKEOVER, MOST_LOCK_WAIT = 3.6, 60.0, 0.1  # times, seconds, seconds
LEFT_BY_KILLED = 60  # addresses due when a worker is killed: the claims of three workers


def main() -> None:
    """Measure, write the part of the report, and fail when a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.workers", description=__doc__)
    parser.add_argument("--accounts", type=int, default=1000)
    parser.add_argument("--posts", type=int, default=1_000_000)
    parser.add_argument("--captures", type=int, default=3_000_000, help="at least twice as many as posts")
    parser.add_argument("--seconds", type=float, default=120.0, help="with one worker, and with four")
    options = parser.parse_args()
    sizes = Sizes(
        captures=options.captures, due=0, runs=options.posts // 10, posts=options.posts,
        accounts=options.accounts, media=0, incidents=1000,
    )  # fmt: skip
    try:
        found = _measure(sizes, options.seconds)
    except Unsupported as reason:
        sys.exit(str(reason))
    text = report(sizes, found)
    sys.stdout.write(text)
    write_part(text)
    sys.exit("\n".join(found.problems) or 0)


@dataclass(frozen=True)
class Found:
    """All that was measured."""

    one: Fetched
    many: Fetched
    takeover: Takeover
    waits: Sequence[float]  # seconds, of each wait for a lock that was seen
    samples: int
    load: float  # of the machine, in the minute before the end

    @property
    def ratio(self) -> float:
        """Return the pages a minute of all workers over those of one."""
        return self.many.rate / self.one.rate

    @property
    def least_distance(self) -> float:
        """Return the smallest time between two requests of one client address."""
        return min([*self.one.distances.values(), *self.many.distances.values()])

    @property
    def repeated(self) -> int:
        """Return how many posts were fetched twice."""
        return len(self.one.repeated) + len(self.many.repeated)

    @property
    def problems(self) -> list[str]:
        """Return the targets that were missed."""
        missed = {
            f"{self.ratio:.2f} times as many pages, not {LEAST_RATIO}": self.ratio < LEAST_RATIO,
            f"two requests {self.least_distance:.2f} s apart": self.least_distance < LEAST_DISTANCE,
            f"{self.repeated} posts fetched twice": self.repeated > 0,
            f"{self.takeover.repeated} posts fetched twice after a kill": self.takeover.repeated > 1,
            f"taken over after {self.takeover.first:.0f} s": self.takeover.first > MOST_TAKEOVER,
            "locks waited for too long": bool(self.waits) and statistics.median(self.waits) > MOST_LOCK_WAIT,
        }
        return [what for what, is_missed in missed.items() if is_missed]


def _measure(sizes: Sizes, seconds: float) -> Found:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mparchive-workers-")))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        exits = stack.enter_context(network(WORKERS, port))
        url = stack.enter_context(embedded_postgres(folder))
        stack.enter_context(open_archive(ArchiveSettings(database_url=url)))
        engine = stack.enter_context(as_superuser(url))
        began = time.monotonic()
        fill(engine, sizes)
        sys.stderr.write(f"filled in {time.monotonic() - began:.0f} s\n")
        (folder / "mparchive.toml").write_text(CONFIG, encoding="utf-8")
        pages = (WORKERS + 1) * Limits().pages_a_crawl + int(2 * WORKERS * seconds / DELAY)
        addresses = write_posts(folder / "dump.json", pages + LEFT_BY_KILLED)
        listening = Standin(host=HERE, port=port, dump=folder / "dump.json", weight=LIGHT)
        standin = stack.enter_context(listening)
        environment = {
            **os.environ,
            "MPARCHIVE_HOME": str(folder),
            "MPARCHIVE_CONFIG": str(folder / "mparchive.toml"),
            "MPARCHIVE_DATABASE_URL": url,
            "MPARCHIVE_LOOPBACK": f"http://127.0.0.1:{port}",
            "MPARCHIVE_DOWNLOAD_DELAY": str(DELAY),
        }
        setup = Setup(folder, engine, standin, exits, environment)
        setup.add(addresses[:pages])
        stack.push(lambda kind, *_: setup.show_logs() if kind else None)
        one = setup.measured(1, seconds)
        sys.stderr.write(f"one worker: {one.rate:.1f} pages a minute\n")
        with LockWaits(engine) as locks:
            many = setup.measured(WORKERS, seconds)
        sys.stderr.write(f"{WORKERS} workers: {many.rate:.1f} pages a minute\n")
        takeover = killed(setup, addresses[pages:])
        waits = list(locks.waits.values())
        return Found(one, many, takeover, waits, locks.samples, os.getloadavg()[0])


def report(sizes: Sizes, found: Found) -> str:
    """Return the part of the report."""
    clients = "\n".join(
        f"| {client} | {len(found.many.by_client[client])} | {distance:.2f} s |"
        for client, distance in sorted(found.many.distances.items())
    )
    if found.waits:
        waits = (
            f"{len(found.waits)} waits, {statistics.median(found.waits) * 1000:.0f} ms at the median, "
            f"{max(found.waits) * 1000:.0f} ms at most"
        )
    else:
        waits = "none seen"
    return _TEXT.format(
        day=today(),
        machine=machine(),
        load=found.load,
        sizes=sizes,
        workers=WORKERS,
        others=WORKERS - 1,
        delay=DELAY,
        seconds=found.many.seconds,
        one=found.one.rate,
        many=found.many.rate,
        ratio=found.ratio,
        least=LEAST_RATIO,
        clients=clients,
        repeated=found.repeated,
        waits=waits,
        samples=found.samples,
        left=LEFT_BY_KILLED,
        crawl=A_CRAWL,
        takeover=found.takeover,
        first=f"{found.takeover.first:.0f} s",
        most=f"at most {MOST_TAKEOVER:.0f} s",
        most_wait=MOST_LOCK_WAIT * 1000,
        least_distance=LEAST_DISTANCE,
        lives=WORKER_LIVES.total_seconds(),
    )


_TEXT = """## Several workers

Written by `python -m bench.workers` ({day}). Machine: {machine}, load average {load:.0f}.
`mparchive run` and {others} `mparchive worker` on one Postgres server, each in a network namespace of its own
with its own address and `MPARCHIVE_EGRESS`, and the stand-in answering all. The archive was filled by SQL:
{sizes.accounts:,} accounts, {sizes.posts:,} posts, {sizes.captures:,} captures with small bodies. What bounds
is `MPARCHIVE_DOWNLOAD_DELAY={delay:.0f}`; all other settings are the usual ones. Each part took
{seconds:.0f} s from when all workers fetched.

| | | target |
|---|---|---|
| pages a minute, one worker | {one:.1f} | |
| pages a minute, {workers} workers | {many:.1f} | |
| ratio | {ratio:.2f} | at least {least} |
| posts fetched twice | {repeated} | 0 |
| waits for a lock in the database, in {samples:,} samples | {waits} | median at most {most_wait:.0f} ms |
| from `kill -9` of a worker to another's first request for what it had claimed | {first} | {most} |
| to the last one | {takeover.last:.0f} s | |
| posts fetched twice after that | {takeover.repeated} | at most the one under way |

Politeness, from the stand-in's own log, with {workers} workers; at least {least_distance:.1f} s are wanted:

| client address | requests | smallest distance |
|---|---|---|
{clients}

A worker was killed while {left} addresses were due, with `pages_a_crawl = {crawl}`, so that the others had
nothing left to do: it had claimed {takeover.claimed} that it had not fetched. What a worker claimed is free
once its egress is not locked and its last heartbeat is {lives:.0f} s old.
"""


if __name__ == "__main__":
    main()
