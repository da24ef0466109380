"""Read lists of addresses: text with one address per line, or a table (CSV, TSV) with a column of them."""

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import BinaryIO

from archive.domain.addresses import HOST, Address, parse_address
from archive.domain.errors import AddressError
from archive.domain.messages import Message
from archive.domain.records import FIELDS, SHANGHAI
from mparchive.importers.items import Flaw, InputError

MAX_LINE = 256 * 1024  # characters; the table of a whole dump has lines of up to 100,000

MAX_ADDRESSES = 1_000_000  # of one list, 200 MB of memory; ten years of 300 accounts

_HEADERS = (FIELDS[2], "url", "link", "链接", "地址", "address")

_TITLES = (FIELDS[1], "title", "标题")

_DATES = (FIELDS[3], "time", "create_time", "update_time", "date", "时间", "日期", "发布时间")

_ANYWHERE = re.compile(rf"https?://{re.escape(HOST)}/(?:s[?/]|mp/appmsg/show\?)[^\s\"',，]+")


@dataclass(frozen=True, slots=True)
class ListedAddress:
    """An address of a list, with title and day (Asia/Shanghai) where the list has them."""

    address: Address
    title: str = ""
    day: date | None = None


@dataclass(frozen=True, slots=True)
class _Columns:
    """The indexes of the columns with addresses, titles and dates."""

    address: int = 0
    title: int | None = None
    day: int | None = None


class _LineTooLong(Exception):
    """A line is longer than any of a list of addresses."""


def read_list(stream: BinaryIO, name: str) -> Iterator[ListedAddress | Flaw]:
    """Yield addresses and flaws of a list, each address once. Raises InputError when there is neither.

    Empty lines and lines that begin with # are ignored.
    """
    seen: set[str] = set()
    found = False
    for item in _items(stream, name):
        found = True
        if isinstance(item, ListedAddress):
            if item.address.key in seen:
                continue
            if len(seen) == MAX_ADDRESSES:
                params = {"name": name, "max": MAX_ADDRESSES}
                yield Flaw(name, None, Message("mparchive.list.too_many", params))
                return
            seen.add(item.address.key)
        yield item
    if not found:
        raise InputError("mparchive.list.no_address", name=name)


def _items(stream: BinaryIO, name: str) -> Iterator[ListedAddress | Flaw]:
    lines = _lines(stream)
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
                if _is_header(row):
                    continue
            item = _item(row, columns, name, reader.line_num if reader else number)
            if item is not None:
                yield item
    except (_LineTooLong, csv.Error):
        yield Flaw(name, _line(number + 1), Message("mparchive.list.long_line", {"max": MAX_LINE}))


def _lines(stream: BinaryIO) -> Iterator[str]:
    text = io.TextIOWrapper(stream, encoding=_encoding(stream), errors="replace", newline="")
    try:
        while line := text.readline(MAX_LINE):
            if len(line) == MAX_LINE:
                raise _LineTooLong
            yield line
    finally:
        text.detach()


def _encoding(stream: BinaryIO) -> str:
    """Guess the encoding: UTF-8, or what spreadsheets in China write; addresses are ASCII in all of them."""
    head = stream.read(MAX_LINE)
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
        cells = next(csv.reader([first], delimiter=delimiter), [])
        if len(cells) > 1 and (_is_header(cells) or any(_is_address(cell) for cell in cells)):
            return delimiter
    return "," if _is_header(next(csv.reader([first]), [])) else None


def _is_header(row: Sequence[str]) -> bool:
    return any(cell.strip().lower() in _HEADERS for cell in row)


def _is_address(cell: str) -> bool:
    return "://" in cell[:10] or HOST in cell


def _columns(row: Sequence[str]) -> _Columns:
    """Find the columns by the header of the table, or by its first row where there is none."""
    names = [cell.strip().lower() for cell in row]
    if _is_header(row):
        return _Columns(_index(names, _HEADERS) or 0, _index(names, _TITLES), _index(names, _DATES))
    return _Columns(next((index for index, cell in enumerate(row) if _is_address(cell)), 0))


def _index(names: Sequence[str], known: Sequence[str]) -> int | None:
    return next((names.index(name) for name in known if name in names), None)


def _item(row: Sequence[str], columns: _Columns, name: str, line: int) -> ListedAddress | Flaw | None:
    cell = _cell(row, columns.address)
    if cell.startswith("#") or not any(cell.strip() for cell in row):
        return None
    if not _is_address(cell) and (match := _ANYWHERE.search(",".join(row))):
        return _address_in_broken_row(match, name, line)
    try:
        address = parse_address(f"https://{cell}" if cell.startswith(f"{HOST}/") else cell)
    except AddressError as error:
        reason = error.message if cell else Message("mparchive.list.empty_cell")
        return Flaw(name, _line(line), reason)
    return ListedAddress(address, _cell(row, columns.title), _day(_cell(row, columns.day)))


def _cell(row: Sequence[str], index: int | None) -> str:
    return row[index].strip() if index is not None and index < len(row) else ""


def _address_in_broken_row(match: re.Match[str], name: str, line: int) -> ListedAddress | Flaw:
    """Return the address in a row that unescaped quotes in its title have broken up."""
    try:
        return ListedAddress(parse_address(match[0]))
    except AddressError as error:
        return Flaw(name, _line(line), error.message)


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
