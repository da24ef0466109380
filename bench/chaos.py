"""Kill and disturb the program at random, repeatable by a seed: `python -m bench.chaos --rounds N --seed N`.

Writes docs/reference/faults.md, and fails if anything was lost, doubled, false, damaged or left behind.
"""

import argparse
import math
import statistics
import sys
import tempfile
from pathlib import Path

from bench.report import machine, today
from bench.ways import ROOT
from tests.chaos.disturbances import small_disk
from tests.chaos.rounds import RECOVERY, Result, run_rounds

DOCUMENT = ROOT / "docs" / "reference" / "faults.md"


def main() -> None:
    """Run the rounds, print and write the result."""
    parser = argparse.ArgumentParser(prog="python -m bench.chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=500)
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin no round after these")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dry", action="store_true", help="print the result without writing the document")
    options = parser.parse_args()
    temporary = tempfile.TemporaryDirectory(prefix="mparchive-chaos-", ignore_cleanup_errors=True)
    with temporary as folder, small_disk(Path(folder)) as home:
        result = run_rounds(home, options.seed, options.rounds, _print_progress, options.minutes * 60)
    text = _report(result, options.seed)
    sys.stdout.write(text)
    if not options.dry:
        DOCUMENT.write_text(text, encoding="utf-8")
    sys.exit("\n".join(result.problems) or 0)


def _print_progress(number: int, what: str, seconds: float) -> None:
    sys.stderr.write(f"round {number}: {what}; recovered in {seconds:.1f} s\n")


def _report(result: Result, seed: int) -> str:
    rows = "\n".join(f"| {what} | {times} |" for what, times in result.disturbances.items())
    problems = "".join(f"\n- {one}" for one in result.problems) or " none"
    return f"""# Faults

Written by `make chaos` (seed {seed}, {today()}); do not edit. Machine: {machine()}.

{result.rounds} rounds on one archive with its embedded Postgres. In each, one or two commands were started
(backfill with and without images, verify, export, reparse, backup; run, worker, serve), one disturbance
struck at a random moment, and the commands were ended. Then `backfill` had to end well within {RECOVERY} s,
`verify` to pass, and the archive to hold each published post once, with one version. At the end no process
and no file may be left.

| disturbance | times |
|---|---|
{rows}

Recovery: {statistics.median(result.recoveries):.1f} s at the median, {max(result.recoveries):.1f} s at most.

Problems:{problems}
"""


if __name__ == "__main__":
    main()
