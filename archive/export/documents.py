"""Export posts as documents: PDF, EPUB or DOCX, a file for each post or all in one book.

EPUB and DOCX are made by pandoc, which the extra `mparchive[documents]` brings; archive.export.pdf makes PDF.
"""

import base64
import io
import json
import re
import shutil
import subprocess
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any, BinaryIO, Protocol
from uuid import NAMESPACE_URL, uuid5

from bs4 import Tag
from PIL import Image, ImageOps

from archive.domain.errors import ArchiveError, PageError
from archive.domain.records import SHANGHAI
from archive.export.file_names import FileNames
from archive.export.markdown import unstyled_body
from archive.export.parquet import ExtraMissing
from archive.export.post_renderer import RenderedPost, RenderPost, write_each
from archive.export.result import ExportResult, post_name
from archive.rendering.formulas import FORMULA_BLOCK, is_formula
from archive.rendering.images import is_inline, new_element, parse_html
from archive.rendering.media import MAX_EMBEDDED, PostMedia, make_data_url
from archive.rendering.page import ShownPost, document_page
from archive.reports.citations import Citation
from archive.repository.media import ShownMedium, StoredFile
from archive.repository.post_queries import PostFilter
from archive.system.files import process_folder, write_bytes

MAX_BOOK_POSTS = 2_000  # a book of more is neither read nor opened with pleasure

MAX_BOOK_SIZE = 256 * 1024**2  # bytes of its posts with their images, which the book holds in memory

PANDOC_SECONDS = 120.0  # for a post or for a book; a book of 100 MB takes six

PANDOC_HEAP = "2g"  # a book of 100 MB takes 300 MB

BOOK_TITLE = "文章存档"

NOT_SHOWN = "图片未存档 · image not archived"


class BookTooLarge(ArchiveError):
    """More posts, or more bytes of them, than one book holds."""


@dataclass(frozen=True)
class DocumentInfo:
    """What a document says of itself; each text is on one line.

    `at` is when the text was captured (aware, UTC): it dates the file, so that the same posts make the same
    file. `identifiers` are addresses and hashes, the first one unique; `url` is empty for a book.
    """

    title: str
    authors: tuple[str, ...]
    day: date
    at: datetime
    identifiers: tuple[str, ...]
    description: str
    url: str = ""


def post_info(cited: Citation, author: object = None) -> DocumentInfo:
    """Return what the document of a post says of itself; `author` is the one that its page names."""
    own = f"urn:uuid:{uuid5(NAMESPACE_URL, f'{cited.biz} {cited.aid} {cited.version} {cited.sha256}')}"
    named = " ".join(author.split()) if isinstance(author, str) else ""
    sha256 = f"urn:sha256:{cited.sha256}" if cited.sha256 else ""
    return DocumentInfo(
        title=_as_xml_text(cited.title),
        authors=tuple(dict.fromkeys(_as_xml_text(name) for name in (named, cited.author) if name)),
        day=cited.published_on,
        at=cited.seen_at,
        identifiers=tuple(filter(None, (cited.archive_url or own, sha256))),
        description=" ".join(filter(None, (cited.url, cited.archive_url, cited.note("zh")))),
        url=cited.url,
    )


def book_info(title: str, posts: list[DocumentInfo], fallback: datetime) -> DocumentInfo:
    """Return what a book of these posts says of itself; `fallback` is the instant of an empty one."""
    at = max((post.at for post in posts), default=fallback)
    days = sorted({post.day for post in posts}) or [at.astimezone(SHANGHAI).date()]
    named = dict.fromkeys(post.authors[-1] for post in posts)
    content = " ".join([title, *(post.identifiers[0] for post in posts)])
    span = days[0].isoformat() if days[0] == days[-1] else f"{days[0].isoformat()} – {days[-1].isoformat()}"
    return DocumentInfo(
        title=title,
        authors=tuple(named),
        day=days[-1],
        at=at,
        identifiers=(f"urn:uuid:{uuid5(NAMESPACE_URL, content)}",),
        description=f"{len(posts)} 篇文章 posts{f', {span}' if posts else ''}",
    )


class DocumentMaker(Protocol):
    """Makes documents of one format from posts as HTML. Its methods raise PageError for a post."""

    ending: str
    render: RenderPost  # makes the HTML, in a process of its own

    def document(self, content: bytes, info: DocumentInfo) -> bytes:
        """Return the document of one post."""

    def add_chapter(self, content: bytes, info: DocumentInfo) -> int:
        """Add a post to the book, and return how many bytes it takes there."""

    def book(self, info: DocumentInfo) -> bytes:
        """Return the book of all posts that were added."""


Describe = Callable[[ShownPost], DocumentInfo]


def write_document_files(
    posts: Iterable[ShownPost], folder: Path, render: RenderPost, maker: DocumentMaker, describe: Describe
) -> ExportResult:
    """Write a document `<date>-<aid>-<title>` with the ending of its format for each post.

    A post that cannot be written is left out. Raises FileWriteError where none can be.
    """

    def write(shown: ShownPost, rendered: RenderedPost, names: FileNames) -> RenderedPost:
        content = maker.document(rendered.content, describe(shown))
        write_bytes(folder / f"{names.of_post(shown.post)}.{maker.ending}", content)
        return rendered

    return write_each(posts, render, write)


def book_title(chosen: PostFilter) -> str:
    """Return the title of a book of the posts of a filter: its account and the words of its search."""
    return _as_xml_text(" ".join(filter(None, (chosen.account, chosen.query))) or BOOK_TITLE)


def write_book(  # noqa: PLR0913, PLR0917 - as above, and what the book as a whole needs
    posts: Iterable[ShownPost],
    render: RenderPost,
    maker: DocumentMaker,
    describe: Describe,
    title: str,
    now: datetime,
    out: BinaryIO,
) -> ExportResult:
    """Write one document with a chapter for each post; `now` (aware) dates a book without any.

    A post that cannot be written is left out. Raises BookTooLarge, PageError, OSError.
    """
    chapters: list[DocumentInfo] = []
    result, size = ExportResult(), 0
    for shown in posts:
        if len(chapters) == MAX_BOOK_POSTS:
            raise BookTooLarge("archive.export.too_many_posts", limit=MAX_BOOK_POSTS)
        with result.isolate(post_name(shown.post)):
            rendered, info = render(shown), describe(shown)
            size += maker.add_chapter(rendered.content, info)
            chapters.append(info)
            result.add_post(rendered.problems, rendered.damaged)
        if size > MAX_BOOK_SIZE:
            raise BookTooLarge("archive.export.book_too_large", limit=MAX_BOOK_SIZE // 1024**2)
    out.write(maker.book(book_info(title, chapters, now)))
    return result


_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# Types that readers of a format must show; Pillow converts the others.
_SHOWN_TYPES = {
    "epub": frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "image/svg+xml"}),
    "docx": frozenset({"image/png", "image/jpeg", "image/gif"}),
}


def _as_xml_text(text: str) -> str:
    """Return a text with U+FFFD for what XML cannot hold: control characters and parts of characters."""
    return _NOT_IN_XML.sub("\ufffd", text)


class _EmbeddedImages:
    """The images of a post as data: addresses, of types that a format can hold."""

    def __init__(self, media: PostMedia, form: str) -> None:
        self.media = media
        self._types = _SHOWN_TYPES[form]
        self._room = MAX_EMBEDDED

    def address(self, medium: ShownMedium | None, written: str) -> str:
        """Return the data: address of an image, "" for one that cannot be embedded."""
        if is_inline(written):
            return written if written[5:].partition(";")[0].lower() in self._types else ""
        if medium is None or medium.file is None or medium.file.size * 4 // 3 > self._room:
            return ""
        content = self.media.content(medium.file)
        address = self._data_url(content, medium.file) if content else ""
        self._room -= len(address)
        return address

    def _data_url(self, content: bytes, file: StoredFile) -> str:
        if file.media_type in self._types:
            return make_data_url(content, file.media_type)
        try:
            return make_data_url(_as_png(content), "image/png")
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            return ""


def _as_png(content: bytes) -> bytes:
    with Image.open(io.BytesIO(content)) as image:
        converted, out = ImageOps.exif_transpose(image), io.BytesIO()
        converted.convert("RGBA" if converted.has_transparency_data else "RGB").save(out, "PNG")
    return out.getvalue()


def render_for_pandoc(form: str, shown: ShownPost) -> RenderedPost:
    """Return the HTML of a post with its images embedded, for pandoc to read; `form` is epub or docx."""
    body = unstyled_body(shown.post, _EmbeddedImages(shown.media, form))
    content = _as_xml_text(document_page(shown, _readable_by_pandoc(body))).encode()
    return RenderedPost(content, problems=shown.media.problems, damaged=shown.media.damaged)


def _readable_by_pandoc(body: str) -> str:
    """Mark formulas as TeX, and put words in the place of images that are not embedded."""
    soup = parse_html(body)
    for formula in soup.find_all(is_formula):
        is_block = FORMULA_BLOCK in formula.get_attribute_list("class")
        tex = new_element("script", type=f"math/tex{'; mode=display' if is_block else ''}")
        tex.string = str(formula["title"]).replace("</", "< /")
        formula.replace_with(tex)
    for image in soup.find_all("img"):
        if not is_inline(str(image.get("src", ""))):
            image.replace_with(f"[{NOT_SHOWN}]")
    return (soup.body or Tag(name="body")).decode_contents()


class PandocMaker:
    """Makes EPUB or DOCX. Raises ExtraMissing where pandoc is not installed."""

    def __init__(self, form: str) -> None:
        self.ending = form
        self.render: RenderPost = partial(render_for_pandoc, form)
        self._pandoc = _pandoc_path()
        self._chapters: list[dict[str, Any]] = []
        self._images = Path(mkdtemp(dir=process_folder()))  # of the book
        weakref.finalize(self, shutil.rmtree, self._images, ignore_errors=True)

    def document(self, content: bytes, info: DocumentInfo) -> bytes:
        """Return the document of one post."""
        with TemporaryDirectory(dir=process_folder()) as folder:
            parsed = self._parsed(_with_image_files(content, Path(folder)))
            if self.ending == "epub":  # in a DOCX the title stands above the text anyway
                parsed["blocks"].insert(0, _heading(info.title, 1))
            return self._written(parsed, info, Path(folder), title_page=False)

    def add_chapter(self, content: bytes, info: DocumentInfo) -> int:
        """Add a post to the book."""
        blocks = self._parsed(_with_image_files(content, self._images))["blocks"]
        self._chapters += [_heading(info.title, len(self._chapters) + 1), *blocks]
        return len(content)

    def book(self, info: DocumentInfo) -> bytes:
        """Return the book of all posts that were added."""
        empty = self._parsed(b"<p></p>")
        blocks = self._chapters or [_paragraph(info.description)]
        return self._written(empty | {"blocks": blocks}, info, self._images, title_page=True)

    def _parsed(self, content: bytes) -> dict[str, Any]:
        """Return HTML as pandoc's own tree; headings of the text come below that of its title."""
        reader = "html-auto_identifiers-native_divs-native_spans"
        wanted = ("--sandbox", "--from", reader, "--to", "json", "--shift-heading-level-by=1")
        tree = self._run(*wanted, given=content)
        parsed: dict[str, Any] = json.loads(tree)
        return parsed

    def _written(
        self, parsed: dict[str, Any], info: DocumentInfo, images: Path, *, title_page: bool
    ) -> bytes:
        tree = json.dumps(parsed | {"meta": _metadata(info, is_book=title_page)}, ensure_ascii=False)
        options = [f"--epub-title-page={str(title_page).lower()}"] if self.ending == "epub" else []
        writer = ("--from", "json", "--to", self.ending, "--split-level=1", "--output", "-", *options)
        # Outside of the sandbox pandoc takes the time from the environment, and the images of its tree, which
        # are all our own, from their folder.
        return self._run(*writer, given=tree.encode("utf-8", "replace"), at=info.at, folder=images)

    def _run(
        self, *arguments: str, given: bytes, at: datetime | None = None, folder: Path | None = None
    ) -> bytes:
        """Run pandoc on what is given, in a folder. Raises PageError."""
        heap = ("+RTS", f"-M{PANDOC_HEAP}", "-RTS")
        command = [self._pandoc, "--data-dir=/nonexistent", *arguments, *heap]
        environment = {"LANG": "C.UTF-8", "SOURCE_DATE_EPOCH": str(int(at.timestamp()) if at else 0)}
        try:
            done = subprocess.run(  # noqa: S603 - pandoc, with arguments of our own
                command,
                input=given,
                capture_output=True,
                timeout=PANDOC_SECONDS,
                env=environment,
                cwd=folder,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise PageError("archive.export.too_slow", seconds=f"{PANDOC_SECONDS:g}") from None
        if done.returncode:
            lines = done.stderr.decode("utf-8", "replace").split("\n")
            reason = next((line for line in lines if line and not line.startswith("[")), str(done.returncode))
            raise PageError("archive.export.pandoc_failed", reason=reason[:200])
        return done.stdout


# Pandoc takes thirty times the memory of an image that stands in the text itself.
_EMBEDDED_IMAGE = re.compile(rb'(<img\b[^>]*?\bsrc=")data:image/([a-z]+)(?:\+xml)?;base64,([A-Za-z0-9+/=]+)"')


def _with_image_files(content: bytes, folder: Path) -> bytes:
    """Return HTML whose embedded images are files in a folder, named by their hash."""

    def in_file(image: re.Match[bytes]) -> bytes:
        data = base64.b64decode(image[3])
        name = f"{sha256(data).hexdigest()}.{image[2].decode()}"
        (folder / name).write_bytes(data)
        return b'%b%b"' % (image[1], name.encode())

    return _EMBEDDED_IMAGE.sub(in_file, content)


def _pandoc_path() -> str:
    try:
        import pypandoc  # noqa: PLC0415 - an extra

        return str(pypandoc.get_pandoc_path())
    except (ImportError, OSError):
        extra = {"package": "pypandoc_binary", "extra": "documents"}
        raise ExtraMissing("archive.export.extra_missing", **extra) from None


def _heading(title: str, number: int) -> dict[str, Any]:
    return {"t": "Header", "c": [1, [f"post-{number}", [], []], _words(title)]}


def _paragraph(text: str) -> dict[str, Any]:
    return {"t": "Para", "c": _words(text)}


def _words(text: str) -> list[dict[str, Any]]:
    return [{"t": "Str", "c": text}]


def _metadata(info: DocumentInfo, *, is_book: bool) -> dict[str, Any]:
    """Return what a document says of itself as pandoc's metadata: texts, in which nothing is markup."""
    texts = {
        "title": info.title,
        "date": info.day.isoformat(),
        "lang": "zh-CN",
        "source": info.url,
        "publisher": info.authors[-1] if info.authors else "",
        "description": info.description,
        "subtitle": info.description if is_book else "",
    }
    lists = {"author": info.authors, "identifier": info.identifiers}
    metadata: dict[str, Any] = {name: _meta_string(text) for name, text in texts.items() if text}
    for name, values in lists.items():
        metadata[name] = {"t": "MetaList", "c": [_meta_string(value) for value in values]}
    return metadata


def _meta_string(text: str) -> dict[str, str]:
    return {"t": "MetaString", "c": text}
