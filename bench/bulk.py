"""Measure import, export, verification and the start of commands: `python -m bench.bulk [RECORDS]`.

The installed command imports a dump of made-up records of real size, writes it out again and verifies the
archive; its server runs all the time, and is not part of the processor time of commands. The result is a part
of docs/reference/performance.md.
"""

import hashlib
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from archive.db.embedded_server import embedded_postgres
from bench.posts import made_record, write_posts
from bench.report import machine, today, write_part
from tests.acceptance.command import EXECUTABLE

RECORDS = 20_000
LEAST_IMPORTED, LEAST_EXPORTED, MOST_MEMORY = 5_000, 20_000, 200  # records a second, and MB
STARTS = {  # arguments, and the most seconds of processor time
    "--version": 0.25,
    "--help": 0.25,
    "status": 0.6,
    "show 2650000050_1": 0.6,
    "search 合成 -n 10": 0.6,
    "list -n 10": 0.6,
}
ROUNDS = 7  # of each start; the first one is not counted
# The second would make each command compile the program, which an installed one has compiled.
_LEFT_OUT = ("MPARCHIVE_", "PYTHONDONTWRITEBYTECODE")


@dataclass(frozen=True)
class Run:
    """What a command took: seconds, seconds of processor time, and MB of memory at most."""

    seconds: float
    cpu: float
    memory: float


def main(arguments: Sequence[str]) -> None:
    """Measure, write the part of the report, and fail when a target was missed."""
    records = int(arguments[0]) if arguments else RECORDS
    with tempfile.TemporaryDirectory() as given:
        home, dump = Path(given) / "home", Path(given) / "dump.json"
        home.mkdir()
        write_posts(dump, records)
        with embedded_postgres(home):
            steps = {
                "import": run_command(home, "backfill", str(dump), "--no-fetch"),
                "export": run_command(home, "export", "-f", "jsonl", "-o", str(Path(given) / "out.jsonl")),
                "verify": run_command(home, "verify"),
            }
            starts = {words: _start(home, words) for words in STARTS}
        hashing = _seconds_of(lambda: _hash_texts(records))
    write_part(_report(records, steps, starts, hashing))
    missed = [*_missed_rates(records, steps), *(words for words in STARTS if starts[words] > STARTS[words])]
    sys.exit(f"missed: {', '.join(missed)}" if missed else 0)


def run_command(home: Path, *arguments: str) -> Run:
    """Run the installed command to its end. Raises SystemExit when it fails."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_LEFT_OUT)}
    begun = time.perf_counter()
    process = subprocess.Popen(
        [EXECUTABLE, *arguments],
        env={**kept, "MPARCHIVE_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(arguments)} ended with {process.returncode}: {said.decode()[-2000:]}")
    return Run(time.perf_counter() - begun, used.ru_utime + used.ru_stime, _megabytes(used))


def _megabytes(used: resource.struct_rusage) -> float:
    return used.ru_maxrss / 1024  # kB on Linux


def _start(home: Path, words: str) -> float:
    """Return the median of a command's processor time, in seconds."""
    return statistics.median([run_command(home, *words.split()).cpu for _ in range(ROUNDS)][1:])


def _seconds_of(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _hash_texts(records: int) -> None:
    """Hash one text as often as there are records: all texts are of its length."""
    text = made_record(0).text.encode()
    for _ in range(records):
        hashlib.sha256(text).digest()


def _missed_rates(records: int, steps: dict[str, Run]) -> list[str]:
    checks = {
        "records imported a second": records / steps["import"].seconds >= LEAST_IMPORTED,
        "records exported a second": records / steps["export"].seconds >= LEAST_EXPORTED,
        "memory of an export": steps["export"].memory <= MOST_MEMORY,
    }
    return [name for name, is_met in checks.items() if not is_met]


_TARGETS = {
    "import": f"at least {LEAST_IMPORTED:,} a second",
    "export": f"at least {LEAST_EXPORTED:,} a second, at most {MOST_MEMORY} MB",
    "verify": "",
}


def _report(records: int, steps: dict[str, Run], starts: dict[str, float], hashing: float) -> str:
    rows = "\n".join(
        f"| {name} | {records / run.seconds:,.0f} | {run.seconds:.1f} | {run.cpu:.1f} | {run.memory:.0f} "
        f"| {_TARGETS[name]} |"
        for name, run in steps.items()
    )
    begun = "\n".join(
        f"| `mparchive {words}` | {seconds:.2f} | {STARTS[words]} |" for words, seconds in starts.items()
    )
    return f"""## Import, export, verification and the start of commands

Written by `python -m bench.bulk` ({today()}). Machine: {machine()}, load average {os.getloadavg()[1]:.1f}.
{records:,} made-up records, each with {len(made_record(0).text):,} characters. Verification reads every row
of the archive; SHA-256 of the texts alone took {hashing:.1f} s.

| | records a second | seconds | processor time (command) | MB at most | target |
|---|---|---|---|---|---|
{rows}

Seconds of processor time of a command with this archive, median of {ROUNDS - 1}; its server was running.

| command | seconds | at most |
|---|---|---|
{begun}
"""


if __name__ == "__main__":
    main(sys.argv[1:])
