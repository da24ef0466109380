"""Tests that a post as plain text has its title, account, day and address, and every paragraph as a line."""

from pathlib import Path

from archive.export.plain_text import write_text_files
from tests.archive.rendering.making import Files, post, shown


def test_a_file_has_a_head_and_a_line_for_each_paragraph(tmp_path: Path) -> None:
    title = "=1+1\n第二行\t" + "长" * 300
    made = [shown(post(None, title=title, text="第一段\r第二段\r\n第三段\r"), [], Files())]
    assert write_text_files(made, tmp_path).posts == 1
    (path,) = tmp_path.iterdir()
    head, _, text = path.read_text("utf-8").partition("\n\n")
    assert path.name.endswith(".txt")
    assert head.splitlines()[0] == " ".join(title.split())
    assert "2026-03-01 1001_1" in head.splitlines()[1]
    assert head.splitlines()[2].startswith("http")
    assert text == "第一段\n第二段\n第三段\n"


def test_an_empty_post_is_its_head(tmp_path: Path) -> None:
    write_text_files([shown(post(None, title="", text=""), [], Files())], tmp_path)
    (path,) = tmp_path.iterdir()
    assert path.read_text("utf-8").count("\n") == 2
