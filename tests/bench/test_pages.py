"""Two states of the program are compared by what their pages cost."""

import subprocess
from pathlib import Path

import pytest

from bench.pages import COMPARED, Cost, compare
from bench.ways import ROOT


@pytest.mark.slow
def test_the_program_is_compared_with_itself(tmp_path: Path) -> None:
    report = tmp_path / "report.md"
    slower = compare(ROOT, ROOT, 6, rounds=1, report=report)
    written = report.read_text(encoding="utf-8")
    commit = subprocess.run(
        ["git", "rev-parse", "--short=8", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.strip()
    assert commit in written
    rows = [line.split("|")[1:-1] for line in written.splitlines() if line.startswith("| `/")]
    assert len(rows) == len(COMPARED) >= len(slower)
    for row in rows:
        before, after, ratio = map(float, row[1:4])
        assert before > 0 < after
        assert ratio == pytest.approx(after / before, abs=0.1)
        assert row[5] == row[6], "the same program writes the same pages"


def test_a_cost_is_that_of_both_processes() -> None:
    assert Cost(web=2.5, server=0.5, size=100).total == 3.0
