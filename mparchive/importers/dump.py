"""Read a dump, or an exported CSV, record by record however large it is: records and flaws in order."""

import codecs
import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, BinaryIO

from archive.domain.address_list import ListedAddress, read_json_list
from archive.domain.addresses import PostAddress, parse_address, without_session
from archive.domain.errors import ArchiveError, MessageError, RecordError, error_message
from archive.domain.messages import Message
from archive.domain.records import FIELDS, Record, restore_cell
from archive.ingest.pages import is_of_content
from mparchive.importers.items import Flaw, InputError, message_of

PIECE = 1024 * 1024  # bytes read at a time

MAX_RECORD = 4 * 1024 * 1024  # characters, 12 MB of Chinese; the longest real one has under 100,000

MAX_RECORDS = 1_000_000  # of one dump, 300 MB of memory; a dump of MAX_INPUT bytes has 200,000

MAX_DIGITS = 400  # of a number; Python raises an error for one of over 4300

_SPACE = " \t\r\n"

_DAMAGE = "\0"  # replaces bytes that are not UTF-8: nothing in JSON begins with it


@dataclass(frozen=True, slots=True)
class DumpEntry:
    """A valid record with its number in the dump, from 1, and the name of the dump."""

    number: int
    record: Record
    address: PostAddress
    source: str = ""


class _Text:
    """The characters of a dump that are not consumed yet; more are read when needed."""

    def __init__(self, stream: BinaryIO):
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self.text, self.at, self.is_utf8 = "", 0, True

    def more(self, size: int = PIECE) -> bool:
        """Read more; return False at the end."""
        piece = self._stream.read(size)
        added = self._decode(piece)
        self.text, self.at = self.text[self.at :] + added, 0
        return bool(piece or added)

    def _decode(self, piece: bytes) -> str:
        """Return the piece as text, up to the first byte that is not UTF-8."""
        try:
            return self._decoder.decode(piece, final=not piece)
        except UnicodeDecodeError as error:
            self._stream, self.is_utf8 = io.BytesIO(), False
            self._decoder.reset()
            return error.object[: error.start].decode() + _DAMAGE

    def next(self) -> str:
        """Return the next character that is not white space without consuming it; empty at the end."""
        while True:
            while self.at < len(self.text) and self.text[self.at] in _SPACE:
                self.at += 1
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.more():
                return ""


def read_dump(stream: BinaryIO, name: str) -> Iterator[DumpEntry | ListedAddress | Flaw]:
    """Yield records and flaws of a dump.

    A repeated record is yielded once; one with other content is a flaw. After the flaw of a record with a
    field that is missing or wrong comes its address, where it has one. Invalid JSON is a flaw that ends the
    dump. Raises InputError when there is no record.
    """
    text = _Text(stream)
    yield from _entries(_values(text), text, name)


def read_csv_dump(stream: BinaryIO, name: str) -> Iterator[DumpEntry | ListedAddress | Flaw]:
    """Yield records and flaws of a CSV file as `export` writes it, as `read_dump` does otherwise."""
    text = _Text(stream)
    yield from _entries(_rows(text), text, name)


def _entries(values: Iterator[Any], text: _Text, name: str) -> Iterator[DumpEntry | ListedAddress | Flaw]:
    seen: dict[str, tuple[int, bytes]] = {}
    number = 0
    for number, value in _numbered(values, text, name):
        if isinstance(value, Flaw):
            yield value
            continue
        if len(seen) >= MAX_RECORDS:
            params = {"name": name, "max": MAX_RECORDS}
            yield Flaw(name, _record(number), Message("mparchive.dump.too_many", params))
            break
        entry = _entry(value, number, name)
        result = _first_of_its_post(entry, seen, name) if isinstance(entry, DumpEntry) else entry
        if result is not None:
            yield result
        if isinstance(entry, Flaw) and isinstance(value, dict):
            yield from _addresses_alone(value)
    if not number:
        raise InputError("mparchive.dump.empty", name=name)


def _numbered(values: Iterator[Any], text: _Text, name: str) -> Iterator[tuple[int, Any]]:
    """Yield each record with its number; where the file is invalid, a flaw in its place."""
    number = 0
    try:
        for number, value in enumerate(values, 1):
            yield number, value
    except (ValueError, RecursionError, csv.Error) as error:
        reason = _problem(error) if text.is_utf8 else Message("mparchive.dump.not_utf8")
        message = Message("mparchive.dump.rest_unreadable", {"reason": reason})
        yield number + 1, Flaw(name, _record(number + 1), message)


class _InvalidDump(MessageError, ValueError):
    """A dump is not an array of JSON values, or a line of its CSV has no end."""


def _record(number: int) -> Message:
    return Message("mparchive.input.record", {"number": number})


def _problem(error: Exception) -> Message:
    if isinstance(error, RecursionError):
        return Message("mparchive.dump.too_deep")
    if isinstance(error, csv.Error):
        return Message("mparchive.dump.not_csv", {"detail": str(error)})
    if isinstance(error, json.JSONDecodeError):
        detail = f"{error.msg[0].lower()}{error.msg[1:]}"
        return Message("mparchive.dump.not_json", {"detail": detail})
    return message_of(error)


def _values(text: _Text) -> Iterator[Any]:
    decoder = json.JSONDecoder(parse_int=_parse_whole_number)
    text.next()
    text.at += 1  # the opening bracket
    if text.next() == "]":
        return
    while True:
        yield _value(text, decoder)
        separator = text.next()
        text.at += 1
        if separator == "]":
            break
        if separator != ",":
            raise _InvalidDump("mparchive.dump.no_separator")
        text.next()
    if text.next():
        raise _InvalidDump("mparchive.dump.trailing_data")


def _parse_whole_number(digits: str) -> float:
    """Return the number; one of over MAX_DIGITS digits becomes infinite, which no field accepts."""
    return int(digits) if len(digits) <= MAX_DIGITS else float("inf")


def _rows(text: _Text) -> Iterator[dict[str, str] | Message]:
    """Yield the rows of a CSV file as objects of a dump, or why a row is none."""
    csv.field_size_limit(MAX_RECORD)
    rows = csv.reader(_lines(text), strict=True)
    next(rows, None)  # the header
    for row in rows:
        if len(row) != len(FIELDS):
            params = {"columns": len(row), "expected": len(FIELDS)}
            yield Message("mparchive.dump.other_columns", params)
            continue
        yield dict(zip(FIELDS, map(restore_cell, row), strict=True))


def _lines(text: _Text) -> Iterator[str]:
    """Yield the lines with their ends. Only a line feed ends one: carriage returns are of the content."""
    while True:
        while (end := text.text.find("\n", text.at)) < 0:
            size = len(text.text) - text.at
            if size > 2 * MAX_RECORD:
                raise _InvalidDump("mparchive.dump.record_too_long", max=MAX_RECORD)
            if not text.more(max(PIECE, size)):
                break
        if end < 0 and text.at < len(text.text):
            raise _InvalidDump("mparchive.dump.csv_cut_off")
        if end < 0:
            return
        line, text.at = text.text[text.at : end + 1], end + 1
        yield line


def _value(text: _Text, decoder: json.JSONDecoder) -> Any:
    text.next()
    while True:
        try:
            value, text.at = decoder.raw_decode(text.text, text.at)
            return value
        except json.JSONDecodeError:
            size = len(text.text) - text.at
            if size > MAX_RECORD:
                raise _InvalidDump("mparchive.dump.record_too_long", max=MAX_RECORD) from None
            if not text.more(max(PIECE, size)):
                raise


def _entry(value: Any, number: int, name: str) -> DumpEntry | Flaw:
    where = _record(number)
    if isinstance(value, Message):
        return Flaw(name, where, value)
    if not isinstance(value, dict):
        return Flaw(name, where, Message("mparchive.dump.not_an_object", {"type": type(value).__name__}))
    try:
        record = Record.from_mapping(value)
        record = replace(record, url=without_session(record.url))
        return DumpEntry(number, record, _address(record), name)
    except ArchiveError as error:
        return Flaw(name, where, error.message)
    except Exception as error:
        if not is_of_content(error):
            raise
        return Flaw(
            name, where, Message("mparchive.dump.unreadable_record", {"reason": error_message(error)})
        )


def _addresses_alone(value: dict[str, Any]) -> list[ListedAddress]:
    """Return the address of a record that is none; none where the aid is that of another post."""
    aid, *listed = ((name, value.get(name)) for name in FIELDS[:4])
    fields = {name: one for name, one in listed if isinstance(one, str | int)}
    found = read_json_list(io.BytesIO(json.dumps(fields).encode()))
    is_text = isinstance(aid[1], str)
    return [one for one in found if not (is_text and one.address.aid and one.address.aid != aid[1])]


def _address(record: Record) -> PostAddress:
    if len(record.text) > MAX_RECORD:
        raise RecordError("mparchive.dump.text_too_long", length=len(record.text), max=MAX_RECORD)
    address = parse_address(record.url)
    if address.aid is None:
        raise RecordError("mparchive.dump.short_link")
    if address.aid != record.aid:
        raise RecordError("mparchive.dump.other_aid", aid=record.aid, url_aid=address.aid)
    return address


def _first_of_its_post(
    entry: DumpEntry, seen: dict[str, tuple[int, bytes]], name: str
) -> DumpEntry | Flaw | None:
    content = sha256(entry.record.as_json().encode("utf-8", "surrogatepass")).digest()
    first, before = seen.setdefault(entry.address.key, (entry.number, content))
    if first == entry.number:
        return entry
    if before == content:
        return None
    params = {"aid": entry.record.aid, "first": first}
    return Flaw(name, _record(entry.number), Message("mparchive.dump.differs", params))
