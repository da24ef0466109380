"""Every row of the tables in docs/security.md names tests that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
ROWS = [line.strip("|").split(" | ") for line in TEXT.splitlines() if line.startswith("| ")]
FILES = [path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py")]
NAMED = re.compile(r"`([^`]+)`")

ATTACKERS = ("page", "archive file", "reader on the network", "another user of the machine", "administrator")

# What the entry points must have a row about, by a word of the first column.
SUBJECTS = (
    "embedded Postgres", "database connection", "MPARCHIVE_HOME", "credentials", "markup and scripts",
    "cannot be stored", "in Chromium", "redirects", "UDP", "media files", "SVG", "a feed", "WARC, WACZ",
    "a backup", "forged without a contradiction", "offline pages", "Markdown", "CSV", "any export",
    "time and memory", "terminal", "DNS rebinding|loopback", "elsewhere", "headers of a proxy", "inbox",
    "idle connections", "long answers", "language links", "log lines", "addresses from lists",
    "earlier versions", "packages", "container",
)  # fmt: skip


def files_named(name: str) -> list[str]:
    return [path for path in FILES if path == name or path.endswith(f"/{name}")]


@pytest.mark.parametrize("row", [row for row in ROWS if "test" in row[-1] and "`" in row[-1]])
def test_the_tests_that_a_row_names_exist(row: list[str]) -> None:
    tests = ""
    for name in NAMED.findall(row[-1]):
        if name.endswith(".py"):
            (found,) = files_named(name)
            tests = (ROOT / found).read_text(encoding="utf-8")
        else:
            assert re.search(rf"^(?:async )?def {name}\(", tests, re.MULTILINE), name


def test_every_row_has_an_entry_point_somebody_an_effect_and_a_test() -> None:
    doors = [row for row in ROWS if len(row) == 4 and row[0].strip() not in ("entry point", "attacker")]
    assert len(doors) >= len(SUBJECTS) + len(ATTACKERS)
    for row in doors:
        assert all(cell.strip() for cell in row), row
        assert NAMED.findall(row[-1]), row


@pytest.mark.parametrize("attacker", ATTACKERS)
def test_each_kind_of_attacker_has_one_row_with_what_they_can_and_cannot(attacker: str) -> None:
    section = TEXT.split("## Attackers", 1)[1].split("\n## ", 1)[0]
    rows = [
        line for line in section.splitlines() if line.startswith("| ") and attacker in line.split(" | ")[0]
    ]
    assert len(rows) == 1
    assert len(rows[0].split(" | ")) == 4


@pytest.mark.parametrize("subject", SUBJECTS)
def test_every_subject_has_a_row(subject: str) -> None:
    assert any(re.search(subject, row[0]) for row in ROWS)
