"""Read lists of addresses: text, JSON, bookmarks, or a table (CSV, TSV) with a column of addresses."""

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
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
from archive.domain.addresses import HOST, Address, parse_address
from archive.domain.errors import AddressError
from archive.domain.messages import Message
from archive.domain.records import FIELDS, SHANGHAI, restore_cell
from mparchive.importers.items import Flaw, InputError, NothingToImport, Skipped

MAX_LINE = 16 * 1024 * 1024  # characters; JSON on one line has 8 million, and takes a second

MAX_WHOLE = 64 * 1024 * 1024  # bytes of JSON or bookmarks, which are read whole; 100,000 entries

MAX_ADDRESSES = 1_000_000  # of one list, 200 MB of memory; ten years of 300 accounts

_ENCODING_SAMPLE = 256 * 1024  # bytes

_MAX_HEADER = 20  # characters of the name of a column

_HEADERS = (FIELDS[2], "url", "link", "链接", "地址", "address")

_LIKE_HEADERS = re.compile(r"url|link|链接|网址|地址")

_IMAGE_HEADERS = re.compile(r"cover|img|image|source|封面|头像|图|原文")

_ANY_URL = re.compile(rf"https?://[^\s\"'<>，]+|{re.escape(HOST)}/[^\s\"'<>，]*", re.IGNORECASE)

_MAX_EXAMPLE = 200  # characters of a line that are searched for an address to name


@dataclass(frozen=True, slots=True)
class ListedAddress:
    """An address of a list, with title and day (Asia/Shanghai) where the list has them."""

    address: Address
    title: str = ""
    day: date | None = None


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


@dataclass(slots=True)
class _Unlisted:
    """The lines without the address of a post: how many hold another address, and how many hold none."""

    name: str
    wrong: int = 0
    first: Flaw | None = None
    prose: int = 0

    def add(self, cells: Sequence[str], columns: _Columns, line: int) -> None:
        """Count a line."""
        reason = _reason(cells, columns)
        if reason is None:
            self.prose += 1
            return
        self.wrong += 1
        self.first = self.first or Flaw(self.name, _line(line), reason)

    def items(self) -> Iterator[Flaw | Skipped]:
        """Yield one flaw for all the lines with another address, and one remark for all without any."""
        if self.first and self.wrong > 1:
            params = {"reason": self.first.reason, "n": self.wrong}
            yield Flaw(self.name, self.first.where, Message("mparchive.list.no_posts", params), self.wrong)
        elif self.first:
            yield self.first
        if self.prose:
            yield Skipped(self.name, self.prose, "mparchive.list.prose")


def read_list(stream: BinaryIO, name: str) -> Iterator[ListedAddress | Flaw | Skipped]:
    """Yield addresses and flaws of a list, each address once. Raises InputError when there is neither.

    Empty lines and lines that begin with # are ignored. All lines without an address are one item.
    """
    seen: set[str] = set()
    found = False
    for item in _items(stream, name):
        found = found or not isinstance(item, Skipped)
        if isinstance(item, ListedAddress):
            if item.address.key in seen:
                continue
            if len(seen) == MAX_ADDRESSES:
                params = {"name": name, "max": MAX_ADDRESSES}
                yield Flaw(name, None, Message("mparchive.list.too_many", params))
                return
            seen.add(item.address.key)
        if found:
            yield item
    if not found:
        raise InputError("mparchive.list.no_address", name=name)


def read_json_list(stream: BinaryIO) -> list[ListedAddress]:
    """Return the addresses in JSON or JSON Lines; none where it is neither, or has over MAX_WHOLE bytes."""
    text = _whole(stream)
    return [_listed(one) for one in (addresses_in_json(text) if text else None) or ()]


def _items(stream: BinaryIO, name: str) -> Iterator[ListedAddress | Flaw | Skipped]:
    text = _whole(stream) or ""
    found = addresses_in_json(text)
    if found is not None:
        yield from map(_listed, found)
    elif is_bookmarks(text):
        yield from _bookmarks(text, name)
    else:
        yield from _rows(stream, name)


def _whole(stream: BinaryIO) -> str | None:
    """Return the text of JSON or markup; None for anything else and for over MAX_WHOLE bytes."""
    encoding = _encoding(stream)
    begin = stream.read(_ENCODING_SAMPLE).decode(encoding, "replace").lstrip("\ufeff \t\r\n")
    stream.seek(0)
    if not begin.startswith(("{", "[", "<")):
        return None
    content = stream.read(MAX_WHOLE + 1)
    stream.seek(0)
    return content.decode(encoding, "replace") if len(content) <= MAX_WHOLE else None


def _bookmarks(text: str, name: str) -> Iterator[ListedAddress]:
    """Yield the addresses of a bookmark file or OPML. Raises NothingToImport where it has none of a post."""
    found = addresses_in_bookmarks(text)
    yield from map(_listed, found)
    if not found:
        raise NothingToImport("mparchive.list.only_feeds", name=name)


def read_feed_file(stream: BinaryIO, name: str) -> Iterator[ListedAddress | Skipped]:
    """Yield the addresses of the entries of a feed; those in the text of an entry are left out.

    Raises InputError when it cannot be read, NothingToImport where no entry leads to a post.
    """
    from crawler.discovery.feed_process import read_feed  # noqa: PLC0415 - only a feed needs its libraries
    from crawler.discovery.source import SourceError  # noqa: PLC0415 - as above

    try:
        entries = read_feed(stream.read(MAX_WHOLE))
    except SourceError as error:
        raise InputError("mparchive.list.feed_unreadable", name=name, reason=error.message) from None
    without = 0
    for entry in entries:
        url = next(post_addresses(f"{entry.link} {entry.id}"), None)
        if url is None:
            without += 1
            continue
        day = entry.published_at.astimezone(SHANGHAI).date() if entry.published_at else None
        yield ListedAddress(parse_address(url), entry.title, day)
    if without == len(entries):
        raise NothingToImport("mparchive.list.feed_without_posts", name=name)
    if without:
        yield Skipped(name, without, "mparchive.list.feed_entries")


def _listed(found: FoundAddress) -> ListedAddress:
    return ListedAddress(parse_address(found.url), found.title, _day(found.date))


def _rows(stream: BinaryIO, name: str) -> Iterator[ListedAddress | Flaw | Skipped]:
    lines = _lines(stream)
    unlisted = _Unlisted(name)
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
            if not found:
                unlisted.add(row, columns, reader.line_num if reader else number)
    except (_LineTooLong, csv.Error):
        yield Flaw(name, _line(number + 1), Message("mparchive.list.long_line", {"max": MAX_LINE}))
    yield from unlisted.items()


def _lines(stream: BinaryIO) -> Iterator[str]:
    text = io.TextIOWrapper(stream, encoding=_encoding(stream), errors="replace", newline="")
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
    """Find the columns by the header of the table, or by its first row where there is none."""
    names = [cell.strip().lower() for cell in row]
    column = _address_column(names)
    if column is not None:
        exported = FIELDS[0].lower() in names and FIELDS[1].lower() in names
        return _Columns(column, _index(names, TITLES), _index(names, DATES), named=True, exported=exported)
    return _Columns(next((index for index, cell in enumerate(row) if _is_address(cell)), 0))


def _index(names: Sequence[str], known: Sequence[str]) -> int | None:
    return next((names.index(name) for name in known if name in names), None)


def _is_comment(row: Sequence[str]) -> bool:
    return not any(cell.strip() for cell in row) or row[0].lstrip().startswith("#")


def _row_addresses(row: Sequence[str], columns: _Columns) -> list[ListedAddress]:
    """Return the addresses in the column of a row, else those anywhere in it.

    Unescaped quotes in a title break a row up; title and day are then unknown.
    """
    title, day = _cell(row, columns.title), _day(_cell(row, columns.day))
    if columns.exported:
        title = restore_cell(title)
    found = [
        ListedAddress(parse_address(url), title, day) for url in post_addresses(_cell(row, columns.address))
    ]
    return found or [ListedAddress(parse_address(url)) for url in post_addresses(",".join(row))]


def _reason(row: Sequence[str], columns: _Columns) -> Message | None:
    """Return why a line holds no address of a post; None where it is prose without any address."""
    match = _ANY_URL.search(",".join(cell[:_MAX_EXAMPLE] for cell in row))
    if match is None:
        return Message("mparchive.list.empty_cell") if columns.named else None
    try:
        parse_address(match[0] if "://" in match[0] else f"https://{match[0]}")
    except AddressError as error:
        return error.message
    return Message("mparchive.list.empty_cell")


def _cell(row: Sequence[str], index: int | None) -> str:
    return row[index].strip() if index is not None and index < len(row) else ""


def _line(number: int) -> Message:
    return Message("mparchive.input.line", {"number": number})


def _day(text: str) -> date | None:
    """Return the day of a date as lists have it: YYYY-MM-DD, maybe with a time, or seconds since 1970."""
    try:
        if re.fullmatch(r"[0-9]{9,10}", text):
            return datetime.fromtimestamp(int(text), SHANGHAI).date()
        return date.fromisoformat(text[:10].replace("/", "-"))
    except ValueError:
        return None
