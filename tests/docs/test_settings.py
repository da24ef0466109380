"""Tests that documents and program agree on what can be set, and that generated references are current."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from crawler.discovery.config import ConfigTable
from scheduler.config import load_config
from tests.docs.markdown import DOCS, DOCUMENTS, ROOT, name_of, rows, text_of

EXAMPLE = ROOT / "mparchive" / "mparchive.example.toml"
SETTINGS = (DOCS / "reference" / "settings.md", DOCS / "reference" / "settings.zh-CN.md")
NAMING_VARIABLES = (*DOCUMENTS, ROOT / "Dockerfile", ROOT / "docker-compose.yml")
OF_TESTS = {"MPARCHIVE_SHARED"}
_VARIABLE = re.compile(r"MPARCHIVE_[A-Z_]*[A-Z]")


def listed(document: Path) -> set[str]:
    """Return the variables in the table of a reference."""
    return {name for cells in rows(text_of(document)) for name in _VARIABLE.findall(cells[0])}


def keys_below(table: type[ConfigTable]) -> Iterator[str]:
    """Yield the keys of all tables that the configuration can have."""
    yield from table.model_fields
    for one in table.__subclasses__():
        yield from keys_below(one)


def test_the_generated_references_are_current() -> None:
    command = [sys.executable, "bin/reference.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_both_languages_list_the_same_variables() -> None:
    english, chinese = map(listed, SETTINGS)
    assert english == chinese and len(english) > 20


@pytest.mark.parametrize("document", NAMING_VARIABLES, ids=name_of)
def test_every_variable_in_a_document_is_one_that_the_program_reads(document: Path) -> None:
    assert set(_VARIABLE.findall(text_of(document))) - listed(SETTINGS[0]) - OF_TESTS == set()


def test_the_example_is_valid_with_everything_uncommented(tmp_path: Path) -> None:
    whole = tmp_path / "mparchive.toml"
    whole.write_text(re.sub(r"^# (?=\[|[a-z_]+ = )", "", text_of(EXAMPLE), flags=re.MULTILINE), "utf-8")
    config = load_config(whole)
    assert config.inbox and config.alarms and config.reading_room and config.accounts[0].official


def test_the_example_names_every_key() -> None:
    assert [key for key in keys_below(ConfigTable) if not re.search(rf"\b{key}\b", text_of(EXAMPLE))] == []
