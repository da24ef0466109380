"""A command starts without what only other commands need."""

import subprocess
import sys

import pytest

HEAVY = ("alembic", "babel", "lxml", "playwright", "procrastinate", "pydantic", "scrapy", "sqlalchemy", "vcr")


@pytest.mark.parametrize(
    ("module", "needed"),
    [
        ("mparchive.cli", set()),
        ("mparchive.commands.parse", {"lxml"}),
        ("mparchive.commands.status", {"pydantic", "sqlalchemy"}),
        ("mparchive.commands.export", {"lxml", "pydantic", "sqlalchemy"}),
        ("mparchive.commands.show", {"lxml", "pydantic", "sqlalchemy"}),
    ],
)
def test_a_command_loads_no_library_it_does_not_need(module: str, needed: set[str]) -> None:
    program = f"import sys, {module}; print(*sorted(set({HEAVY}) & set(sys.modules)))"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert set(loaded.split()) <= needed


def test_help_begins_with_what_the_program_does() -> None:
    program = "import sys; sys.argv = ['mparchive', '--help']; from mparchive.cli import main; main()"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert "Archive the posts of WeChat official accounts" in shown
    assert "imports its work" not in shown
