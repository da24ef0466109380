"""Test that one failure does not keep the rest of an export from being written."""

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from archive.export.html import render_html, write_html
from archive.export.markdown import write_markdown
from archive.export.post_renderer import RenderedPost
from archive.export.records import write_csv, write_dump, write_jsonl
from archive.export.result import ExportResult
from archive.rendering.page import ShownPost
from archive.system.files import FileWriteError, atomically
from tests.archive.making import record
from tests.archive.rendering.making import post, shown

IN_AN_IMAGE = "<p>前</p><svg><image><a><img></a></image></svg><p>后</p>"
ENDINGS = {write_html: "*-*.html", write_markdown: "*.md"}


@pytest.mark.parametrize("write", ENDINGS)
def test_an_image_that_holds_others_is_shown_with_the_words_around_it(
    write: Callable, tmp_path: Path
) -> None:
    written = write([shown(post(IN_AN_IMAGE)), shown(post("<p>另</p>", aid="1000_1"))], tmp_path)
    assert (written.posts, written.failed) == (2, 0)
    said = "".join(path.read_text("utf-8") for path in tmp_path.glob(ENDINGS[write]))
    assert all(word in said for word in "前后另")


@pytest.mark.parametrize("write", ENDINGS)
@pytest.mark.parametrize(
    "body",
    ["<audio src='//a]'></audio>", f"<mpvoice name='&amp;#{'9' * 5000};'></mpvoice>",
     f"<ol start='{'9' * 5000}'><li>x</ol>", "<ol start='²'><li>x</ol>",
     f"<p style='width:{'9' * 5000}'>x</p>"],
)  # fmt: skip
def test_odd_values_do_not_keep_a_post_from_being_written(write: Callable, body: str, tmp_path: Path) -> None:
    assert write([shown(post(body))], tmp_path).failures == []


def test_a_style_that_cannot_be_parsed_is_removed() -> None:
    style = f"background:\\75 rl(https://evil.example/x);width:{'9' * 5000}"
    assert b"evil" not in render_html(shown(post(f"<p style='{style}'>x</p>"))).content


def _fails_for(number: int) -> Callable[[ShownPost], RenderedPost]:
    def make(one: ShownPost) -> RenderedPost:
        if one.post.aid == f"{number}_1":
            raise RecursionError("maximum recursion depth exceeded")
        return RenderedPost(b"page")

    return make


@pytest.mark.parametrize("write", ENDINGS)
def test_a_post_that_fails_is_named_and_the_others_are_written(write: Callable, tmp_path: Path) -> None:
    posts = [shown(post("x", aid=f"{number}_1")) for number in (1, 2, 3)]
    written = write(posts, tmp_path, _fails_for(2))
    assert (written.posts, written.failed) == (2, 1)
    assert "post 2_1 of 示例账号 (2026-03-01) could not be written: RecursionError" in str(
        written.failures[0]
    )
    assert len(list(tmp_path.glob(ENDINGS[write]))) == 2


@pytest.mark.parametrize("write", [write_dump, write_jsonl, write_csv])
def test_a_record_that_cannot_be_written_is_named_and_leaves_nothing_in_the_file(
    write: Callable, tmp_path: Path
) -> None:
    bad = record(2)
    object.__setattr__(bad, "text", object() if write is not write_csv else "\ud800")
    whole, result = tmp_path / "whole", ExportResult()
    with whole.open("wb") as out:
        assert write([record(1), record(3)], out) == 2
    with (tmp_path / "out").open("wb") as out:
        assert write([record(1), bad, record(3)], out, result) == 2
    assert (tmp_path / "out").read_bytes() == whole.read_bytes()
    assert result.failed == 1
    assert bad.aid in str(result.failures[0])


def test_a_full_disk_ends_an_export_and_a_bad_name_does_not(tmp_path: Path) -> None:
    def refuse(code: int) -> Callable[[object], None]:
        def write(_: object) -> None:
            raise OSError(code, "refused")

        return write

    result = ExportResult()
    with result.isolate("a"):
        atomically(tmp_path / "a", refuse(errno.ENAMETOOLONG))
    assert result.failed == 1
    assert "cannot write" in str(result.failures[0])
    with pytest.raises(FileWriteError), result.isolate("a"):
        atomically(tmp_path / "a", refuse(errno.ENOSPC))
