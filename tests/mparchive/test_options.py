"""Options of the command."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from mparchive.cli import app
from mparchive.errors import CommandError, Exit
from mparchive.options import Format, format_of


@pytest.mark.parametrize(
    ("form", "name", "chosen"),
    [
        (None, None, Format.DUMP),
        (None, "a.csv", Format.CSV),
        (None, "a.CSV", Format.CSV),
        (None, "a.warc.gz", Format.WARC),
        (None, "a.wacz", Format.WACZ),
        (None, "a.xlsx", Format.XLSX),
        (None, "a.db", Format.SQLITE),
        (None, "a.sqlite", Format.SQLITE),
        (None, "a.parquet", Format.PARQUET),
        (None, "a.pdf", Format.PDF),
        (None, "a.EPUB", Format.EPUB),
        (Format.DOCX, "a.docx", Format.DOCX),
        (None, "a.b/c", Format.DUMP),
        (Format.CSV, "a.txt", Format.CSV),
        (Format.MARKDOWN, "a.json", Format.MARKDOWN),
    ],
)
def test_the_format_is_that_given_or_that_of_the_name(
    form: Format | None, name: str | None, chosen: Format
) -> None:
    assert format_of(form, Path(name) if name else None) is chosen


@pytest.mark.parametrize("form", [None, Format.TXT])
def test_text_files_are_not_one_file(form: Format | None, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="one file per post"):
        format_of(form, Path("a.txt"))
    (tmp_path / "b.txt").mkdir()
    assert format_of(Format.TXT, tmp_path / "b.txt") is Format.TXT


def test_a_contradiction_is_an_error_and_a_folder_is_none(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="contradicts"):
        format_of(Format.DUMP, Path("a.csv"))
    folder = tmp_path / "a.csv"
    folder.mkdir()
    assert format_of(Format.JSONL, folder) is Format.JSONL


@pytest.mark.parametrize(
    "arguments",
    [
        ("export", "--output", ""),
        ("export", "--output="),
        ("export", "--output", "  "),
        ("export", "--account", ""),
        ("backfill", "a.json", "--url", ""),
        ("backfill", "--replay", "", "a.json"),
        ("parse", "a.html", "--url="),
        ("init", "a.json", "--output", ""),
        ("verify", "--save-head", ""),
        ("search", "--kind", "", "x"),
    ],
)
def test_an_option_with_an_empty_value_is_a_usage_error(arguments: tuple[str, ...]) -> None:
    ended = CliRunner().invoke(app, arguments).exception
    assert isinstance(ended, CommandError)
    assert (ended.message.code, ended.code) == ("mparchive.error.empty_value", Exit.USAGE)
    assert ended.message.params["option"] in (one.partition("=")[0] for one in arguments)
