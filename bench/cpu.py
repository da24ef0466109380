"""Measure the processor time of a page, all processes together: `python -m bench.cpu [--rounds N]`.

Each way fetches a few pages and then many; the difference is the cost of a page, the rest is start-up. Then
each runs pinned to one core, with the stand-in on another, and with all cores.
"""

import argparse
import os
import resource
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from archive.db.engine import open_archive
from archive.db.settings import ArchiveSettings
from bench.posts import write_posts
from bench.report import machine, today, write_part
from bench.ways import Way, bare_scrapy, full_crawl
from tests.standin import Standin

WEIGHT = 2_500_000  # bytes of script in a page: the size of real ones
FEW = 30  # pages, with which start-up is measured
WAYS: dict[str, Way] = {"bare Scrapy": bare_scrapy, "mparchive": full_crawl}
MOST_CPU = 1.6  # of bare Scrapy's processor time for a page
LEAST_PINNED, LEAST_FREE = 0.6, 0.9  # of bare Scrapy's pages a second


@dataclass(frozen=True)
class Measured:
    """Of one way in one round: milliseconds of processor time for a page and for start-up, pages a second."""

    page_ms: float
    startup_ms: float
    pinned: float
    free: float


Round = dict[str, Measured]


def main() -> None:
    """Measure in rounds, each way once per round, and write the medians and the spread."""
    parser = argparse.ArgumentParser(prog="python -m bench.cpu", description=__doc__)
    parser.add_argument("--pages", type=int, default=150, help="pages per way and round")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    rounds: list[Round] = []
    with tempfile.TemporaryDirectory() as given:
        dump = Path(given) / "dump.json"
        addresses = write_posts(dump, options.pages)
        with Standin(weight=WEIGHT, dump=dump) as standin:
            for number in range(options.rounds):
                place = Path(given) / str(number)
                rounds.append(
                    {name: _measure(way, standin, addresses, place / name) for name, way in WAYS.items()}
                )
                sys.stderr.write(f"round {number + 1}: {_line(rounds[-1])}\n")
    write_part(_report(options, rounds))
    sys.exit(_missed(rounds) or 0)


def _measure(way: Way, standin: Standin, addresses: list[str], folder: Path) -> Measured:
    _, few = _run(way, standin, addresses[:FEW], folder / "few")
    free, many = _run(way, standin, addresses, folder / "many")
    page = (many - few) / (len(addresses) - FEW)
    with _pinned(psutil.Process(standin.pid)):
        pinned, _ = _run(way, standin, addresses, folder / "pinned")
    return Measured(page * 1000, (few - FEW * page) * 1000, pinned, free)


def _run(way: Way, standin: Standin, addresses: list[str], folder: Path) -> tuple[float, float]:
    """Run a way; its pages a second, and seconds of processor time of it and its Postgres."""
    folder.mkdir(parents=True)
    home = folder / "home"
    with ExitStack() as stack:
        if way is full_crawl:  # the server stays, so that its time can be read afterwards
            stack.enter_context(open_archive(ArchiveSettings(home=home, database_url="")))
        before = _child_seconds() + _server_seconds(home)
        rate = way(standin.origin, addresses, folder)
        return rate, _child_seconds() + _server_seconds(home) - before


def _child_seconds() -> float:
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def _server_seconds(home: Path) -> float:
    """Return the time of a Postgres server, if there is one, and of all its processes, ended ones as well."""
    file = home / "postgres" / "postmaster.pid"
    if not file.exists():
        return 0.0
    number = int(file.read_text().partition("\n")[0])
    server = psutil.Process(number)
    own = server.cpu_times()
    ended = own.children_user + own.children_system
    living = sum(sum(one.cpu_times()[:2]) for one in server.children())
    return float(own.user + own.system + ended + living)


@contextmanager
def _pinned(standin: psutil.Process) -> Iterator[None]:
    """Keep this process and what it starts on the first core, the stand-in on the others."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[:1])
    standin.cpu_affinity(cores[1:] or cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)
        standin.cpu_affinity(cores)


def _line(found: Round) -> str:
    return ", ".join(
        f"{name} {one.page_ms:.1f} ms a page, {one.free:.1f} pages/s" for name, one in found.items()
    )


def _ratios(rounds: list[Round], value: Callable[[Measured], float]) -> list[float]:
    return [value(found["mparchive"]) / value(found["bare Scrapy"]) for found in rounds]


def _missed(rounds: list[Round]) -> str:
    missed = []
    if statistics.median(_ratios(rounds, lambda one: one.page_ms)) > MOST_CPU:
        missed.append("processor time")
    if statistics.median(_ratios(rounds, lambda one: one.pinned)) < LEAST_PINNED:
        missed.append("pages a second on one core")
    if statistics.median(_ratios(rounds, lambda one: one.free)) < LEAST_FREE:
        missed.append("pages a second on all cores")
    return f"missed: {', '.join(missed)}" if missed else ""


def _report(options: argparse.Namespace, rounds: list[Round]) -> str:
    values: dict[str, tuple[Callable[[Measured], float], str]] = {
        "milliseconds of processor time for a page": (lambda one: one.page_ms, f"at most {MOST_CPU}"),
        "pages a second, on one core": (lambda one: one.pinned, f"at least {LEAST_PINNED}"),
        "pages a second, on all cores": (lambda one: one.free, f"at least {LEAST_FREE}"),
        "milliseconds of processor time to start": (lambda one: one.startup_ms, ""),
    }
    rows = "\n".join(
        f"| {name} | {_median(rounds, 'bare Scrapy', value):.1f} | {_median(rounds, 'mparchive', value):.1f} "
        f"| {_spread(_ratios(rounds, value))} | {target} |"
        for name, (value, target) in values.items()
    )
    return f"""## Processor time of a page

Written by `python -m bench.cpu` ({today()}). Machine: {machine()}. {options.pages} made-up pages of
{WEIGHT / 1e6:.1f} MB, {options.rounds} rounds; all processes of a way together, its Postgres included,
without the stand-in. On one core: the program on the first core, the stand-in on the other.

| | bare Scrapy | mparchive | ratio: median (least to most) | target |
|---|---|---|---|---|
{rows}
"""


def _median(rounds: list[Round], name: str, value: Callable[[Measured], float]) -> float:
    return statistics.median(value(found[name]) for found in rounds)


def _spread(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


if __name__ == "__main__":
    main()
