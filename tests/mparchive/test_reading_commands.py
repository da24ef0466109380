"""The commands that read take their options in every order, and refuse those that contradict each other."""

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner

from archive.db.engine import transaction
from archive.ingest.pages import import_records
from mparchive.cli import app
from mparchive.errors import CommandError
from tests.archive.making import NOW, record

READING = ("export", "search", "list", "changes", "cite", "show")


@pytest.fixture
def posts(engine: Engine, fresh_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPARCHIVE_DATABASE_URL", fresh_database_url)
    with transaction(engine) as session:
        import_records(session, None, [record(number) for number in range(1, 4)], "dump", NOW)


@pytest.mark.parametrize("name", READING)
def test_every_command_that_reads_has_help(name: str) -> None:
    shown = CliRunner().invoke(app, [name, "--help"])
    assert shown.exit_code == 0 and name in shown.output


@pytest.mark.usefixtures("posts")
@pytest.mark.parametrize(
    "arguments", [["list", "-n", "2"], ["list", "--limit=2"], ["search", "--since", "2000", "-n2"]]
)
def test_short_and_long_options_say_the_same(arguments: list[str]) -> None:
    shown = CliRunner().invoke(app, arguments)
    assert shown.exit_code == 0
    assert sum(f"100{number}_1" in shown.output for number in (1, 2, 3)) == 2


@pytest.mark.parametrize(
    "arguments", [["show", "1001_1", "--text", "--raw"], ["show", "1001_1", "--text", "--json"]]
)
def test_views_that_exclude_each_other_are_refused(arguments: list[str]) -> None:
    shown = CliRunner().invoke(app, arguments)
    assert isinstance(shown.exception, CommandError)
    assert "--text" in str(shown.exception)
