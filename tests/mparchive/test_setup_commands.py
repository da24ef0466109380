"""The commands that set up an archive have help, and refuse what they cannot use."""

import pytest
from typer.testing import CliRunner

from mparchive.cli import app
from mparchive.errors import CommandError

SETUP = ("config", "doctor", "live-check", "init", "sources", "discover", "login")


@pytest.mark.parametrize("name", SETUP)
def test_every_command_that_sets_up_has_help(name: str) -> None:
    shown = CliRunner().invoke(app, [name, "--help"])
    assert shown.exit_code == 0 and name in shown.output


def test_the_schema_of_the_configuration_reads_no_file() -> None:
    refused = CliRunner().invoke(app, ["config", "schema", "mparchive.toml"])
    assert isinstance(refused.exception, CommandError)
    assert refused.exception.message.code == "mparchive.config.schema_reads_no_file"
