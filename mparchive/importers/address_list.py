"""Reading lists of addresses: plain text with one a line, or a table (CSV, TSV) with a column of them."""

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
from archive.domain.records import FIELDS, SHANGHAI
from mparchive.importers.items import Flaw, InputError

MAX_LINE = 256 * 1024  # characters; the table of a whole dump has lines of up to 100,000

MAX_ADDRESSES = (
    1_000_000  # of one list, remembered so that each comes once, 200 MB; ten years of 300 accounts
)

_HEADERS = (FIELDS[2], "url", "link", "链接", "地址", "address")

_TITLES = (FIELDS[1], "title", "标题")

_DATES = (FIELDS[3], "time", "create_time", "update_time", "date", "时间", "日期", "发布时间")

_ANYWHERE = re.compile(rf"https?://{re.escape(HOST)}/(?:s[?/]|mp/appmsg/show\?)[^\s\"',，]+")


@dataclass(frozen=True, slots=True)
class Listed:
    """An address of a list, with the title and the date (Asia/Shanghai) where the list has them."""

    address: Address
    title: str = ""
    day: date | None = None


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where a table's addresses, titles and dates stand."""

    address: int = 0
    title: int | None = None
    day: int | None = None


class _LongLine(Exception):
    """A line that no list of addresses has."""


def read_list(stream: BinaryIO, name: str) -> Iterator[Listed | Flaw]:
    """Addresses and flaws of a list, each address once. Raises InputError when there is neither.

    Empty lines and lines that begin with # are passed over.
    """
    seen: set[str] = set()
    found = False
    for item in _items(stream, name):
        found = True
        if isinstance(item, Listed):
            if item.address.key in seen:
                continue
            if len(seen) == MAX_ADDRESSES:
                what = f"{name} holds over {MAX_ADDRESSES} addresses; nothing from here on was read, split it"
                yield Flaw(name, "", what)
                return
            seen.add(item.address.key)
        yield item
    if not found:
        raise InputError(f"{name} holds no address")


def _items(stream: BinaryIO, name: str) -> Iterator[Listed | Flaw]:
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
    except (_LongLine, csv.Error):
        what = f"the line is over {MAX_LINE} characters long; a list has one address a line"
        yield Flaw(name, f"line {number + 1}", what)


def _lines(stream: BinaryIO) -> Iterator[str]:
    text = io.TextIOWrapper(stream, encoding=_encoding(stream), errors="replace", newline="")
    try:
        while line := text.readline(MAX_LINE):
            if len(line) == MAX_LINE:
                raise _LongLine
            yield line
    finally:
        text.detach()


def _encoding(stream: BinaryIO) -> str:
    """UTF-8, or what spreadsheets in China write; addresses are ASCII in all of them."""
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
    """What parts the columns: none when the first line is one address, or no table's head."""
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
    """By the table's head, or else by its first row."""
    names = [cell.strip().lower() for cell in row]
    if _is_header(row):
        return _Columns(_place(names, _HEADERS) or 0, _place(names, _TITLES), _place(names, _DATES))
    return _Columns(next((place for place, cell in enumerate(row) if _is_address(cell)), 0))


def _place(names: Sequence[str], known: Sequence[str]) -> int | None:
    return next((names.index(name) for name in known if name in names), None)


def _item(row: Sequence[str], columns: _Columns, name: str, line: int) -> Listed | Flaw | None:
    cell = _cell(row, columns.address)
    if cell.startswith("#") or not any(cell.strip() for cell in row):
        return None
    if not _is_address(cell) and (found := _ANYWHERE.search(",".join(row))):
        return _torn(found, name, line)
    try:
        address = parse_address(f"https://{cell}" if cell.startswith(f"{HOST}/") else cell)
    except AddressError as error:
        return Flaw(name, f"line {line}", str(error) if cell else "there is no address in it")
    return Listed(address, _cell(row, columns.title), _day(_cell(row, columns.day)))


def _cell(row: Sequence[str], place: int | None) -> str:
    return row[place].strip() if place is not None and place < len(row) else ""


def _torn(found: re.Match[str], name: str, line: int) -> Listed | Flaw:
    """A row that its title tore: whoever wrote it put titles between quotes, whatever stood in them."""
    try:
        return Listed(parse_address(found[0]))
    except AddressError as error:
        return Flaw(name, f"line {line}", str(error))


def _day(text: str) -> date | None:
    """A date as lists have it: YYYY-MM-DD, with or without a time, or seconds since 1970."""
    try:
        if re.fullmatch(r"[0-9]{9,10}", text):
            return datetime.fromtimestamp(int(text), SHANGHAI).date()
        return date.fromisoformat(text[:10].replace("/", "-"))
    except ValueError:
        return None
