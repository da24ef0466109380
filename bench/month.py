"""Simulate a month of an account, with failures: `python -m bench.month`.

Writes docs/reference/simulated-month.md.
"""

import asyncio
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

from bench.decisions import describe_decisions
from tests.month.failures import EDITS, MONTH, RETURNED, TAKEN_DOWN
from tests.month.machinery import Machinery
from tests.month.result import Result, result_of
from tests.month.simulation import Simulation, pushes

DAYS = 30
REPORT_EVERY, REVISIT_EVERY = timedelta(hours=6), timedelta(hours=12)  # intervals
SHORTEST, DEFAULT = 600, 720  # minutes between two queries of a source: a month then takes two minutes
LOG_TAIL = 5000  # characters of the worker's log, if it got stuck
DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "reference" / "simulated-month.md"
_HEAD = """# A simulated month

Written by `python -m bench.month`; do not edit. Everything published is made up. The month was simulated
twice: the decisions alone, minute by minute, and all of the program with fewer checks.

"""

_END_TO_END = f"""## End to end

Thirty days of one account. Crawls, worker, queue and Postgres server are real, each in its own process; the
stand-in answers for WeChat. Only the clock is simulated: it stops while there is work and then jumps to the
next time at which something is due. So that this takes minutes, a source was queried at most every
{SHORTEST // 60} hours: the delays are those of that interval.
"""


def main() -> None:
    """Run it, print and write the result; fail when a post was lost, duplicated or false."""
    with tempfile.TemporaryDirectory(prefix="mparchive-month-", ignore_cleanup_errors=True) as folder:
        result, history = _run(Path(folder))
    text = f"{_HEAD}{describe_decisions()}\n\n{_END_TO_END}\n{_table(result)}\n\n"
    text += "Simulated failures and changes, by the simulated clock:\n\n"
    text += "".join(f"- {line}\n" for line in history)
    DOCUMENT.write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    if result.lost or result.duplicates or result.false or result.archived != result.published:
        raise SystemExit("posts were lost, duplicated or false")
    if (result.edits, result.away, result.returned) != (EDITS, TAKEN_DOWN, RETURNED):
        raise SystemExit("the history does not show what history to the posts")


def _run(folder: Path) -> tuple[Result, list[str]]:
    with Machinery(folder, shortest=SHORTEST, default=DEFAULT) as machinery:
        simulation = Simulation(
            machinery, pushes(DAYS), MONTH, reports_every=REPORT_EVERY, revisits_every=REVISIT_EVERY
        )
        try:
            asyncio.run(simulation.run())
        except TimeoutError:
            sys.stderr.write((folder / "worker.log").read_text(encoding="utf-8")[-LOG_TAIL:])
            raise
        return result_of(simulation, DAYS), simulation.history


def _table(result: Result) -> str:
    rows = {
        "posts published": f"{result.published} in {result.pushes} pushes",
        "found": result.found,
        "archived": result.archived,
        "duplicates": result.duplicates,
        "lost": result.lost,
        "false": result.false,
        "delay from publication to archive, median": _duration(result.median_delay),
        "delay from publication to archive, longest": _duration(result.longest_delay),
        "requests to mp.weixin.qq.com": (
            f"{result.requests}, {result.revisits} of them visits to archived posts, "
            f"{result.challenges} answered with a verification page"
        ),
        "requests per new post, its page among them, visits to archived posts not": (
            f"{result.requests_per_post:.1f}"
        ),
        "edits recorded as versions": f"{result.edits} of {EDITS}",
        "take-downs recorded": f"{result.away} of {TAKEN_DOWN}",
        "returns recorded": f"{result.returned} of {RETURNED}",
        "pictures stored": f"{result.pictures_kept} of {result.pictures}",
        "alarms opened": result.alarms_raised,
        "alarms closed": result.alarms_cleared,
        "alarms open at the end": ", ".join(result.still_open) or "none",
        "messages sent": result.messages,
        "crawls": result.crawls,
        "workers killed with -9": result.kills,
        "database restarts": result.restarts,
        "real time": f"{result.seconds:.0f} s",
    }
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())])


def _duration(span: timedelta) -> str:
    hours = span / timedelta(hours=1)
    return f"{hours:.1f} h" if hours >= 1 else f"{hours * 60:.0f} min"


if __name__ == "__main__":
    main()
