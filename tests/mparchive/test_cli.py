"""A command starts without what only other commands need."""

import os
import subprocess
import sys
from importlib.metadata import entry_points

import pytest

from mparchive.errors import Exit

HEAVY = (
    "alembic", "babel", "lxml", "pandas", "playwright", "procrastinate", "pyarrow", "pydantic",
    "scrapy", "sqlalchemy", "sqlite_utils", "vcr",
)  # fmt: skip


@pytest.mark.parametrize(
    ("module", "needed"),
    [
        ("mparchive.cli", set()),
        ("mparchive.commands.parse", {"lxml"}),
        ("mparchive.commands.status", {"pydantic", "sqlalchemy"}),
        ("mparchive.commands.export", {"lxml", "pydantic", "sqlalchemy"}),
        ("web.app", {"babel", "lxml", "pydantic", "sqlalchemy"}),
        ("mparchive.commands.show", {"pydantic", "sqlalchemy"}),
        ("mparchive.commands.list", {"pydantic", "sqlalchemy"}),
        ("mparchive.commands.search", {"pydantic", "sqlalchemy"}),
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


def run(*arguments: str, **environment: str) -> str:
    """Run the command in a process of its own; return what it printed."""
    program = "import sys; sys.argv = ['mparchive', *sys.argv[1:]]; from mparchive.cli import main; main()"
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, **environment}
    )
    return done.stdout


def test_short_options_do_what_habit_expects() -> None:
    assert run("-h") == run("--help")
    assert run("search", "-h") == run("search", "--help")
    assert run("-V") == run("--version")
    assert run("-V").startswith("mparchive ")
    for command, options in {
        "export": ("-o", "-f"),
        "init": ("-o",),
        "search": ("-n",),
        "list": ("-n",),
        "cite": ("-f",),
    }.items():
        shown = run(command, "-h", COLUMNS="200")
        assert all(f" {option} " in shown for option in options), command


def test_the_shell_completes_commands_and_options() -> None:
    words = {"_MPARCHIVE_COMPLETE": "complete_bash", "COMP_WORDS": "mparchive ch", "COMP_CWORD": "1"}
    assert run(**words).split() == ["changes"]
    words |= {"COMP_WORDS": "mparchive list --count-by w", "COMP_CWORD": "3"}
    assert run(**words).split() == ["week"]


def test_ctrl_c_during_the_first_imports_is_no_traceback() -> None:
    program = """
import sys
class Interrupting:
    def find_spec(self, name, *_):
        if name == "mparchive.cli":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupting())
from mparchive import main
main()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (Exit.INTERRUPTED, "")


def test_the_installed_command_is_the_one_that_takes_ctrl_c_at_once() -> None:
    (command,) = entry_points(group="console_scripts", name="mparchive")
    assert command.value == "mparchive:main"
