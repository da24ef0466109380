"""`config` checks what is set, shows it without secrets, and prints a schema that accepts what is valid."""

import json
import re
from pathlib import Path
from typing import get_args

import pytest

from archive.db.settings import ArchiveSettings, RequestSettings
from crawler.settings import CrawlEnvironment
from mparchive.commands.config import check_config, print_schema, show_config, wrong_variables
from mparchive.environment import PREFIX, VARIABLES
from mparchive.errors import Exit
from scheduler.config import ConfigError, SchedulerSettings, load_config

SETTINGS = (ArchiveSettings, CrawlEnvironment, RequestSettings, SchedulerSettings)
EXAMPLE = Path(__file__).parents[3] / "mparchive" / "mparchive.example.toml"
CONFIG = """
[[accounts]]
biz = "Mzk5OTAwMDAwMQ=="
name = "合成云屿经信"
official = { appid = "wx0123456789abcdef", secret_env = "MPARCHIVE_MY_SECRET" }
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mparchive.toml"
    path.write_text(CONFIG, "utf-8")
    return path


def test_a_valid_configuration_is_said_to_be_valid(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check_config(file) == Exit.DONE
    assert capsys.readouterr().err == f"{file} is valid: 1 account (合成云屿经信)\n"


def test_a_misspelt_variable_is_named_and_one_for_a_secret_is_not(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MPARCHIVE_MY_SECRET", "x")
    monkeypatch.setenv("MPARCHIVE_EGRES", "office")
    assert check_config(file) == Exit.USAGE
    said = capsys.readouterr().err
    assert said == "MPARCHIVE_EGRES is not a setting; did you mean MPARCHIVE_EGRESS?\n"


def test_a_misspelt_key_is_named_with_the_nearest(file: Path) -> None:
    file.write_text(CONFIG.replace("name =", "nmae ="), "utf-8")
    with pytest.raises(ConfigError, match=r"accounts\[1\].nmae.*name"):
        check_config(file)


def test_every_setting_is_shown_and_no_secret(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MPARCHIVE_DATABASE_URL", "postgresql://me:hunter2@db/archive")
    assert show_config(file, as_json=False) == Exit.DONE
    shown = capsys.readouterr().out
    assert re.search(r"accounts\[1\]\.name +合成云屿经信", shown) and "hunter2" not in shown
    assert re.search(r"MPARCHIVE_RETRY_TIMES +3 \(default\)", shown)
    assert re.search(r"MPARCHIVE_EGRESS +default \(default\)", shown)
    assert show_config(file, as_json=True) == Exit.DONE
    assert json.loads(capsys.readouterr().out)["environment"]["MPARCHIVE_DATABASE_URL"] == "***"


def test_the_schema_names_every_key_of_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert print_schema() == Exit.DONE
    schema = json.loads(capsys.readouterr().out)
    assert set(schema["properties"]) == set(type(load_config(_written_example())).model_fields)
    assert schema["$defs"]["AccountConfig"]["properties"].keys() >= {"biz", "name", "feeds"}


def _written_example() -> Path:
    return EXAMPLE


ABSURD = (
    *("x", "-1", "nan", "inf", "1e999", "9" * 5000, "真", "\x01"),
    *("http://[", "a b", "0.5", "[]", "{", "../..", " "),
)
NUMBERS = [
    f"{PREFIX}{name.upper()}"
    for settings in SETTINGS
    for name, field in settings.model_fields.items()
    if {int, float} & {field.annotation, *get_args(field.annotation)}
]
CHOICES = [
    *("MPARCHIVE_LANG", "MPARCHIVE_MEDIA_TYPES", "MPARCHIVE_LOG_LEVEL", "MPARCHIVE_CHROMIUM_SANDBOX"),
    *("MPARCHIVE_METRICS", "MPARCHIVE_PUBLIC_URL"),
]


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIABLES)
def test_no_value_of_a_variable_is_a_traceback(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ABSURD:
        monkeypatch.setenv(name, value)
        for problem in wrong_variables():
            assert name in str(problem)
            assert "\n" not in str(problem) and problem.text("zh") != str(problem)
            assert len(str(problem)) < 1000 or name.endswith("_FILE")  # a message names a whole path
    monkeypatch.setenv(name, "")
    assert wrong_variables() == []


@pytest.mark.parametrize("name", [*NUMBERS, *CHOICES])
@pytest.mark.parametrize("value", ["x", "-1"])
def test_a_number_or_choice_that_is_none_is_refused(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    assert [name in str(problem) for problem in wrong_variables()] == [True]


def test_a_wrong_value_ends_the_check_with_a_sentence(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MPARCHIVE_BARE_A_DAY", "many")
    assert check_config(file) == Exit.USAGE
    assert capsys.readouterr().err.startswith("MPARCHIVE_BARE_A_DAY is 'many'; a whole number")
