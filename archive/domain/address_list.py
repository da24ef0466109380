"""Read lists of addresses: text, JSON, bookmarks, or a table (CSV, TSV) with a column of addresses.

Every list is read by this module, whatever it was given for: an import, a source of an account, the inbox.
"""

import codecs
import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from io import TextIOWrapper
from typing import BinaryIO

from archive.domain.address_text import (
    DATES,
    TITLES,
    FoundAddress,
    addresses_in_bookmarks,
    addresses_in_json,
    is_bookmarks,
    post_addresses,
)
from archive.domain.addresses import HOST, PostAddress, parse_address
from archive.domain.errors import AddressError
from archive.domain.messages import Message
from archive.domain.records import FIELDS, SHANGHAI, restore_cell

MAX_LINE = 16 * 1024 * 1024  # characters; JSON on one line has 8 million, and takes a second

MAX_WHOLE = 64 * 1024 * 1024  # bytes of JSON or bookmarks, which are read whole; 100,000 entries

MAX_ADDRESSES = 1_000_000  # of one list, 200 MB of memory; ten years of 300 accounts

MAX_EXAMPLE = 60  # characters of a line that is shown as an example

_ENCODING_SAMPLE = 256 * 1024  # bytes

_MAX_HEADER = 20  # characters of the name of a column

_HEADERS = (FIELDS[2], "url", "link", "链接", "地址", "address")

_LIKE_HEADERS = re.compile(r"url|link|链接|网址|地址")

_IMAGE_HEADERS = re.compile(r"cover|img|image|source|封面|头像|图|原文")

_ANY_URL = re.compile(rf"https?://[^\s\"'<>，]+|{re.escape(HOST)}/[^\s\"'<>，]*", re.IGNORECASE)

_MAX_SEARCHED = 200  # characters of a cell that are searched for an address to name


@dataclass(frozen=True, slots=True)
class ListedAddress:
    """An address of a list, with title and day (Asia/Shanghai) where the list has them."""

    address: PostAddress
    title: str = ""
    day: date | None = None


@dataclass(frozen=True, slots=True)
class UnlistedLines:
    """The lines of a list without the address of a post: how many, the first of them, and why.

    `line` is the number of the first (from 1), `example` its beginning. Without a `reason` they are prose.
    """

    number: int
    line: int
    example: str
    reason: Message | None = None


@dataclass(frozen=True, slots=True)
class UnreadRest:
    """Where the reading of a list ended before its end (`line`, from 1, where it is known), and why."""

    reason: Message
    line: int | None = None


@dataclass(frozen=True, slots=True)
class _Columns:
    """The indexes of the columns with addresses, titles and dates; `named` by a header.

    `exported` tells that the header is that of an exported CSV, whose cells are to be restored.
    """

    address: int = 0
    title: int | None = None
    day: int | None = None
    named: bool = False
    exported: bool = False


class _LineTooLong(Exception):
    """A line is longer than any of a list of addresses."""


def read_addresses(stream: BinaryIO) -> Iterator[ListedAddress | UnlistedLines | UnreadRest]:
    """Yield the addresses of a list in order, each once; at the end what the other lines are.

    Empty lines and lines that begin with # are ignored.
    """
    seen: set[str] = set()
    for item in _items(stream):
        if isinstance(item, ListedAddress):
            if item.address.key in seen:
                continue
            if len(seen) == MAX_ADDRESSES:
                yield UnreadRest(Message("archive.list.too_many", {"max": MAX_ADDRESSES}))
                return
            seen.add(item.address.key)
        yield item


def read_json_list(stream: BinaryIO) -> list[ListedAddress]:
    """Return the addresses in JSON or JSON Lines; none where it is neither, or has over MAX_WHOLE bytes."""
    text = read_markup(stream)
    return [_listed(one) for one in (addresses_in_json(text) if text else None) or ()]


def _items(stream: BinaryIO) -> Iterator[ListedAddress | UnlistedLines | UnreadRest]:
    text = read_markup(stream) or ""
    found = addresses_in_json(text)
    if found is None and is_bookmarks(text):
        found = addresses_in_bookmarks(text)
    yield from _rows(stream) if found is None else map(_listed, found)


def read_markup(stream: BinaryIO) -> str | None:
    """Return the text of JSON or markup; None for anything else and for over MAX_WHOLE bytes."""
    encoding = _encoding(stream)
    begin = stream.read(_ENCODING_SAMPLE).decode(encoding, "replace").lstrip("\ufeff \t\r\n")
    stream.seek(0)
    if not begin.startswith(("{", "[", "<")):
        return None
    content = stream.read(MAX_WHOLE + 1)
    stream.seek(0)
    return content.decode(encoding, "replace") if len(content) <= MAX_WHOLE else None


def _listed(found: FoundAddress) -> ListedAddress:
    return ListedAddress(parse_address(found.url), found.title, _day(found.date))


def _rows(stream: BinaryIO) -> Iterator[ListedAddress | UnlistedLines | UnreadRest]:
    lines = _lines(stream)
    wrong: UnlistedLines | None = None
    prose: UnlistedLines | None = None
    number = 0
    try:
        first = next(lines, "")
        delimiter = _delimiter(first)
        reader = csv.reader(_chained(first, lines), delimiter=delimiter) if delimiter else None
        rows = reader or ([line] for line in _chained(first, lines))
        columns = None if delimiter else _Columns()
        for number, row in enumerate(rows, 1):
            if columns is None:
                columns = _columns(row)
                if columns.named:
                    continue
            if _is_comment(row):
                continue
            found = _row_addresses(row, columns)
            yield from found
            if found:
                continue
            reason, line = _reason(row, columns), reader.line_num if reader else number
            if reason:
                wrong = _counted(wrong, row, line, reason)
            else:
                prose = _counted(prose, row, line)
    except (_LineTooLong, csv.Error):
        yield UnreadRest(Message("archive.list.long_line", {"max": MAX_LINE}), number + 1)
    yield from (lines for lines in (wrong, prose) if lines)


def _counted(
    lines: UnlistedLines | None, row: Sequence[str], line: int, reason: Message | None = None
) -> UnlistedLines:
    """Return the lines and one more, this."""
    if lines:
        return replace(lines, number=lines.number + 1)
    example = " ".join(" ".join(cell[:_MAX_SEARCHED] for cell in row).split())
    return UnlistedLines(1, line, example[:MAX_EXAMPLE].rstrip(), reason)


def _lines(stream: BinaryIO) -> Iterator[str]:
    text = TextIOWrapper(stream, encoding=_encoding(stream), errors="replace", newline="")
    try:
        while line := text.readline(MAX_LINE + 1):
            if len(line) > MAX_LINE:
                raise _LineTooLong
            yield line
    finally:
        text.detach()


def _encoding(stream: BinaryIO) -> str:
    """Guess the encoding: UTF-8, or what spreadsheets in China write; addresses are ASCII in all of them."""
    head = stream.read(_ENCODING_SAMPLE)
    stream.seek(0)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "gb18030"
    return "utf-8-sig"


def _chained(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _delimiter(first: str) -> str | None:
    """Return what separates the columns; None where the first line is one address or not that of a table."""
    for delimiter in (",", "\t", ";"):
        if delimiter == ";" and "&amp;" in first:  # the semicolons are those of an address within HTML
            continue
        cells = next(csv.reader([first], delimiter=delimiter), [])
        if len(cells) > 1 and (_is_header(cells) or any(_is_address(cell) for cell in cells)):
            return delimiter
    return "," if _is_header(next(csv.reader([first]), [])) else None


def _is_header(row: Sequence[str]) -> bool:
    return _address_column([cell.strip().lower() for cell in row]) is not None


def _address_column(names: Sequence[str]) -> int | None:
    """Return the column that a header names as that of addresses."""
    exact = _index(names, _HEADERS)
    if exact is not None or len(names) < 2 or any(len(name) > _MAX_HEADER for name in names):
        return exact
    like = (
        index
        for index, name in enumerate(names)
        if _LIKE_HEADERS.search(name) and not _IMAGE_HEADERS.search(name) and not _is_address(name)
    )
    return next(like, None)


def _is_address(cell: str) -> bool:
    return "://" in cell[:10] or HOST in cell


def _columns(row: Sequence[str]) -> _Columns:
    """Find the columns by the header of the table."""
    names = [cell.strip().lower() for cell in row]
    column = _address_column(names)
    if column is not None:
        exported = FIELDS[0].lower() in names and FIELDS[1].lower() in names
        return _Columns(column, _index(names, TITLES), _index(names, DATES), named=True, exported=exported)
    return _Columns()


def _index(names: Sequence[str], known: Sequence[str]) -> int | None:
    return next((names.index(name) for name in known if name in names), None)


def _is_comment(row: Sequence[str]) -> bool:
    return not any(cell.strip() for cell in row) or row[0].lstrip().startswith("#")


def _row_addresses(row: Sequence[str], columns: _Columns) -> list[ListedAddress]:
    """Return the addresses in the column of a row that a header names, else those anywhere in it.

    Without a header a row may be nothing but addresses. Unescaped quotes in a title break a row up; title and
    day are then unknown.
    """
    title, day = _cell(row, columns.title), _day(_cell(row, columns.day))
    if columns.exported:
        title = restore_cell(title)
    found = [
        ListedAddress(parse_address(url), title, day)
        for url in post_addresses(_cell(row, columns.address))
        if columns.named
    ]
    return found or [ListedAddress(parse_address(url)) for url in post_addresses(",".join(row))]


def _reason(row: Sequence[str], columns: _Columns) -> Message | None:
    """Return why a line holds no address of a post; None where it is prose without any address."""
    match = _ANY_URL.search(",".join(cell[:_MAX_SEARCHED] for cell in row))
    if match is None:
        return Message("archive.list.empty_cell") if columns.named else None
    try:
        parse_address(match[0] if "://" in match[0] else f"https://{match[0]}")
    except AddressError as error:
        return error.message
    return Message("archive.list.empty_cell")


def _cell(row: Sequence[str], index: int | None) -> str:
    return row[index].strip() if index is not None and index < len(row) else ""


def _day(text: str) -> date | None:
    """Return the day of a date as lists have it: YYYY-MM-DD, maybe with a time, or seconds since 1970."""
    try:
        if re.fullmatch(r"[0-9]{9,10}", text):
            return datetime.fromtimestamp(int(text), SHANGHAI).date()
        return date.fromisoformat(text[:10].replace("/", "-"))
    except ValueError:
        return None
