"""Test the names of exported files."""

from pathlib import Path

import pytest

from archive.export.file_names import FileNames, as_file_name
from archive.system.files import atomically


def test_names_of_accounts_are_unique_and_fit(tmp_path: Path) -> None:
    names = FileNames()
    given = [
        "示例",
        "示例 .",
        "示例",
        "Ａbc",
        "abc",
        "ABC",
        "é",
        "e\u0301",
        "😀" * 300,
        "😀" * 301,
        "",
        ".",
        "con",
        "CON ",
    ]
    made = [names.of_account(name, f"Mz{number}==") for number, name in enumerate(given)]
    assert len({name.casefold() for name in made}) == len(given)
    assert made[1] == "示例-Mz1=="
    for name in made:
        atomically(tmp_path / f"{name}_20260301.warc.gz", lambda out: out.write(b""))
    assert len(list(tmp_path.iterdir())) == len(given)


@pytest.mark.parametrize("name", ["con", "CON.txt", "Nul", "com1", "LPT9.a", "COM¹"])
def test_names_that_windows_reserves_for_devices_are_not_used(name: str) -> None:
    assert as_file_name(name) == f"_{name}"


def test_accounts_whose_biz_differ_in_case_have_different_names() -> None:
    names = FileNames()
    assert len({names.of_account("x", biz).casefold() for biz in ("Mza=", "MzA=", "mZa=", "MZA=")}) == 4
