"""Test that the commands of the tutorial work, one after the other, on the archive that `make demo` makes."""

import os
import re
import subprocess
from pathlib import Path

from tests.acceptance.command import EXECUTABLE, Command
from tests.docs.markdown import DOCS, ROOT, fenced, text_of

TUTORIALS = [DOCS / "tutorial" / name for name in ("first-archive.md", "first-archive.zh-CN.md")]
VISITS = ((5, ()), (0, ()), (0, ("--again",)))  # exit code and options, as in bin/demo.py
NOT_ENDING = ("mparchive serve", "mparchive run")
OF_A_REAL_ARCHIVE = ("mparchive init", "mparchive discover")  # they need the network


def commands(path: Path) -> list[str]:
    """Return the command lines of a tutorial without their comments."""
    return [re.sub(r"\s+#.*", "", line).strip() for line in fenced(text_of(path)) if line.strip()]


def test_both_languages_have_the_same_commands() -> None:
    english, chinese = ([re.sub(r"'.*'", "'POST'", line) for line in commands(path)] for path in TUTORIALS)
    assert english == chinese
    assert english[0] == "make demo"


def test_the_commands_work_on_the_archive_of_the_demo(mparchive: Command, tmp_path: Path) -> None:
    for number, (code, options) in enumerate(VISITS, 1):
        week, cassette = ROOT / "cassettes" / "week.txt", ROOT / "cassettes" / f"week-{number}.yaml"
        assert mparchive("backfill", week, "--replay", cassette, *options).code == code
    (tmp_path / "demo-output").mkdir()
    left_out = (*NOT_ENDING, *OF_A_REAL_ARCHIVE)
    wanted = [
        one for one in commands(TUTORIALS[0]) if one.startswith("mparchive ") and not one.startswith(left_out)
    ]
    environment = {**mparchive.environment, "PATH": f"{EXECUTABLE.parent}{os.pathsep}{os.environ['PATH']}"}
    printed = ""
    for line in wanted:
        done = subprocess.run(
            line,
            shell=True,
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        assert done.returncode == 0, (line, done.stderr)
        printed += done.stdout
    assert len(wanted) >= 13
    assert "version 2" in printed
    assert "[EB/OL]" in printed
