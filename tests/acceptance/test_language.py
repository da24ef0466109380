"""The command speaks the language of MPARCHIVE_LANG, or that of the locale."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from mparchive.cli import app
from tests.acceptance.command import EXECUTABLE, Command
from tests.acceptance.dumps import dump_bytes, record

GROUP = get_command(app)
assert isinstance(GROUP, TyperGroup)
COMMANDS = sorted(GROUP.commands)
_HAN = re.compile("[\u4e00-\u9fff]")
_ENGLISH = re.compile(r"\b[a-z]{2,} [a-z]{2,} [a-z]{2,}\b")  # three lower-case words in a row
_TYPER = "Show this message and exit."


def leftovers(text: str) -> list[str]:
    """Return what looks like English sentences, apart from code in backquotes and Typer's own words."""
    return _ENGLISH.findall(re.sub(r"`[^`]*`", "", text.replace(_TYPER, "")))


def spoken(environment: dict[str, str], *arguments: str) -> str:
    """Run the command with a clean locale and return its help or version."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if name not in ("MPARCHIVE_LANG", "LC_ALL", "LC_MESSAGES", "LANG")
    }
    environment = {**clean, "COLUMNS": "200", "PYTHONUTF8": "1", **environment}
    done = subprocess.run([EXECUTABLE, *arguments], env=environment, capture_output=True, check=True)
    return done.stdout.decode()


def test_the_help_of_every_command_is_chinese() -> None:
    program = (
        "import sys\nfrom typer.testing import CliRunner\nfrom mparchive.cli import app\n"
        "for name in sys.argv[1:]:\n    print('##', name)\n"
        "    print(CliRunner().invoke(app, [name, '--help'] if name != '-' else ['--help']).output)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "-", *COMMANDS],
        env={**os.environ, "MPARCHIVE_LANG": "zh", "COLUMNS": "250", "PYTHONUTF8": "1"},
        capture_output=True,
        check=True,
    )
    _, *helps = done.stdout.decode().split("## ")
    assert len(helps) == len(COMMANDS) + 1
    for text in helps:
        assert _HAN.search(text), text
        assert leftovers(text) == []


@pytest.mark.parametrize(
    ("environment", "chinese"),
    [
        ({"MPARCHIVE_LANG": "zh"}, True),
        ({"LC_ALL": "zh_CN.UTF-8"}, True),
        ({"LANG": "zh_TW.UTF-8"}, True),
        ({"MPARCHIVE_LANG": "en", "LANG": "zh_CN.UTF-8"}, False),
        ({"LC_ALL": "C", "LANG": "zh_CN.UTF-8"}, False),
        ({}, False),
    ],
)
def test_the_language_is_chosen_by_variable_then_locale(environment: dict[str, str], chinese: bool) -> None:
    assert bool(_HAN.search(spoken(environment, "status", "--help"))) is chinese


def test_the_version_is_printed() -> None:
    assert re.fullmatch(r"mparchive \d+\.\d+\.\d+\n", spoken({}, "--version"))


def test_summary_status_and_errors_are_chinese(
    mparchive: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.json").write_bytes(dump_bytes([record(1), record(2)]))
    monkeypatch.setenv("MPARCHIVE_LANG", "zh")
    (tmp_path / "empty.json").write_bytes(b"")
    filled = mparchive("backfill", "a.json", "empty.json", "--no-fetch")
    assert filled.code == 3
    assert "新文章" in filled.out.decode()
    assert "empty.json 是空文件" in filled.err
    missing, status = mparchive("show", "999_1"), mparchive("status")
    assert (missing.code, "存档中没有文章 999_1" in missing.err) == (2, True)
    assert "尚未运行" not in status.out.decode()
    assert "上次运行" in status.out.decode()
    verified = mparchive("verify", "--only", "chains")
    assert "校验通过" in verified.err
    for done in (filled, missing, status, verified):
        assert leftovers(done.out.decode() + done.err) == []


def test_json_stays_english_in_a_chinese_locale(
    mparchive: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.json").write_bytes(dump_bytes([record(1)]))
    monkeypatch.setenv("MPARCHIVE_LANG", "zh")
    done = mparchive("backfill", "a.json", "nowhere.json", "--no-fetch", "--json")
    assert (done.json["counts"]["new"], done.json["counts"]["bad_input"]) == (1, 1)
    assert "cannot be read" in done.json["reasons"]["bad_input"]
