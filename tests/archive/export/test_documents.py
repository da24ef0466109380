"""Tests that EPUB and DOCX have the texts, pictures and origin of posts: pandoc and epubcheck read them."""

import io
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image

from archive.domain.errors import PageError
from archive.export import documents
from archive.export.documents import (
    NOT_SHOWN,
    BookTooLarge,
    DocumentInfo,
    PandocMaker,
    book_title,
    post_info,
    write_book,
    write_document_files,
)
from archive.export.parquet import ExtraMissing
from archive.rendering.page import ShownPost
from archive.reports.citations import Citation
from archive.repository.post_queries import PostFilter
from tests.archive.rendering.making import IMAGE, NOW, Files, image, post, shown
from tests.standin.media import picture

ARCHIVE = "https://archive.example/posts/MzA=/1001_1/versions/1"
BODY = (
    "<h2>小标题</h2><p>第一段，<strong>粗体</strong>。</p>"
    f'<p><img data-src="{IMAGE.format(1)}"></p><p><img data-src="{IMAGE.format(2)}"></p>'
    '<table><tr><td rowspan="2">甲</td><td>乙</td></tr><tr><td>丙</td></tr></table><p>末尾\x01段</p>'
)
LATER = datetime(2027, 1, 1, tzinfo=UTC)


def describe(one: ShownPost) -> DocumentInfo:
    """Return what the document of a post says, as the command takes it from the citation."""
    cited = Citation(
        biz="MzA=",
        aid=one.post.aid,
        title=" ".join(one.post.title.split()) or one.post.aid,
        author=one.post.account_name,
        published_on=one.post.published_on,
        url=one.post.url,
        archive_url=ARCHIVE,
        version=1,
        seen_at=NOW,
        capture_id=1,
        sha256=one.sha256.hex() if one.sha256 else None,
    )
    return post_info(cited, "作者甲\n")


def illustrated(**more: object) -> ShownPost:
    """Make a post that shows a WebP picture, and one that is not archived."""
    files, webp = Files(), io.BytesIO()
    with Image.open(io.BytesIO(picture("a"))) as made:
        made.save(webp, "WEBP", lossless=True)
    made_file = files.keep(webp.getvalue(), "image/webp")
    return replace(shown(post(BODY, **more), [image(1, made_file), image(2)], files), archive_url=ARCHIVE)


def document(form: str, one: ShownPost) -> bytes:
    maker = PandocMaker(form)
    return maker.document(maker.render(one).content, describe(one))


def read_back(form: str, content: bytes) -> str:
    """Return the text that pandoc reads from a document, without white space."""
    command = [documents._pandoc_path(), "--from", form, "--to", "plain", "--wrap=none"]
    read = subprocess.run(command, input=content, capture_output=True, check=True, timeout=60)
    return "".join(read.stdout.decode().split())


def part(content: bytes, ending: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(ending)]
        return archive.read(name)


def errors_of_epubcheck(path: Path) -> str:
    """Return what epubcheck finds wrong; skip the test where it is not installed."""
    program = shutil.which("epubcheck")
    if program is None:
        pytest.skip("epubcheck is not installed (Debian: epubcheck)")
    done = subprocess.run([program, str(path)], capture_output=True, text=True, check=False, timeout=120)
    lines = (done.stdout + done.stderr).splitlines()
    return "\n".join(line for line in lines if re.match("(ERROR|FATAL|WARNING)", line))


@pytest.mark.parametrize("form", ["epub", "docx"])
def test_pandoc_reads_the_same_texts_back(form: str) -> None:
    title = "=1+1\n第二行\t" + "长" * 300
    read = read_back(form, document(form, illustrated(title=title)))
    assert "=1+1第二行长长" in read or form == "docx"  # pandoc takes the title of a DOCX for metadata
    for words in ("小标题", "第一段，粗体。", "甲", "乙", "丙", "末尾\ufffd段", "示例账号", ARCHIVE):
        assert words in read
    assert f"[{''.join(NOT_SHOWN.split())}]" in read
    assert illustrated().sha256.hex() in read  # type: ignore[union-attr]  # it has one


@pytest.mark.parametrize(("form", "ending", "kind"), [("epub", ".webp", "WEBP"), ("docx", ".png", "PNG")])
def test_pictures_are_embedded_in_a_type_that_readers_show(form: str, ending: str, kind: str) -> None:
    with Image.open(io.BytesIO(part(document(form, illustrated()), ending))) as embedded:
        assert (embedded.format, embedded.size) == (kind, (240, 160))


def test_the_metadata_name_title_authors_day_address_and_hash() -> None:
    one = illustrated()
    for content in (part(document("epub", one), "content.opf"), part(document("docx", one), "core.xml")):
        for words in ("合成标题", "作者甲", "示例账号", "2026-03-0", ARCHIVE, one.sha256.hex()):  # type: ignore[union-attr]
            assert words.encode() in content
        assert b"2026-03-02T04:00:00Z" in content  # when the page was captured, not when it was exported


@pytest.mark.parametrize("form", ["epub", "docx"])
def test_the_same_posts_make_the_same_file(form: str) -> None:
    assert document(form, illustrated()) == document(form, illustrated())


def test_a_formula_is_one_of_the_document() -> None:
    body = '<p>由<span data-formula="x^2"><svg viewBox="0 0 1 1"><path d="M0 0"/></svg></span>得</p>'
    content = part(document("docx", shown(post(body), [], Files())), "word/document.xml")
    assert b"<m:oMath>" in content


@pytest.mark.parametrize("form", ["epub", "docx"])
def test_a_book_has_a_chapter_for_each_post_and_names_those_left_out(
    form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    maker, add = PandocMaker(form), PandocMaker.add_chapter

    def fail(self: PandocMaker, content: bytes, info: DocumentInfo) -> int:
        if "坏" in info.title:
            raise PageError("archive.export.pandoc_failed", reason="odd")
        return add(self, content, info)

    monkeypatch.setattr(PandocMaker, "add_chapter", fail)
    out = io.BytesIO()
    posts = [illustrated(), illustrated(title="坏的一篇"), illustrated(title="第二篇", aid="1002_1")]
    result = write_book(posts, maker.render, maker, describe, "书名", LATER, out)
    assert (result.posts, result.failed) == (2, 1)
    assert "odd" in str(result.failures[0])
    read = read_back(form, out.getvalue())
    assert read.index("合成标题") < read.index("第二篇")
    assert "坏的一篇" not in read
    assert "书名".encode() in part(out.getvalue(), "content.opf" if form == "epub" else "core.xml")


@pytest.mark.parametrize("form", ["epub", "docx"])
def test_a_book_of_nothing_can_be_opened(form: str) -> None:
    out, maker = io.BytesIO(), PandocMaker(form)
    assert write_book([], maker.render, maker, describe, "书名", NOW, out).posts == 0
    assert "0篇文章posts" in read_back(form, out.getvalue())


def test_a_book_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    maker = PandocMaker("epub")
    monkeypatch.setattr(documents, "MAX_BOOK_POSTS", 1)
    with pytest.raises(BookTooLarge, match="at most 1 posts"):
        write_book([illustrated()] * 2, maker.render, maker, describe, "书名", NOW, io.BytesIO())
    monkeypatch.setattr(documents, "MAX_BOOK_SIZE", 100)
    with pytest.raises(BookTooLarge, match="over 0 MB"):
        write_book([illustrated()], maker.render, maker, describe, "书名", NOW, io.BytesIO())


def test_a_book_is_named_by_its_account_and_words() -> None:
    assert book_title(PostFilter()) == documents.BOOK_TITLE
    assert book_title(PostFilter("示例账号", query="芯片")) == "示例账号 芯片"


def test_files_have_the_ending_of_their_format(tmp_path: Path) -> None:
    maker = PandocMaker("epub")
    result = write_document_files([illustrated()], tmp_path, maker.render, maker, describe)
    assert result.posts == 1
    assert [path.name for path in tmp_path.iterdir()] == ["2026-03-01-1001_1-合成标题.epub"]


def test_pandoc_is_bounded_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "PANDOC_SECONDS", 0.0001)
    with pytest.raises(PageError, match="more than"):
        document("epub", illustrated())


def test_what_pandoc_refuses_is_one_sentence() -> None:
    maker = PandocMaker("epub")
    maker.ending = "unknown"
    with pytest.raises(PageError, match=r"pandoc could not make the document: .*unknown"):
        maker.book(describe(illustrated()))


def test_without_pandoc_the_command_to_install_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pypandoc", None)
    with pytest.raises(ExtraMissing, match=r"pip install 'mparchive\[documents\]'"):
        PandocMaker("epub")


def test_epubcheck_finds_nothing_wrong(tmp_path: Path) -> None:
    maker, out = PandocMaker("epub"), io.BytesIO()
    (tmp_path / "one.epub").write_bytes(document("epub", illustrated(title="=1+1\n<b>&" + "长" * 300)))
    posts = [illustrated(), shown(post(None, title="", text="甲\r乙", aid="1002_1"), [], Files())]
    write_book(posts, maker.render, maker, describe, "书名", NOW, out)
    (tmp_path / "book.epub").write_bytes(out.getvalue())
    for name in ("one.epub", "book.epub"):
        assert errors_of_epubcheck(tmp_path / name) == ""
