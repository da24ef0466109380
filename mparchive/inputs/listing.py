"""Reading lists of addresses: plain text with one a line, or a table (CSV, TSV) with a column of them."""

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from archive.address import HOST, Address, parse_address
from archive.errors import AddressError
from archive.record import FIELDS
from mparchive.inputs.flaw import Flaw, InputError

MAX_LINE = 256 * 1024  # characters; the table of a whole dump has lines of up to 100,000
_HEADERS = (FIELDS[2], "url", "link", "链接", "地址", "address")
_TITLES = (FIELDS[1], "title", "标题")


@dataclass(frozen=True, slots=True)
class Listed:
    """An address of a list, and the title where the list has one."""

    address: Address
    title: str = ""


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
        columns: tuple[int, int | None] | None = None if delimiter else (0, None)
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


def _columns(row: Sequence[str]) -> tuple[int, int | None]:
    """Where a table's addresses and titles stand, by its head or else by its first row."""
    names = [cell.strip().lower() for cell in row]
    if _is_header(row):
        title = next((names.index(name) for name in _TITLES if name in names), None)
        return next(names.index(name) for name in _HEADERS if name in names), title
    return next((place for place, cell in enumerate(row) if _is_address(cell)), 0), None


def _item(row: Sequence[str], columns: tuple[int, int | None], name: str, line: int) -> Listed | Flaw | None:
    place, title_place = columns
    cell = row[place].strip() if place < len(row) else ""
    if cell.startswith("#") or not any(cell.strip() for cell in row):
        return None
    try:
        address = parse_address(f"https://{cell}" if cell.startswith(f"{HOST}/") else cell)
    except AddressError as error:
        return Flaw(name, f"line {line}", str(error) if cell else "there is no address in it")
    title = row[title_place].strip() if title_place is not None and title_place < len(row) else ""
    return Listed(address, title)
