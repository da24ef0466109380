"""What the documents say can be set is what the program reads, and all of it."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from archive.db.settings import ArchiveSettings
from archive.system import parent_watch
from crawler.discovery.config import ConfigTable
from crawler.process import protocol
from crawler.settings import _Environment as CrawlSettings
from scheduler.config import load_config
from scheduler.settings import SchedulerSettings
from tests.docs.markdown import DOCUMENTS, READMES, ROOT, named, rows, told
from web.auth import InboxSettings, ReadingSettings

EXAMPLE = ROOT / "mparchive" / "mparchive.example.toml"
ROOMS = ("archive", "crawler", "scheduler", "mparchive")
PROGRAM = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]
READERS: tuple[type[BaseSettings], ...] = (
    ArchiveSettings,
    CrawlSettings,
    InboxSettings,
    ReadingSettings,
    SchedulerSettings,
)
# What one process of the program says to another, and nobody else says.
BETWEEN_PROCESSES = {parent_watch.ENVIRONMENT_VARIABLE, protocol.PROGRESS_VARIABLE}
WHERE_VARIABLES_STAND = (*DOCUMENTS, ROOT / "Dockerfile", ROOT / "docker-compose.yml")
OF_THE_TESTS = {"MPARCHIVE_SHARED"}
_VARIABLE = re.compile(r"MPARCHIVE_[A-Z_]*[A-Z]")


def keys_below(table: type[ConfigTable]) -> Iterator[str]:
    """The keys of all tables that the configuration can have."""
    yield from table.model_fields
    for one in table.__subclasses__():
        yield from keys_below(one)


@cache
def read_variables() -> set[str]:
    """The variables of all settings, and those that are asked for by name."""
    of_settings = {f"MPARCHIVE_{name.upper()}" for reader in READERS for name in reader.model_fields}
    by_name = {word for path in PROGRAM for word in words(path) if _VARIABLE.fullmatch(word)}
    return (of_settings | by_name) - BETWEEN_PROCESSES


def test_no_class_of_settings_is_forgotten() -> None:
    written = {
        node.name
        for path in PROGRAM
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ClassDef) and any("Settings" in ast.unparse(base) for base in node.bases)
    }
    assert written <= {one.__name__ for reader in READERS for one in reader.__mro__}


@pytest.mark.parametrize("readme", READMES, ids=named)
def test_the_readmes_have_a_row_for_every_variable(readme: Path) -> None:
    named_in_rows = " ".join(cells[0] for cells in rows(told(readme)))
    assert set(_VARIABLE.findall(named_in_rows)) == read_variables()


@pytest.mark.parametrize("document", WHERE_VARIABLES_STAND, ids=named)
def test_every_variable_that_is_written_is_read(document: Path) -> None:
    assert set(_VARIABLE.findall(told(document))) - read_variables() - OF_THE_TESTS == set()


def test_the_example_can_be_uncommented_as_a_whole(tmp_path: Path) -> None:
    whole = tmp_path / "mparchive.toml"
    whole.write_text(re.sub(r"^# (?=\[|[a-z_]+ = )", "", told(EXAMPLE), flags=re.MULTILINE), "utf-8")
    config = load_config(whole)
    assert config.inbox and config.alarms and config.reading_room and config.accounts[0].official


def test_the_example_names_every_key() -> None:
    assert [key for key in keys_below(ConfigTable) if not re.search(rf"\b{key}\b", told(EXAMPLE))] == []


def words(path: Path) -> Iterator[str]:
    """The strings of a module."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
