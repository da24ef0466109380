"""Print posts as PDF, from the offline page, by Chromium without any network."""

import asyncio
import io
import re
import unicodedata
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC
from html import escape
from typing import Any, Self

from playwright.async_api import Browser, PdfMargins, Playwright, Route, async_playwright
from playwright.async_api import Error as PlaywrightError
from pypdf import PdfReader, PdfWriter
from pypdf.errors import PyPdfError
from pypdf.generic import DictionaryObject, StreamObject

from archive.domain.errors import ArchiveError, PageError, first_line
from archive.domain.messages import Message
from archive.export.documents import DocumentInfo
from archive.export.html import render_html
from archive.export.post_renderer import RenderPost
from archive.rendering.page import render_template
from archive.system.files import remove_temporary_files_of_programs

PRINT_SECONDS = 60.0  # for a post; the longest real ones take five, on a busy machine twenty

CLOSE_SECONDS = 10.0  # for a browser to end by itself, before it is killed

PAGES_OF_A_BROWSER = 50  # posts; a browser that printed many keeps memory of them

MAX_PDF = 64 * 1024**2  # bytes of one post; its images have up to 48 MB

MARGINS: PdfMargins = {"top": "18mm", "bottom": "18mm", "left": "18mm", "right": "18mm"}

# A page that scrolls shows on paper only what fits into one sheet.
_STYLE = (
    "<style>@media print{main{overflow:visible!important}body{max-width:none;padding:0}"
    "h1,h2,h3{break-after:avoid}img{break-inside:avoid}}</style></head>"
)


# Radicals share glyphs with characters: Chromium may name the radical, and then nobody finds the character.
# Normalization replaces most of them; the others are these.
_RADICALS = str.maketrans(
    "⺄⺈⺊⺎⺐⺒⺓⺜⺝⺠⺧⺩⺪⺫⺬⺮⺶⺻⺽⻁⻄⻅⻆⻉⻋⻑⻓⻔⻗⻘⻙⻚⻛⻜⻝⻢⻣⻤⻥⻦⻧⻨⻩⻪⻫⻬⻭⻮⻯⻰⻱⻲",
    "乙刀卜兀尢巳幺日月民牛王疋目示竹羊聿臼虎西见角贝车長长门雨青韦页风飞食马骨鬼鱼鸟卤麦黄黾斉齐歯齿竜龙龜亀",
)

_RADICAL = re.compile("[\u2e80-\u2fdf]")

_GLYPHS = re.compile(
    rb"<((?:[0-9A-F]{2}){1,2})>(?: <((?:[0-9A-F]{2}){1,2})>)? <([0-9A-F]{4})>$", re.MULTILINE
)


class PrinterMissing(ArchiveError):
    """Chromium is not installed or does not start."""


class PdfMaker:
    """Makes PDF: a context manager, for as long as the browser runs.

    `launch` are Playwright's launch options, `remedy` says what to do when the browser does not start.
    """

    ending = "pdf"

    def __init__(self, launch: Mapping[str, Any], remedy: Message, seconds: float = PRINT_SECONDS) -> None:
        self.render: RenderPost = render_html
        self._launch, self._remedy, self._seconds = launch, remedy, seconds
        self._runner = asyncio.Runner()
        self._playwright: Playwright | None = None
        self._browser: Browser | None = None
        self._printed = 0
        self._chapters = PdfWriter()

    def __enter__(self) -> Self:
        """Start the browser, so that its absence is known before anything is written.

        Raises PrinterMissing.
        """
        try:
            self._runner.run(self._start())
        except PrinterMissing:
            self._runner.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._stop())
        self._runner.close()

    def can_write_chinese(self) -> bool:
        """Tell whether there is a font for Chinese: without one its characters are boxes and no text."""
        printed = PdfReader(self._printed_pages("<html><head></head><p>中国</p></html>".encode()))
        return "中国" in printed.pages[0].extract_text()

    def document(self, content: bytes, info: DocumentInfo) -> bytes:
        """Return the PDF of one post."""
        return _finished(PdfWriter(clone_from=self._printed_pages(content)), info)

    def add_chapter(self, content: bytes, info: DocumentInfo) -> int:
        """Add a post to the book, and return the bytes of its pages."""
        printed = self._printed_pages(content)
        pages = PdfReader(printed)
        self._chapters.append(pages, outline_item=info.title, import_outline=False)
        return printed.getbuffer().nbytes

    def book(self, info: DocumentInfo) -> bytes:
        """Return the book of all posts that were added, behind a page with its title."""
        title = f"<header><h1>{escape(info.title)}</h1><p>{escape(info.description)}</p></header>"
        page = render_template("index.html", title=info.title, count=0, days=[])
        head, _, rest = page.partition("<header>")
        page = head + title + rest.partition("</header>")[2]
        self._chapters.merge(0, PdfReader(self._printed_pages(page.encode())), import_outline=False)
        return _finished(self._chapters, info)

    def _printed_pages(self, content: bytes) -> io.BytesIO:
        """Return a page as PDF. Raises PageError, PrinterMissing."""
        html = content.decode("utf-8", "replace").replace("</head>", _STYLE, 1)
        try:
            return io.BytesIO(self._runner.run(self._print(html)))
        except TimeoutError:
            self._runner.run(self._stop())
            raise PageError("archive.export.too_slow", seconds=f"{self._seconds:g}") from None
        except PlaywrightError as error:
            self._runner.run(self._stop())
            raise PageError("archive.export.not_printed", reason=first_line(error)[:200]) from None

    async def _print(self, html: str) -> bytes:
        browser = await self._started()
        self._printed += 1
        async with asyncio.timeout(self._seconds):
            context = await browser.new_context(
                locale="zh-CN",
                timezone_id="Asia/Shanghai",
                java_script_enabled=False,
                accept_downloads=False,
                offline=True,
                color_scheme="light",
            )
            try:
                await context.route("**/*", _refuse)
                page = await context.new_page()
                await page.set_content(html, wait_until="load", timeout=self._seconds * 1000)
                printed = await page.pdf(format="A4", margin=MARGINS, print_background=True)
            finally:
                with suppress(PlaywrightError):
                    await context.close()
        if len(printed) > MAX_PDF:
            raise PageError("archive.export.pdf_too_large", limit=MAX_PDF // 1024**2)
        return printed

    async def _started(self) -> Browser:
        if self._browser is not None and self._printed >= PAGES_OF_A_BROWSER:
            await self._stop()
        if self._browser is None or not self._browser.is_connected():
            await self._stop()
            await self._start()
        assert self._browser is not None  # noqa: S101 - just started
        return self._browser

    async def _start(self) -> None:
        self._printed = 0
        remove_temporary_files_of_programs()
        self._playwright = await async_playwright().start()
        try:
            self._browser = await self._playwright.chromium.launch(**self._launch)
        except (PlaywrightError, OSError) as error:
            await self._stop()
            reason = first_line(error)[:200]
            raise PrinterMissing("archive.export.no_chromium", reason=reason, remedy=self._remedy) from None

    async def _stop(self) -> None:
        """End the browser; one that does not end by itself is killed together with Playwright."""
        browser, playwright = self._browser, self._playwright
        self._browser = self._playwright = None
        if browser is not None:
            with suppress(PlaywrightError, TimeoutError):
                await asyncio.wait_for(browser.close(), CLOSE_SECONDS)
        if playwright is not None:
            with suppress(PlaywrightError, TimeoutError):
                await asyncio.wait_for(playwright.stop(), CLOSE_SECONDS)


async def _refuse(route: Route) -> None:
    with suppress(PlaywrightError):  # the page may be gone by now
        await route.abort()


def _name_characters(writer: PdfWriter) -> None:
    """Let the fonts name characters in place of radicals, so that texts can be searched and copied."""
    for found in list(writer._objects):
        stream = found.get("/ToUnicode") if isinstance(found, DictionaryObject) else None
        stream = stream.get_object() if stream is not None else None
        if isinstance(stream, StreamObject):
            stream.set_data(_GLYPHS.sub(_character_names, stream.get_data()))


def _character_names(line: re.Match[bytes]) -> bytes:
    """Return a line of a font's table of characters: a glyph or a range of them, and the first character."""
    first, last, named = line[1], line[2], int(line[3], 16)
    count = int(last, 16) - int(first, 16) + 1 if last else 1
    names = [chr(named + place) for place in range(count)]
    if not any(map(_RADICAL.fullmatch, names)):
        return line[0]
    numbers = [b"<%04X>" % ord(_character(name)) for name in names]
    return b"<%b> <%b> [%b]" % (first, last, b" ".join(numbers)) if last else b"<%b> %b" % (first, numbers[0])


def _character(name: str) -> str:
    return unicodedata.normalize("NFKC", name.translate(_RADICALS)) if _RADICAL.fullmatch(name) else name


def _finished(writer: PdfWriter, info: DocumentInfo) -> bytes:
    """Return a PDF with what it says of itself; the same pages give the same bytes. Raises PageError."""
    at = f"D:{info.at.astimezone(UTC):%Y%m%d%H%M%S}Z"
    out = io.BytesIO()
    try:
        _name_characters(writer)
        writer.metadata = {
            "/Title": info.title,
            "/Author": "; ".join(info.authors),
            "/Subject": info.description,
            "/Keywords": " ".join(filter(None, (info.day.isoformat(), info.url, *info.identifiers))),
            "/Creator": "mparchive",
            "/Producer": "Chromium",
            "/CreationDate": at,
            "/ModDate": at,
        }
        writer.write(out)
    except PyPdfError as error:
        raise PageError("archive.export.not_printed", reason=first_line(error)[:200]) from None
    return out.getvalue()
