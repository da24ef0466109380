"""`python -m bench.month`: a simulated month of an account, with troubles; writes docs/month.md."""

import asyncio
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

from tests.month.places import Places
from tests.month.result import Result, result_of
from tests.month.simulation import Simulation, pushes
from tests.month.troubles import EDITS, MONTH, RETURNED, TAKEN_DOWN

DAYS = 30
REPORTS, REVISITS = timedelta(hours=6), timedelta(hours=12)  # between two of them
SHORTEST, DEFAULT = 600, 720  # minutes between two looks: a month of them then fits into two minutes
LAST_WORDS = 5000  # characters of the worker's log, when it did not get on
DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "month.md"
_HEAD = f"""# A simulated month

`python -m bench.month` goes through thirty days of an invented account and writes this page; do not edit.
The crawls, the worker, the queue and the Postgres server are the real ones, each in its own process; the
server asked is the stand-in. Only the clock is not: it stands still while there is work, and then jumps to
the next instant at which something is due. A source was asked at most every {SHORTEST // 60} hours.
"""


def main() -> None:
    """Run it, print and write what came of it; fails when a post was lost, doubled or false."""
    with tempfile.TemporaryDirectory(prefix="mparchive-month-", ignore_cleanup_errors=True) as folder:
        result, happened = _run(Path(folder))
    text = f"{_HEAD}\n{_table(result)}\n\nWhat went wrong, by the simulated clock:\n\n"
    text += "".join(f"- {line}\n" for line in happened)
    DOCUMENT.write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    if result.lost or result.duplicates or result.false or result.archived != result.published:
        raise SystemExit("posts were lost, doubled or false")
    if (result.edits, result.away, result.returned) != (EDITS, TAKEN_DOWN, RETURNED):
        raise SystemExit("the history does not show what became of the posts")


def _run(folder: Path) -> tuple[Result, list[str]]:
    with Places(folder, shortest=SHORTEST, default=DEFAULT) as places:
        simulation = Simulation(places, pushes(DAYS), MONTH, reports_every=REPORTS, revisits_every=REVISITS)
        try:
            asyncio.run(simulation.run())
        except TimeoutError:
            sys.stderr.write((folder / "worker.log").read_text(encoding="utf-8")[-LAST_WORDS:])
            raise
        return result_of(simulation, DAYS), simulation.happened


def _table(result: Result) -> str:
    rows = {
        "posts published": f"{result.published} in {result.pushes} pushes",
        "found": result.found,
        "archived": result.archived,
        "duplicates": result.duplicates,
        "lost": result.lost,
        "false": result.false,
        "from publication to archive, median": _words(result.median_delay),
        "from publication to archive, longest": _words(result.longest_delay),
        "requests": f"{result.requests}, of which {result.challenges} were answered with a challenge",
        "requests for each new post": f"{result.requests_per_post:.1f}",
        "edits shown as versions": f"{result.edits} of {EDITS}",
        "times that a post was away": f"{result.away} of {TAKEN_DOWN}",
        "returns": f"{result.returned} of {RETURNED}",
        "pictures kept": f"{result.pictures_kept} of {result.pictures}",
        "alarms raised": result.alarms_raised,
        "alarms cleared": result.alarms_cleared,
        "alarms that last at the end": ", ".join(result.still_open) or "none",
        "messages sent": result.messages,
        "crawls": result.crawls,
        "workers killed with -9": result.kills,
        "database restarts": result.restarts,
        "real time": f"{result.seconds:.0f} s",
    }
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())])


def _words(span: timedelta) -> str:
    hours = span / timedelta(hours=1)
    return f"{hours:.1f} h" if hours >= 1 else f"{hours * 60:.0f} min"


if __name__ == "__main__":
    main()
