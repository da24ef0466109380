"""Simulate a year of two accounts: `python -m bench.year [--days N] [--minutes N]`.

Writes docs/reference/simulated-year.md: what each process and table uses from week to week, and whether that
is flat or explained by posts, days or visits. Fails if anything grows without an explanation, or if a post
was lost, duplicated or false.
"""

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine

from archive.db.engine import engine_at
from archive.domain.revisit_policy import INTERVALS
from bench.growth import Sample, Verdict, level_verdict, rows_verdict
from bench.report import machine, today
from bench.resources import database_use, files_below, process_tree, rows_of_tables, usage_of
from bench.ways import ROOT
from tests.month.machinery import TWO_ACCOUNTS, Machinery
from tests.month.result import Result, result_of
from tests.month.simulation import DAY, DRAIN, HOUR, START, Push, Simulation, pushes
from tests.standin.account import NEIGHBOUR

DAYS, MINUTES = 365, 40
WEEK = 7 * DAY
QUERY_HOURS = 24  # between two queries of a source: the most that can be set
REVISIT_HOURS = 72  # between two looks for posts to visit again: a year then takes minutes
FIRST_OF_NEIGHBOUR = 100_000  # the number of its first push
A_DAY = 0.5  # pushes of the second account, at any hour of the day
DOCUMENT = ROOT / "docs" / "reference" / "simulated-year.md"
LOG_TAIL = 5000  # characters of the worker's log, if it got stuck
PLOTTED = ("worker: MB", "fork server: MB", "Postgres: MB", "timetable: MB")
_ROWS = "rows: "


def year_pushes(days: int) -> list[Push]:
    """Return the pushes of an account with usual hours, and of one that pushes every two days at any hour."""
    chance = random.Random(3)
    made, moment = [], START
    while (moment := moment + timedelta(days=chance.expovariate(A_DAY))) < START + days * DAY:
        number = FIRST_OF_NEIGHBOUR + len(made)
        made.append(Push(number, moment.replace(microsecond=0), chance.choice((1, 1, 2)), NEIGHBOUR))
    return sorted([*pushes(days), *made], key=lambda one: one.at)


def visits_until(published: Sequence[Push], now: datetime) -> int:
    """Count the visits that the policy plans until then: one when a post is new, one at each further age.

    Ages that pass between two looks for posts to visit again make one visit.
    """
    between = timedelta(hours=REVISIT_HOURS)
    ages = [timedelta(0), *sorted({max(between, age) for age in INTERVALS.there})]
    return sum(one.posts * sum(one.at + age <= now for age in ages) for one in published)


@dataclass
class Sampler:
    """Takes a sample for each simulated week, and ends the simulation when its real time is over."""

    machinery: Machinery
    engine: Engine
    pushes: Sequence[Push]
    until: float  # of time.monotonic()
    samples: list[Sample] = field(default_factory=list)
    now: datetime = START

    def __call__(self, now: datetime) -> bool:
        """Take a sample if a week has passed; return whether there is time to go on."""
        self.now = now
        if now >= START + len(self.samples) * WEEK:
            self.samples.append(self.sample())
            sys.stderr.write(f"{now:%Y-%m-%d}: {self.until - time.monotonic():.0f} s left\n")
        return time.monotonic() < self.until

    def sample(self) -> Sample:
        """Measure everything now."""
        folder, published = self.machinery.folder, [one for one in self.pushes if one.at <= self.now]
        worker, *others = process_tree(self.machinery.worker_id) or [None]
        server = int((folder / "postgres" / "postmaster.pid").read_text().partition("\n")[0])
        values = {
            **usage_of("worker", [worker] if worker else []),
            **usage_of("fork server", others),
            **usage_of("timetable", process_tree(os.getpid())[:1]),
            **usage_of("Postgres", process_tree(server)),
            **database_use(self.engine),
            "files: temporary": float(files_below(folder / "tmp")),
            "files: home": float(files_below(folder, ("postgres", "media", "tmp"))),
            "files: media": float(files_below(folder / "media")),
            **{f"{_ROWS}{table}": float(rows) for table, rows in rows_of_tables(self.engine).items()},
        }
        day = (self.now - START) / DAY
        posts = sum(one.posts for one in published)
        drivers = {"post": posts, "visit": visits_until(published, self.now), "day": day}
        return Sample(day, drivers, values)


def verdicts_of(samples: Sequence[Sample]) -> dict[str, Verdict]:
    """Judge every number: rows and bytes may grow with a driver, what processes use may not grow."""
    names = dict.fromkeys(name for sample in samples for name in sample.values)
    return {name: (rows_verdict if _may_grow(name) else level_verdict)(samples, name) for name in names}


def _may_grow(name: str) -> bool:
    return name.startswith(_ROWS) or name in ("database: MB", "files: media")


def main() -> None:
    """Run it, print and write the result, and fail if something was lost or grows unexplained."""
    parser = argparse.ArgumentParser(prog="python -m bench.year", description=__doc__)
    parser.add_argument("--days", type=int, default=DAYS, help="at least 60")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="of real time; then it ends early")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mparchive-year-", ignore_cleanup_errors=True) as folder:
        samples, result = _run(Path(folder), options.days, options.minutes * 60)
    try:
        verdicts = verdicts_of(samples)
    except ValueError as error:  # too few
        sys.exit(f"{error}; give more --minutes")
    text = report(samples, verdicts, result)
    DOCUMENT.write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    problems = [f"{name} {verdict.words}" for name, verdict in verdicts.items() if not verdict.is_fine]
    if result.lost or result.duplicates or result.false or result.archived < result.published:
        problems.append("posts were lost, duplicated or false")
    sys.exit("\n".join(problems) or 0)


def _run(folder: Path, days: int, seconds: float) -> tuple[list[Sample], Result]:
    (folder / "tmp").mkdir()
    given = {"shortest": QUERY_HOURS * 60, "default": QUERY_HOURS * 60}
    published = year_pushes(days)
    with Machinery(folder, **given, accounts=TWO_ACCOUNTS, temporary=folder / "tmp") as machinery:
        engine = engine_at(machinery.database_url)
        sampler = Sampler(machinery, engine, published, time.monotonic() + seconds)
        every = REVISIT_HOURS * HOUR
        simulation = Simulation(
            machinery, published, (), reports_every=DAY, revisits_every=every, goes_on=sampler
        )
        try:
            asyncio.run(simulation.run())
        except TimeoutError:
            sys.stderr.write((folder / "worker.log").read_text(encoding="utf-8")[-LOG_TAIL:])
            raise
        sampler.samples.append(sampler.sample())
        engine.dispose()
        simulation.pushes = [one for one in published if one.at <= simulation.now]
        whole = result_of(simulation, days)
        # Posts of the last days may not have been asked for when the time was over.
        simulation.pushes = [one for one in published if one.at <= simulation.now - DAY - DRAIN]
        result = result_of(simulation, days)
        return sampler.samples, replace(result, false=whole.false, duplicates=whole.duplicates)


def report(samples: Sequence[Sample], verdicts: dict[str, Verdict], result: Result) -> str:
    """Return the document."""
    days = samples[-1].day
    shown = [samples[len(samples) * part // 4] for part in range(4)] + [samples[-1]]
    head = " | ".join(f"day {one.day:.0f}" for one in shown)
    rows = "\n".join(
        f"| {name} | {' | '.join(_number(one.values.get(name, 0)) for one in shown)} | {verdict.words} |"
        for name, verdict in verdicts.items()
        if any(one.values.get(name) for one in samples)
    )
    empty = [name for name in verdicts if not any(one.values.get(name) for one in samples)]
    return _TEXT.format(
        day=today(),
        machine=machine(),
        days=f"{days:.0f}",
        posts=f"{samples[-1].drivers['post']:.0f}",
        visits=f"{samples[-1].drivers['visit']:.0f}",
        queried=QUERY_HOURS,
        revisited=REVISIT_HOURS,
        seconds=f"{result.seconds:.0f}",
        head=head,
        line="|---" * (len(shown) + 2),
        rows=rows,
        empty=", ".join(f"`{name.removeprefix(_ROWS)}`" for name in empty) or "none",
        fine=sum(verdict.is_fine for verdict in verdicts.values()),
        all=len(verdicts),
        archived=result.archived,
        published=result.published,
        lost=result.lost,
        duplicates=result.duplicates,
        false=result.false,
        memory=_chart("Memory, MB", samples, PLOTTED),
        database=_chart("Database, MB", samples, ("database: MB",)),
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.1f}"


def _chart(title: str, samples: Sequence[Sample], names: Sequence[str]) -> str:
    weeks = ", ".join(f"{one.day / 7:.0f}" for one in samples)
    lines = "\n".join(
        f'  line "{name}" [{", ".join(f"{one.values.get(name, 0):.1f}" for one in samples)}]'
        for name in names
    )
    return (
        f'```mermaid\nxychart-beta\n  title "{title}"\n  x-axis "week" [{weeks}]\n  y-axis "MB"\n{lines}\n```'
    )


_TEXT = """# A simulated year

Written by `python -m bench.year` ({day}); do not edit. Machine: {machine}. Everything published is made up.

{days} days of two accounts at the rates of real ones: {posts} posts, one account pushing on workdays at
usual hours, the other about every two days at any hour; an album lists the posts of each. Crawls, worker,
queue and Postgres server are real, each in its own process; the stand-in answers for WeChat. Only the clock
is simulated: it stops while there is work and then jumps to the next time at which something is due. So that
this takes minutes ({seconds} s), a source was queried every {queried} hours, and posts to visit again were
looked for every {revisited} hours; a real daemon does both more often. Nothing was restarted and nothing
failed: [simulated-month.md](simulated-month.md) has faults.

Of {published} posts published long enough before the end, {archived} are archived as they are, {lost} lost,
{duplicates} duplicated, {false} false.

## What is used

Of *worker*, *fork server* (with what it has started at that time), *timetable* (the daemon's part that plans
jobs, here a part of the simulation) and *Postgres* (all its processes): memory with shared parts divided
among the processes (PSS), open files and threads. A sample was taken every simulated week, between two jobs.

A number of a process, a connection or a temporary file is *flat* if its mean in the last quarter is at most
10 % over that in the second quarter, or at most 6 (1 MB) more. Rows, bytes and media may grow as posts, days
or visits do: what the last quarter added for each must be at most 20 % over what the second did. The policy
plans {visits} visits: one when a post is new, and one at each age at which posts are fetched again.
{fine} of {all} numbers are flat or explained.

| | {head} | |
{line}|
{rows}

Always empty: {empty}.

{memory}

The lines are, in this order: worker, fork server, Postgres, timetable.

{database}
"""


if __name__ == "__main__":
    main()
