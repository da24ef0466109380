"""Measure how the times of pages that operation asks for often grow: `python -m bench.scaling [CAPTURES]`.

Two archives are filled by SQL, one with 10,000 captures and one with CAPTURES; each page is requested from
the web interface. The result is a part of docs/reference/performance.md.
"""

import statistics
import sys
import time
from collections.abc import Sequence

from bench.filled import filled_web
from bench.report import machine, today, write_part
from tests.web.served import Served

SMALL, LARGE = 10_000, 1_000_000  # captures
PATHS = ("/metrics", "/readyz", "/api/v1/status", "/api/v1/accounts", "/health", "/changes", "/")
REQUESTS = 15  # of each path; the first are slower, and the median leaves them out
MOST_SECONDS = 0.2  # for the pages that a monitoring system asks for every few seconds
ASKED_OFTEN = ("/metrics", "/readyz")
Times = dict[str, float]


def main(arguments: Sequence[str]) -> None:
    """Measure, write the part of the report, and fail when a page that is asked for often is slow."""
    large = int(arguments[0]) if arguments else LARGE
    before, after = _measured(SMALL), _measured(large)
    write_part(_report(large, before, after))
    slow = [path for path in ASKED_OFTEN if after[path] > MOST_SECONDS]
    sys.exit(f"over {MOST_SECONDS * 1000:.0f} ms: {', '.join(slow)}" if slow else 0)


def _measured(captures: int) -> Times:
    """Return the median seconds of each path in an archive of so many captures."""
    with filled_web(captures) as (web, _):
        return {path: statistics.median(_times(web, path)) for path in PATHS}


def _times(web: Served, path: str) -> list[float]:
    times = []
    for _ in range(REQUESTS):
        web.seconds += 60  # the rate limit
        start = time.perf_counter()
        web.ask("GET", path)
        times.append(time.perf_counter() - start)
    return times


def _report(captures: int, before: Times, after: Times) -> str:
    rows = "\n".join(_row(path, before[path], after[path]) for path in PATHS)
    return _TEXT.format(
        day=today(), machine=machine(), small=SMALL, large=captures, requests=REQUESTS, rows=rows
    )


def _row(path: str, before: float, after: float) -> str:
    return f"| `{path}` | {before * 1000:.0f} | {after * 1000:.0f} | {after / before:.1f} |"


_TEXT = """## Growth with the size of the archive

Written by `python -m bench.scaling` ({day}). Machine: {machine}.
Milliseconds until a page was answered, median of {requests} requests, in two made-up archives: {small:,} and
{large:,} captures, with two addresses due for three captures and a post for six.

| page | at {small:,} | at {large:,} | ratio |
|---|---|---|---|
{rows}
"""


if __name__ == "__main__":
    main(sys.argv[1:])
