"""Measure the simulated months of decisions, and describe them for docs/reference/simulated-month.md."""

import tempfile
from datetime import datetime, timedelta
from pathlib import Path

from archive.domain.addresses import HOST
from archive.domain.records import SHANGHAI
from tests.month.decisions import DAY, Fault, Measured, Subject, World, coverage, measure
from tests.month.plans import fifty_accounts, month_faults, run_month, two_accounts

DAYS = 30
FIFTY_DAYS = 13
SETTLED = 5 * DAY  # fifty accounts are first asked within so many days, twelve a day
FIFTY_STEP = timedelta(minutes=5)
_HEAD = f"""## Who is asked when

Simulated with the injected clock, without processes, a database or HTTP: the plans, the sources, the
screening, the record of the WeRead login and the health checks are the program's own; the stand-in answers
for WeChat and WeRead; what a crawl and the archive do with an address is modelled. One account pushes one
to four times a day at usual hours, the other about once in two days at any hour. Both share one WeRead
login (12 looks a day) and have an album with about half of their posts; the first has a feed that sees nine
of ten posts one to five hours late. Twelve weeks of pushes are archived before. Fifty accounts that push
from once in ten days to three times a day share one login and one egress; every fourth has a feed. Theirs
is the time from day {SETTLED.days} on: on the days before each is asked for the first time.

Delays are from publication to archive, of posts that were published while nothing was wrong. Requests are
those to {HOST}, for each new post: its page, listings, and addresses without chksm. Of the fifty accounts
the requests of all days are counted, those of the first listings among them.
"""


def describe_decisions() -> str:
    """Run the months and return their tables as Markdown."""
    quiet, _ = _run(two_accounts(DAYS), [], DAYS)
    faulty, world = _run(two_accounts(DAYS), month_faults(), DAYS)
    fifty, _ = _run(fifty_accounts(FIFTY_DAYS), [], FIFTY_DAYS, FIFTY_STEP, SETTLED)
    columns = {"two accounts": quiet, "two accounts, with faults": faulty, "fifty accounts": fifty}
    return "\n".join([_HEAD, _numbers(columns), "", _faults(world, faulty), "", _sources(world)])


def _run(
    subjects: list[Subject],
    faults: list[Fault],
    days: int,
    step: timedelta = timedelta(minutes=1),
    begin: timedelta = timedelta(0),
) -> tuple[Measured, World]:
    with tempfile.TemporaryDirectory(prefix="mparchive-decisions-") as folder:
        world = run_month(Path(folder), days, subjects, faults, step)
        return measure(world, begin), world


def _numbers(columns: dict[str, Measured]) -> str:
    rows = {
        "posts published": [str(one.published) for one in columns.values()],
        "archived": [str(one.archived) for one in columns.values()],
        "delay, median": [_duration(one.quantile(0.5)) for one in columns.values()],
        "delay, 95 %": [_duration(one.quantile(0.95)) for one in columns.values()],
        "delay, longest": [_duration(one.delays[-1]) for one in columns.values()],
        "requests for a new post": [f"{one.requests_a_post:.1f}" for one in columns.values()],
        "WeRead looks within 24 hours, at most": [str(one.most_looks) for one in columns.values()],
    }
    lines = [f"| | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    return "\n".join([*lines, *(f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items())])


def _faults(world: World, measured: Measured) -> str:
    lines = [
        "The faults, and the alarms that began while each lasted:",
        "",
        "| fault | lasted | alarms |",
        "|---|---|---|",
    ]
    for fault in world.faults:
        alarms = [
            f"`{one.key}` {_moment(one.begin)} to {_moment(one.end) if one.end else 'the end'}"
            for one in measured.alarms
            if fault.begin <= one.begin < max(fault.end, fault.begin + DAY / 2)
        ]
        shown = "<br>".join(alarms) or "none"
        lines.append(f"| {fault.name} | {_moment(fault.begin)} to {_moment(fault.end)} | {shown} |")
    without = sum(not one.has_remedy for one in measured.alarms)
    return "\n".join(
        [*lines, "", f"{len(measured.alarms)} alarms in all, {without} of them without a remedy."]
    )


def _sources(world: World) -> str:
    names = {one.config.biz: one.config.name for one in world.subjects}
    lines = ["What each source listed of the new posts, with the faults:", ""]
    lines += ["| account | source | listed | first | alone |", "|---|---|---|---|---|"]
    lines += [
        f"| {names[row.account]} | `{row.source}` | {row.listed} | {row.first} | {row.alone} |"
        for row in coverage(world)
    ]
    return "\n".join(lines)


def _duration(span: timedelta) -> str:
    hours = span / timedelta(hours=1)
    return f"{hours:.1f} h" if hours >= 1 else f"{hours * 60:.0f} min"


def _moment(at: datetime) -> str:
    return f"{at.astimezone(SHANGHAI):%m-%d %H:%M}"
