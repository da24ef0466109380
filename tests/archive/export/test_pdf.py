"""Tests that posts are printed whole, without any request, and that a browser that hangs is replaced."""

import io
import shutil
import socket
import subprocess
from collections.abc import Iterator

import pytest
from pypdf import PdfReader

from archive.domain.errors import PageError
from archive.domain.messages import Message
from archive.export import pdf
from archive.export.documents import write_book, write_document_files
from archive.export.pdf import PdfMaker, PrinterMissing
from crawler.browser.launch_options import find_chromium, launch_options, print_options
from tests.archive.export.test_documents import ARCHIVE, LATER, describe, illustrated
from tests.archive.rendering.making import Files, post, shown

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(find_chromium() is None, reason="no Chromium is installed"),
]

LAUNCH = print_options(launch_options())
REMEDY = Message("crawler.browser.install")
LONG = "".join(f"<section><p>Line {number}. {'text ' * 60}</p></section>" for number in range(120))


@pytest.fixture(scope="module")
def maker() -> Iterator[PdfMaker]:
    with PdfMaker(LAUNCH, REMEDY) as maker:
        yield maker


def text_of(content: bytes) -> str:
    return "".join("".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages).split())


def printed(maker: PdfMaker, html: str | None) -> bytes:
    one = shown(post(html, text="x\r"), [], Files())
    return maker.document(maker.render(one).content, describe(one))


def test_every_line_of_a_long_post_is_on_its_pages(maker: PdfMaker) -> None:
    content = printed(maker, LONG)
    assert len(PdfReader(io.BytesIO(content)).pages) > 4
    text = text_of(content)
    assert all(f"Line{number}.text" in text for number in range(120))


def test_chinese_text_can_be_read_from_it(maker: PdfMaker) -> None:
    if not maker.can_write_chinese():
        pytest.skip("there is no font for Chinese (Debian: fonts-noto-cjk)")
    content = printed(maker, "<p>中文第一段，<strong>粗体</strong>。长见贝车门页风飞马鱼鸟龙一人大小山</p>")
    assert "中文第一段，粗体。长见贝车门页风飞马鱼鸟龙一人大小山" in text_of(content)


def test_a_glyph_is_named_by_its_character_not_by_the_radical_that_looks_like_it() -> None:
    table = b"1 beginbfchar\n<0003> <2F42>\n<0004> <2ED3>\n<0005> <4E2D>\nendbfchar\n<0006> <0008> <2F00>"
    assert pdf._GLYPHS.sub(pdf._character_names, table) == (
        b"1 beginbfchar\n<0003> <6587>\n<0004> <957F>\n<0005> <4E2D>\nendbfchar\n"
        b"<0006> <0008> [<4E00> <4E28> <4E36>]"
    )


def test_without_a_font_for_chinese_that_is_known(tmp_path_factory: pytest.TempPathFactory) -> None:
    empty = tmp_path_factory.mktemp("fonts") / "fonts.conf"
    empty.write_text('<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig></fontconfig>')
    with PdfMaker({**LAUNCH, "env": {"FONTCONFIG_FILE": str(empty)}}, REMEDY) as maker:
        assert not maker.can_write_chinese()


def test_pictures_are_in_it(maker: PdfMaker) -> None:
    one = illustrated()
    content = maker.document(maker.render(one).content, describe(one))
    sizes = [image.image.size for page in PdfReader(io.BytesIO(content)).pages for image in page.images]  # type: ignore[union-attr]
    assert sizes == [(240, 160)]


def test_its_metadata_name_title_author_day_address_and_hash(maker: PdfMaker) -> None:
    one = illustrated(title="=1+1\n第二行" + "长" * 300)
    content = maker.document(maker.render(one).content, describe(one))
    said = PdfReader(io.BytesIO(content)).metadata
    assert said is not None
    assert said.title == "=1+1 第二行" + "长" * 300
    assert said.author == "作者甲; 示例账号"
    for words in ("2026-03-01", ARCHIVE, one.post.url, one.sha256.hex()):  # type: ignore[union-attr]
        assert words in said["/Keywords"]
    assert said["/CreationDate"] == "D:20260302040000Z"  # when the page was captured


def test_the_same_post_makes_the_same_file(maker: PdfMaker) -> None:
    assert printed(maker, LONG) == printed(maker, LONG)


def test_nothing_is_requested(maker: PdfMaker) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/x"
        page = (
            f"<html><head><link rel=stylesheet href='{address}'></head><body><img src='{address}'>"
            f"<iframe src='{address}'></iframe><script>fetch('{address}')</script>text</body></html>"
        )
        assert text_of(maker.document(page.encode(), describe(illustrated()))) == "text"
        with pytest.raises(TimeoutError):
            server.accept()


def test_a_book_has_an_outline_and_a_page_with_its_title() -> None:
    with PdfMaker(LAUNCH, REMEDY) as maker:
        out = io.BytesIO()
        posts = [illustrated(), illustrated(title="第二篇", aid="1002_1")]
        assert write_book(posts, maker.render, maker, describe, "Book", LATER, out).posts == 2
    read = PdfReader(out)
    assert [getattr(entry, "title", None) for entry in read.outline] == ["合成标题", "第二篇"]
    assert [read.get_destination_page_number(entry) for entry in read.outline] == [1, 2]  # type: ignore[arg-type]
    assert "Book" in read.pages[0].extract_text()


def test_a_book_of_nothing_is_one_page() -> None:
    with PdfMaker(LAUNCH, REMEDY) as maker:
        out = io.BytesIO()
        write_book([], maker.render, maker, describe, "Book", LATER, out)
    assert len(PdfReader(out).pages) == 1


def test_a_post_that_takes_too_long_is_named_and_the_next_is_printed() -> None:
    with PdfMaker(LAUNCH, REMEDY, seconds=0.0001) as maker:
        with pytest.raises(PageError, match=r"more than 0\.0001 seconds"):
            printed(maker, LONG)
        maker._seconds = 60.0
        assert "Line119." in text_of(printed(maker, LONG))


def test_a_browser_that_ended_is_started_again(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("printed")
    with PdfMaker(LAUNCH, REMEDY) as maker:
        assert maker._browser is not None
        maker._runner.run(maker._browser.close())
        posts = [shown(post("<p>x</p>"), [], Files())]
        assert write_document_files(posts, folder, maker.render, maker, describe).posts == 1


def test_a_browser_is_recycled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "PAGES_OF_A_BROWSER", 1)
    with PdfMaker(LAUNCH, REMEDY) as maker:
        printed(maker, "<p>x</p>")
        first = maker._browser
        printed(maker, "<p>x</p>")
        assert first is not None
        assert not first.is_connected()


def test_a_pdf_is_bounded(maker: PdfMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "MAX_PDF", 1000)
    with pytest.raises(PageError, match="its PDF has over"):
        printed(maker, "<p>x</p>")


def test_without_chromium_the_remedy_is_named() -> None:
    missing = {**LAUNCH, "executable_path": "/nonexistent/chromium"}
    with pytest.raises(PrinterMissing, match="Chromium does not start"), PdfMaker(missing, REMEDY):
        pass


def test_pdftotext_reads_the_same_text(maker: PdfMaker) -> None:
    program = shutil.which("pdftotext")
    if program is None:
        pytest.skip("pdftotext is not installed (Debian: poppler-utils)")
    content = printed(maker, LONG)
    read = subprocess.run([program, "-", "-"], input=content, capture_output=True, check=True, timeout=60)
    assert "Line 119." in read.stdout.decode()
