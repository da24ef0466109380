"""Fuzz every reader of foreign bytes with atheris: `python -m bench.fuzz [--seconds N] [TARGET ...]`.

Each target runs in a process of its own. Writes docs/reference/fuzzing.md; an input that fails is stored
below artefacts/fuzz, and belongs into a test when it is mended.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.report import machine, today
from bench.ways import ROOT

DOCUMENT = ROOT / "docs" / "reference" / "fuzzing.md"
FAILED = ROOT / "artefacts" / "fuzz"
LONGEST_INPUT = 64 * 1024  # bytes
ONE_INPUT = 20  # seconds
MEMORY = 2048  # MB
_DONE = re.compile(r"^#(\d+)\s+\w+ (?: *cov: (\d+))?", re.MULTILINE)


@dataclass(frozen=True)
class Outcome:
    """What fuzzing a target came to: inputs tried, edges of code reached, and the failing input's file."""

    target: str
    inputs: int
    edges: int
    failed: str


def main() -> None:
    """Fuzz the targets one after another, print and write the result."""
    parser = argparse.ArgumentParser(prog="python -m bench.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--seconds", type=int, default=3600, help="for each target")
    parser.add_argument("--dry", action="store_true", help="print the result without writing the document")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options, rest = parser.parse_known_args()
    if options.child:
        _fuzz(options.child, rest)
    from bench.fuzz_targets import TARGETS  # noqa: PLC0415 - a child instruments what this imports

    outcomes = [_run(target, options.seconds) for target in options.targets or TARGETS]
    text = _report(outcomes, options.seconds)
    sys.stdout.write(text)
    if not options.dry:
        DOCUMENT.write_text(text, encoding="utf-8")
    sys.exit(any(one.failed for one in outcomes))


def _run(target: str, seconds: int) -> Outcome:
    from bench.fuzz_targets import seeds  # noqa: PLC0415 - as above

    FAILED.mkdir(parents=True, exist_ok=True)
    prefix = FAILED / f"{target.replace(' ', '-')}-"
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(seeds(target)):
            (Path(folder) / str(number)).write_bytes(seed)
        limits = [
            f"-max_total_time={seconds}", f"-max_len={LONGEST_INPUT}", f"-timeout={ONE_INPUT}",
            f"-report_slow_units={ONE_INPUT}", f"-rss_limit_mb={MEMORY}", f"-artifact_prefix={prefix}",
            "-print_final_stats=1",
        ]  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "bench.fuzz", "--child", target, *limits, folder],
            cwd=ROOT,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    counted = _DONE.findall(done.stderr) or [("0", "0")]
    failed = re.findall(r"Test unit written to (\S+)", done.stderr)
    if done.returncode and not failed:
        failed = [f"exit code {done.returncode}: {done.stderr[-500:]}"]
    sys.stderr.write(f"{target}: {counted[-1][0]} inputs{', FAILED ' + failed[0] if failed else ''}\n")
    return Outcome(target, int(counted[-1][0]), int(counted[-1][1] or 0), failed[0] if failed else "")


def _fuzz(target: str, arguments: list[str]) -> None:
    import atheris  # noqa: PLC0415 - only the child needs it

    with atheris.instrument_imports(include=["archive", "crawler", "mparchive"]):
        from bench.fuzz_targets import run  # noqa: PLC0415 - as above
    atheris.Setup([sys.argv[0], *arguments], lambda data: run(target, data))
    atheris.Fuzz()  # ends the process


def _report(outcomes: list[Outcome], seconds: int) -> str:
    rows = "\n".join(f"| {one.target} | {one.inputs:,} | {one.edges:,} | {_found(one)} |" for one in outcomes)
    return f"""# Fuzzing

Written by `make fuzz` ({today()}); do not edit. Machine: {machine()}.
Each reader of foreign bytes was given inputs made by atheris for {seconds} s, from synthetic seeds, of up to
{LONGEST_INPUT // 1024} kB. It may refuse an input by the errors that it documents. It fails when it raises
anything else, takes more than {ONE_INPUT} s for one input or more than {MEMORY} MB.

| reader | inputs | edges reached | failed |
|---|---|---|---|
{rows}
"""


def _found(outcome: Outcome) -> str:
    return Path(outcome.failed).name if outcome.failed else "no"


if __name__ == "__main__":
    main()
