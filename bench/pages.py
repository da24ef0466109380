"""Measure the processor time that the server needs for each page: `python -m bench.pages [POSTS]`.

Two archives are filled by SQL, one with 165 posts and one with POSTS. The time is that of the web process and
of Postgres together, in which no other client works. The result is a part of docs/reference/performance.md.
"""

import os
import sys
import time
from collections.abc import Sequence
from urllib.parse import quote

import psutil

from bench.filled import filled_web
from bench.report import machine, today, write_part
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


if __name__ == "__main__":
    main(sys.argv[1:])
