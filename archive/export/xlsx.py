"""Export posts as a workbook: a row for each post, and what its cells cannot hold on a second sheet.

A cell has text only, so that nothing in it is calculated. What Excel refuses in a cell is written as an
escape that `restore_xlsx_cell` reverses.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

import xlsxwriter
from sqlalchemy.orm import Session
from xlsxwriter.exceptions import FileCreateError

from archive.domain.errors import ArchiveError
from archive.domain.records import SHANGHAI
from archive.export.result import OnPosts, ignore_posts
from archive.reports.post_list import PostRow, whole_posts
from archive.repository.heads import last_digest
from archive.repository.post_queries import PostFilter
from archive.system.files import process_folder

MAX_CELL = 32_767  # UTF-16 code units that a cell of Excel holds

MAX_ROWS = 1_048_576  # of a sheet, the header among them

COLUMNS = (
    "aid", "title", "url", "published_on", "published_at", "account", "biz", "kind", "marks",
    "first_archived_at", "text",
)  # fmt: skip

HEAD_PROPERTY = "mparchive head"  # of the workbook: the digest of the archive's head

MORE_COLUMNS = ("aid", "biz", "column", "part", "text")

POSTS_SHEET, MORE_SHEET = "posts", "continued"

_ESCAPE = "␛"

# What XML does not allow, the escape itself, escapes of Office, which programs decode or not, and what the
# library would write as markup instead of text.
_REFUSED = re.compile(
    r"[\x00-\x08\x0b\x0c\x0d\x0e-\x1f\ufffe\uffff\u241b]|_(?=x[0-9A-Fa-f]{4}_)|\A<(?=r>.*</r>\Z)", re.DOTALL
)

_WRITTEN = re.compile(f"{_ESCAPE}([0-9A-F]{{4}}){_ESCAPE}")

_SWAPPED = str.maketrans("\r\n", "\n\r")


class TooManyRows(ArchiveError):
    """More posts than a sheet has rows."""


def write_xlsx(
    session: Session,
    chosen: PostFilter,
    out: BinaryIO,
    on_posts: OnPosts = ignore_posts,
    *,
    max_rows: int = MAX_ROWS,
) -> int:
    """Write the posts of a filter as a workbook, and return how many were written.

    Rows go to temporary files before they are packed. Raises TooManyRows, OSError.
    """
    target = _Target(out)
    with TemporaryDirectory(dir=process_folder()) as folder:
        book = xlsxwriter.Workbook(target, {"constant_memory": True, "tmpdir": folder})
        book.use_zip64()
        posts = _Sheet(book, POSTS_SHEET, COLUMNS, max_rows)
        more = _Sheet(book, MORE_SHEET, MORE_COLUMNS, max_rows)
        try:
            for batch in whole_posts(session, chosen):
                for _, post in batch:
                    _write_post(post, posts, more)
                on_posts(posts.rows - 1)
            if head := last_digest(session):
                book.set_custom_property(HEAD_PROPERTY, head.digest, "text")
            book.close()
        except FileCreateError as error:
            raise error.args[0] from None
        finally:
            target.is_open = False
            posts.close()
            more.close()
    return posts.rows - 1


class _Target:
    """Passes what is written on to a file until it is closed, so that it need not be seekable.

    Where writing fails, the library closes its ZIP file as late as it is collected, and writes its end.
    """

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self.is_open = True

    def write(self, content: bytes) -> int:
        return self._out.write(content) if self.is_open else len(content)

    def flush(self) -> None:
        if self.is_open:
            self._out.flush()


class _Sheet:
    """A sheet to which rows of text are added."""

    def __init__(self, book: xlsxwriter.Workbook, name: str, header: tuple[str, ...], max_rows: int) -> None:
        self._sheet = book.add_worksheet(name)
        self._max_rows = max_rows
        self.rows = 0
        self._sheet.freeze_panes(1, 0)
        self.add(header)

    def add(self, cells: tuple[str, ...]) -> None:
        if self.rows >= self._max_rows:
            raise TooManyRows("archive.export.too_many_rows", limit=self._max_rows - 1)
        for column, cell in enumerate(cells):
            self._sheet.write_string(self.rows, column, cell)
        self.rows += 1

    def close(self) -> None:
        """Close the temporary file of its rows."""
        self._sheet._opt_close()


def _write_post(post: PostRow, posts: _Sheet, more: _Sheet) -> None:
    cells = [list(cell_parts(_cell_text(getattr(post, name), name))) for name in COLUMNS]
    posts.add(tuple(parts[0] for parts in cells))
    for name, parts in zip(COLUMNS, cells, strict=True):
        for number, part in enumerate(parts[1:], 2):
            more.add((post.aid, post.biz, name, str(number), part))


def _cell_text(value: Any, column: str) -> str:
    if isinstance(value, datetime):
        return value.astimezone(SHANGHAI).isoformat()
    if isinstance(value, tuple):
        return ", ".join(value)
    text = "" if value is None else str(value)
    return xlsx_cell(text.translate(_SWAPPED) if column == "text" else text)


def xlsx_cell(text: str) -> str:
    """Return a text as a cell can hold it, each character that Excel refuses as ␛ with its number ␛."""
    return _REFUSED.sub(lambda match: f"{_ESCAPE}{ord(match[0]):04X}{_ESCAPE}", text)


def restore_xlsx_cell(cell: str, column: str = "") -> str:
    """Return the text as it was before it was written to a cell; in the column `text` breaks are CR again."""
    text = _WRITTEN.sub(lambda match: chr(int(match[1], 16)), cell)
    return text.translate(_SWAPPED) if column == "text" else text


def cell_parts(text: str) -> Iterator[str]:
    """Yield a text in parts that a cell holds; the last one is the rest, of an empty text the empty one."""
    start = 0
    while len(text) - start > MAX_CELL // 2 and (end := _end_of_cell(text, start)) < len(text):
        yield text[start:end]
        start = end
    yield text[start:]


def _end_of_cell(text: str, start: int) -> int:
    """Return where a cell that begins at `start` is full; characters beyond U+FFFF take two units."""
    piece = text[start : start + MAX_CELL]
    units = piece.encode("utf-16-le", "surrogatepass")[: 2 * MAX_CELL]
    return start + len(units.decode("utf-16-le", "ignore"))
