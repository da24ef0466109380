"""The text of a new configuration: valid as it stands, and so is everything in it that is off."""

import re
from pathlib import Path

import pytest

from mparchive.commands.init import FoundAccount, configuration_text
from scheduler.config import Config, Limits, Schedule, load_config

FOUND = FoundAccount("Mzk5OTAwMDAwMQ==", "合成云屿经信", {"123": "政策\n解读", "45": '"引号"'})


def load(folder: Path, text: str) -> Config:
    path = folder / "mparchive.toml"
    path.write_text(text)
    return load_config(path)


def uncommented(text: str) -> str:
    """Return the text with its examples uncommented."""
    return re.sub(r"^# (?=\w+ = |\[)", "", text, flags=re.MULTILINE)


def test_what_was_found_is_on_and_nothing_else(tmp_path: Path) -> None:
    config = load(tmp_path, configuration_text([FOUND, FoundAccount("Mzk5OTAwMDAwMg==")]))
    first, second = config.accounts
    assert (first.biz, first.name, first.albums) == (FOUND.biz, FOUND.name, ("123", "45"))
    assert (second.biz, second.name, second.albums) == ("Mzk5OTAwMDAwMg==", "Mzk5OTAwMDAwMg==", ())
    assert all(one.follow_albums for one in config.accounts), "which needs no login"
    assert not any(one.feeds or one.command or one.own_backend or one.official for one in config.accounts)
    assert config == Config(accounts=config.accounts)


def test_every_example_is_valid_and_the_numbers_are_the_defaults(tmp_path: Path) -> None:
    on = load(tmp_path, uncommented(configuration_text([FOUND])))
    (account,) = on.accounts
    assert account.albums == ("123", "45")
    assert account.follow_albums
    assert account.feeds
    assert account.command
    assert account.own_backend
    assert account.official
    assert on.inbox
    assert on.alarms
    assert on.limits == Limits()
    assert on.schedule.model_copy(
        update={"quiet_hours": None, "every_minutes": Schedule().every_minutes}
    ) == (Schedule())


@pytest.mark.parametrize("name", ['他说"好"', "a\\b", "= [x]", "甲 # 乙", "\u2028"])
def test_any_name_is_written_so_that_it_is_read_back(tmp_path: Path, name: str) -> None:
    config = load(tmp_path, configuration_text([FoundAccount(FOUND.biz, name, {"1": name})]))
    assert config.accounts[0].name == name


def test_the_example_in_the_documents_is_what_init_writes() -> None:
    example = Path(__file__).parents[3] / "mparchive" / "mparchive.example.toml"
    assert example.read_text() == configuration_text(
        [FoundAccount(FOUND.biz, FOUND.name, {"3900000000000000001": "合成专辑"})]
    )
