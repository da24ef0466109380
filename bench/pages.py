"""Measure the processor time that the server needs for each page: `python -m bench.pages [POSTS]`.

Two archives are filled by SQL, one with 165 posts and one with POSTS. The time is that of the web process and
of Postgres together, in which no other client works. The result is a part of docs/reference/performance.md.

`python -m bench.pages --against CHECKOUT [POSTS]` compares with another state of the program, in a folder
with a `.venv` of its own (`git worktree add CHECKOUT COMMIT`, then `bin/setup` there): both import the same
dump of POSTS made-up posts (165) and serve it at the same time, and each page is asked of both in turn.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote

import psutil
from sqlalchemy import URL, text

from archive.db.embedded_server import DATABASE, SUPERUSER
from archive.db.engine import engine_at
from archive.domain.addresses import canonical_url
from archive.domain.records import Record
from bench.filled import filled_web
from bench.made_up_texts import MadeUpTexts
from bench.report import REPORT, machine, today, write_part
from bench.ways import ROOT
from tests.plans.large_archive import BIZ
from tests.web.served import Served

SMALL, LARGE = 165, 100_000  # posts
CAPTURES_PER_POST = 6  # as in every archive that tests.plans.large_archive fills
ACCOUNT, POST = f"/accounts/{BIZ}", f"/posts/{BIZ}/1000050_1"
WORDS = quote("合成")  # in every post
MOST_MS = 100
BOUNDED = ("/health", f"{ACCOUNT}/gaps", f"{ACCOUNT}/calendar", "/accounts")
PATHS = (
    *(
        "/",
        ACCOUNT,
        POST,
        f"{POST}/history",
        "/changes",
        f"/search?q={WORDS}",
        f"/search?q={WORDS}&order=relevance",
    ),
    *(*BOUNDED, f"{ACCOUNT}/sources", f"/compare?account={BIZ}"),
)
WARMING, REQUESTS = 4, 15  # of each path; the first ones, of which statements are planned, do not count
Times = dict[str, tuple[float, float]]


def main(arguments: Sequence[str]) -> None:
    """Measure, write the part of the report, and fail when a page needs more than it may."""
    if arguments[:1] == ["--against"]:
        posts = int(arguments[2]) if arguments[2:] else SMALL
        slower = compare(Path(arguments[1]).resolve(), ROOT, posts)
        sys.exit(f"slower: {', '.join(slower)}" if slower else 0)
    large = int(arguments[0]) if arguments else LARGE
    before, after = _measured(SMALL), _measured(large)
    write_part(_report(large, before, after))
    slow = [path for path in BOUNDED if sum(after[path]) > MOST_MS]
    sys.exit(f"over {MOST_MS} ms: {', '.join(slow)}" if slow else 0)


def _measured(posts: int) -> Times:
    """Return for each path the milliseconds of the web process and of Postgres, with so many posts."""
    with filled_web(posts * CAPTURES_PER_POST) as (web, home):
        server = psutil.Process(int((home / "postgres" / "postmaster.pid").read_text().split()[0]))
        return {path: _times(web, server, path) for path in PATHS}


def _times(web: Served, server: psutil.Process, path: str) -> tuple[float, float]:
    for _ in range(WARMING):
        _ask(web, path)
    ours, theirs = time.process_time(), server_seconds(server)
    for _ in range(REQUESTS):
        _ask(web, path)
    spent = (time.process_time() - ours, server_seconds(server) - theirs)
    return spent[0] * 1000 / REQUESTS, spent[1] * 1000 / REQUESTS


def _ask(web: Served, path: str) -> None:
    web.seconds += 60  # the rate limit
    if (answer := web.ask("GET", path)).status not in {200, 404}:  # the small archive lacks the post
        sys.exit(f"{path}: {answer.status}")


def server_seconds(server: psutil.Process) -> float:
    """Return the processor time of Postgres, of its processes that have ended as well."""
    own = server.cpu_times()
    living = sum(sum(one.cpu_times()[:2]) for one in server.children())
    return float(own.user + own.system + own.children_user + own.children_system + living)


def _report(posts: int, before: Times, after: Times) -> str:
    rows = "\n".join(_row(path, before[path], after[path]) for path in PATHS)
    return _TEXT.format(
        day=today(),
        machine=machine(),
        load=os.getloadavg()[1],
        small=SMALL,
        large=posts,
        requests=REQUESTS,
        rows=rows,
    )


def _row(path: str, before: tuple[float, float], after: tuple[float, float]) -> str:
    limit = f"at most {MOST_MS}" if path in BOUNDED else ""
    shown = path.replace(BIZ, "BIZ").replace(WORDS, "合成")
    return f"| `{shown}` | {sum(before):.0f} | {sum(after):.0f} | {after[0]:.0f} + {after[1]:.0f} | {limit} |"


_TEXT = """## Processor time of the web pages

Written by `python -m bench.pages` ({day}). Machine: {machine},
load average {load:.0f}: a busy machine needs more time for the same work.
Milliseconds of processor time for a request, mean of {requests}, in two made-up archives: {small:,} and
{large:,} posts of 50 accounts, with four other addresses for each post. The client's part is included.

| page | at {small:,} posts | at {large:,} posts | of these web process + Postgres | target |
|---|---|---|---|---|
{rows}
"""


COMPARED = (
    *("/", ACCOUNT, "/accounts", f"/search?q={WORDS}", f"/search?q={WORDS}&order=relevance"),
    *("/health", f"{ACCOUNT}/gaps", f"{ACCOUNT}/calendar"),
    *(f"/posts/{BIZ}/NEWEST{view}" for view in ("", "/page", "/history", "/captures")),
)
LAST_LETTERS = "Qgw"  # of the compared archives' accounts, before the padding
ACCOUNTS = POSTS_A_DAY = len(LAST_LETTERS)
ROUNDS, ASKED = 20, 10  # requests of one side before the other is asked
START_TIME = 120  # seconds for a server to answer after a dump was imported
_TOO_MANY_REQUESTS = 429


@dataclass(frozen=True, slots=True)
class Side:
    """One of the compared states of the program: its port, its web process, and its Postgres."""

    port: int
    web: psutil.Process
    server: psutil.Process

    def ask(self, path: str) -> int:
        """Ask ASKED times for a page, and return its bytes; wait where the server says so."""
        connection, answered, size = HTTPConnection("127.0.0.1", self.port, timeout=START_TIME), 0, 0
        while answered < ASKED:
            connection.request("GET", path)
            answer = connection.getresponse()
            size = len(answer.read())
            if answer.status == _TOO_MANY_REQUESTS:
                time.sleep(float(answer.headers["Retry-After"]))
                connection.close()  # the server has closed it too
            elif answer.status != 200:
                sys.exit(f"{path}: {answer.status}")
            else:
                answered += 1
        connection.close()
        return size

    def seconds(self) -> tuple[float, float]:
        """Return the processor time so far of the web process and of Postgres."""
        times = self.web.cpu_times()
        return times.user + times.system, server_seconds(self.server)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a page costs: milliseconds of the web process and of Postgres for a request, and its bytes."""

    web: float
    server: float
    size: int

    @property
    def total(self) -> float:
        """Return the milliseconds of both."""
        return self.web + self.server


def compare(
    before: Path, after: Path, posts: int, rounds: int = ROUNDS, report: Path = REPORT
) -> Sequence[str]:
    """Compare two checkouts, write the part of the report, and return the pages that became slower."""
    with tempfile.TemporaryDirectory() as folder:
        dump = Path(folder) / "dump.json"
        newest = write_dump(dump, posts)
        with (
            _serving(before, Path(folder) / "before", dump) as old,
            _serving(after, Path(folder) / "after", dump) as new,
        ):
            paths = [path.replace("NEWEST", newest) for path in COMPARED]
            costs = {path: _costs(old, new, path, rounds) for path in paths}
    write_part(_comparison(before, posts, rounds, costs), report)
    return [path for path, (was, now) in costs.items() if now.total > was.total]


def write_dump(dump: Path, posts: int) -> str:
    """Write a dump of posts of three accounts, and return the aid of the first account's newest."""
    texts, last = MadeUpTexts(), date(2025, 11, 11)
    records = []
    for number in range(posts):
        biz = f"{BIZ[:-3]}{LAST_LETTERS[number % ACCOUNTS]}=="
        mid, day = str(2_650_000_000 + posts - number), last - timedelta(days=number // POSTS_A_DAY)
        url = canonical_url(biz, mid, "1", f"{number:032x}", f"{number:084x}")
        text = f"{texts.text(number)}\r合成"
        account = f"合成账号{number % ACCOUNTS}"
        records.append(Record(f"{mid}_1", texts.title(number), url, day.isoformat(), account, text))
    dump.write_text(json.dumps([one.as_dict() for one in records], ensure_ascii=False), encoding="utf-8")
    return records[0].aid


@contextmanager
def _serving(checkout: Path, home: Path, dump: Path) -> Iterator[Side]:
    """Import a dump with the program of a checkout, and serve it."""
    command = str(checkout / ".venv" / "bin" / "mparchive")
    environment = {**os.environ, "MPARCHIVE_HOME": str(home), "PYTHONPATH": ""}
    options = {"env": environment, "cwd": home.parent}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run([command, "backfill", "--no-fetch", str(dump)], check=True, **options, **quiet)  # type: ignore[call-overload]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with subprocess.Popen([command, "serve", "--port", str(port)], **options, **quiet) as web:  # type: ignore[call-overload]
        try:
            _wait_for(port)
            lines = (home / "postgres" / "postmaster.pid").read_text().splitlines()
            _analyze(host=lines[4], port=lines[3])
            yield Side(port, psutil.Process(web.pid), psutil.Process(int(lines[0])))
        finally:
            web.terminate()


def _wait_for(port: int) -> None:
    """Wait until a server answers; it listens before its database has started."""
    until = time.monotonic() + START_TIME
    while True:
        connection = HTTPConnection("127.0.0.1", port, timeout=START_TIME)
        try:
            connection.request("GET", "/livez")
            connection.getresponse().read()
        except ConnectionRefusedError:
            if time.monotonic() > until:
                sys.exit("a server did not start")
            time.sleep(0.1)
        else:
            return
        finally:
            connection.close()


def _analyze(host: str, port: str) -> None:
    """Give both the statistics of their tables, and leave the autovacuum nothing to do meanwhile."""
    url = URL.create("postgresql", SUPERUSER, database=DATABASE, query={"host": host, "port": port})
    engine = engine_at(url)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    engine.dispose()


def _costs(old: Side, new: Side, path: str, rounds: int) -> tuple[Cost, Cost]:
    sizes = [side.ask(path) for side in (old, new)]
    spent = [[0.0, 0.0], [0.0, 0.0]]
    for _ in range(rounds):
        for side, total in zip((old, new), spent, strict=True):
            before = side.seconds()
            side.ask(path)
            for place, (first, last) in enumerate(zip(before, side.seconds(), strict=True)):
                total[place] += (last - first) * 1000 / (rounds * ASKED)
    was, now = (Cost(web, server, size) for (web, server), size in zip(spent, sizes, strict=True))
    return was, now


def _comparison(before: Path, posts: int, rounds: int, costs: dict[str, tuple[Cost, Cost]]) -> str:
    shown = ["git", "-C", str(before), "show", "--no-patch", "--format=%h of %cs", "--abbrev=8", "HEAD"]
    return _COMPARISON.format(
        commit=subprocess.run(shown, check=True, capture_output=True, text=True).stdout.strip(),
        day=today(),
        machine=machine(),
        load=os.getloadavg()[1],
        posts=posts,
        requests=rounds * ASKED,
        asked=ASKED,
        rows="\n".join(_compared_row(path, was, now) for path, (was, now) in costs.items()),
    )


def _compared_row(path: str, was: Cost, now: Cost) -> str:
    shown = path.replace(BIZ, "BIZ").replace(WORDS, "合成")
    return (
        f"| `{shown}` | {was.total:.1f} | {now.total:.1f} | {now.total / was.total:.2f} "
        f"| {now.web:.1f} + {now.server:.1f} | {was.size:,} | {now.size:,} |"
    )


_COMPARISON = """## Processor time of the web pages, before and after, with {posts:,} posts

Written by `python -m bench.pages` against a checkout of {commit} ({day}). Machine: {machine},
load average {load:.0f}. Both states imported the same dump of {posts:,} made-up posts and served it at the
same time; each page was asked of one and of the other in turn. Milliseconds of processor time for a request
of the web process and of Postgres, mean of {requests}; the client's part is not included. Before that each
page was asked {asked} times: statements are planned and dates formatted then, and what is remembered of texts
that do not change is there.

| page | before | after | ratio | of these web process + Postgres | bytes before | bytes after |
|---|---|---|---|---|---|---|
{rows}
"""


if __name__ == "__main__":
    main(sys.argv[1:])
