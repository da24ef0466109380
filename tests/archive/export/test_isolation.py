"""What cannot be written is named and costs nothing else; no file is written over another."""

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from archive.domain.errors import ExportError, NothingWritable, PageError
from archive.export.files import Names, Written, as_file_name
from archive.export.html import make_html, write_html
from archive.export.markdown import write_markdown
from archive.export.post_files import Made, Maker
from archive.export.records import write_csv, write_dump, write_jsonl
from archive.rendering.page import ShownPost
from archive.system.files import atomically
from tests.archive.making import record
from tests.archive.rendering.making import Files, image, post, shown

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
def test_odd_values_are_no_reason_not_to_write_a_post(write: Callable, body: str, tmp_path: Path) -> None:
    assert write([shown(post(body))], tmp_path).failures == []


def test_a_style_that_cannot_be_read_does_not_stay() -> None:
    style = f"background:\\75 rl(https://evil.example/x);width:{'9' * 5000}"
    assert b"evil" not in make_html(shown(post(f"<p style='{style}'>x</p>"))).content


def _fails_for(number: int) -> Callable[[ShownPost], Made]:
    def make(one: ShownPost) -> Made:
        if one.post.aid == f"{number}_1":
            raise RecursionError("maximum recursion depth exceeded")
        return Made(b"page")

    return make


@pytest.mark.parametrize("write", ENDINGS)
def test_a_post_that_fails_is_named_and_the_others_are_written(write: Callable, tmp_path: Path) -> None:
    posts = [shown(post("x", aid=f"{number}_1")) for number in (1, 2, 3)]
    written = write(posts, tmp_path, _fails_for(2))
    assert (written.posts, written.failed) == (2, 1)
    assert "post 2_1 of 示例账号 (2026-03-01) could not be written: RecursionError" in written.failures[0]
    assert len(list(tmp_path.glob(ENDINGS[write]))) == 2


def _waits(_: ShownPost) -> Made:
    while True:
        pass


def _takes_memory(one: ShownPost) -> Made:
    if "much" in (one.post.html or ""):
        bytearray(4 * 1024**3)
    return make_html(one)


def test_a_post_that_takes_too_long_is_given_up_and_the_next_is_made() -> None:
    with Maker(_waits, seconds=0.5) as maker:
        for _ in range(2):
            with pytest.raises(PageError, match=r"more than 0\.5 seconds"):
                maker.make(shown(post("x")))


def test_a_post_that_takes_too_much_memory_is_given_up_and_the_next_is_made() -> None:
    with Maker(_takes_memory, memory=1024**3) as maker:
        with pytest.raises(PageError, match="memory"):
            maker.make(shown(post("much")))
        files = Files()
        lost = image(1, files.keep(b"x"))
        files.contents.clear()
        made = maker.make(shown(post(f"<p>字</p><img data-src='{lost.url}'>"), [lost], files))
    assert "字".encode() in made.content
    assert "not in the media folder" in made.troubles[0]


@pytest.mark.parametrize("write", [write_dump, write_jsonl, write_csv])
def test_a_record_that_cannot_be_written_is_named_and_leaves_no_half(write: Callable, tmp_path: Path) -> None:
    bad = record(2)
    object.__setattr__(bad, "text", object() if write is not write_csv else "\ud800")
    whole, left_out = tmp_path / "whole", Written()
    with whole.open("wb") as out:
        assert write([record(1), record(3)], out) == 2
    with (tmp_path / "out").open("wb") as out:
        assert write([record(1), bad, record(3)], out, left_out) == 2
    assert (tmp_path / "out").read_bytes() == whole.read_bytes()
    assert left_out.failed == 1
    assert bad.aid in left_out.failures[0]


def test_a_full_disk_ends_an_export_and_a_bad_name_does_not(tmp_path: Path) -> None:
    def refuse(code: int) -> Callable[[object], None]:
        def write(_: object) -> None:
            raise OSError(code, "refused")

        return write

    with pytest.raises(NothingWritable):
        atomically(tmp_path / "a", refuse(errno.ENOSPC))
    with pytest.raises(ExportError) as raised:
        atomically(tmp_path / "a", refuse(errno.ENAMETOOLONG))
    written = Written()
    with written.apart("a"):
        raise raised.value
    assert written.failed == 1
    with pytest.raises(NothingWritable), written.apart("a"):
        raise NothingWritable("full")


def test_names_of_accounts_are_each_once_and_fit(tmp_path: Path) -> None:
    names = Names()
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
def test_names_that_windows_keeps_for_devices_are_not_used(name: str) -> None:
    assert as_file_name(name) == f"_{name}"


def test_two_biz_that_differ_in_case_have_names_of_their_own() -> None:
    names = Names()
    assert len({names.of_account("x", biz).casefold() for biz in ("Mza=", "MzA=", "mZa=", "MZA=")}) == 4
