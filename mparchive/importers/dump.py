"""Reading a dump a record at a time, whatever its size: good records and flaws, in order."""

import codecs
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, BinaryIO

from archive.domain.addresses import Address, parse_address
from archive.domain.errors import ArchiveError, RecordError, in_words
from archive.domain.records import Record
from archive.ingest.faults import is_of_content
from mparchive.importers.items import Flaw, InputError

PIECE = 1024 * 1024  # bytes read at a time

MAX_RECORD = 4 * 1024 * 1024  # characters, 12 MB of Chinese; the longest real one has under 100,000

MAX_RECORDS = 1_000_000  # remembered so that each comes once, 300 MB; a dump of MAX_INPUT has 200,000

MAX_DIGITS = 400  # of a number; Python refuses to read one of over 4300, and so the rest of the dump

_SPACE = " \t\r\n"

_DAMAGE = "\0"  # in the place of bytes that are no text: nothing in JSON begins with it


@dataclass(frozen=True, slots=True)
class Entry:
    """A good record with its place in the dump, counted from 1."""

    number: int
    record: Record
    address: Address
    source: str = ""  # the dump's name


class _Text:
    """The dump's characters not yet consumed, with more to come."""

    def __init__(self, stream: BinaryIO):
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self.text, self.at, self.is_utf8 = "", 0, True

    def more(self, size: int = PIECE) -> bool:
        """Take in more; False at the end."""
        piece = self._stream.read(size)
        added = self._decoded(piece)
        self.text, self.at = self.text[self.at :] + added, 0
        return bool(piece or added)

    def _decoded(self, piece: bytes) -> str:
        """The piece as text, up to the first byte that is not UTF-8."""
        try:
            return self._decoder.decode(piece, final=not piece)
        except UnicodeDecodeError as error:
            self._stream, self.is_utf8 = io.BytesIO(), False
            self._decoder.reset()
            return error.object[: error.start].decode() + _DAMAGE

    def next(self) -> str:
        """The next character that is not space, without consuming it; empty at the end."""
        while True:
            while self.at < len(self.text) and self.text[self.at] in _SPACE:
                self.at += 1
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.more():
                return ""


def read_dump(stream: BinaryIO, name: str) -> Iterator[Entry | Flaw]:
    """Good records and flaws of a dump. A record given twice comes once, with other content it is a flaw.

    What cannot be read as JSON ends the reading with a flaw. Raises InputError when there is no record.
    """
    seen: dict[str, tuple[int, bytes]] = {}
    number = 0
    for number, value in _numbered(stream, name):
        if isinstance(value, Flaw):
            yield value
            continue
        if len(seen) >= MAX_RECORDS:
            what = f"{name} has over {MAX_RECORDS} records; nothing from here on was read, split it"
            yield Flaw(name, f"record {number}", what)
            break
        entry = _entry(value, number, name)
        taken = _first_of_its_post(entry, seen, name) if isinstance(entry, Entry) else entry
        if taken is not None:
            yield taken
    if not number:
        raise InputError(f"{name} is a dump without any record")


def _numbered(stream: BinaryIO, name: str) -> Iterator[tuple[int, Any]]:
    """Each element with its number; a flaw in place of the one where the JSON breaks off."""
    number, text = 0, _Text(stream)
    try:
        for number, value in enumerate(_values(text), 1):
            yield number, value
    except (ValueError, RecursionError) as error:
        why = _sentence(error) if text.is_utf8 else "it is not UTF-8"
        yield number + 1, Flaw(name, f"record {number + 1}", f"{why}; nothing from here on can be read")


def _sentence(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    if isinstance(error, json.JSONDecodeError):
        return f"it is not JSON ({error.msg[0].lower()}{error.msg[1:]})"
    return str(error)


def _values(text: _Text) -> Iterator[Any]:
    decoder = json.JSONDecoder(parse_int=_whole)
    text.next()
    text.at += 1  # the bracket that made it a dump
    if text.next() == "]":
        return
    while True:
        yield _value(text, decoder)
        separator = text.next()
        text.at += 1
        if separator == "]":
            break
        if separator != ",":
            raise ValueError(
                "a comma or ] was expected after the record before it, the file is cut or damaged"
            )
        text.next()
    if text.next():
        raise ValueError("something follows the closing ]")


def _whole(digits: str) -> float:
    """A whole number; a longer one than anything is counted in becomes infinite, which no field takes."""
    return int(digits) if len(digits) <= MAX_DIGITS else float("inf")


def _value(text: _Text, decoder: json.JSONDecoder) -> Any:
    text.next()
    while True:
        try:
            value, text.at = decoder.raw_decode(text.text, text.at)
            return value
        except json.JSONDecodeError:
            size = len(text.text) - text.at
            if size > MAX_RECORD:
                raise ValueError(f"it has over {MAX_RECORD} characters or is not JSON") from None
            if not text.more(max(PIECE, size)):
                raise


def _entry(value: Any, number: int, name: str) -> Entry | Flaw:
    where = f"record {number}"
    if not isinstance(value, dict):
        return Flaw(name, where, f"it is a {type(value).__name__}, an object with six fields was expected")
    try:
        record = Record.from_mapping(value)
        return Entry(number, record, _address(record), name)
    except ArchiveError as error:
        return Flaw(name, where, str(error))
    except Exception as error:
        if not is_of_content(error):
            raise
        return Flaw(name, where, f"it could not be read: {in_words(error)}")


def _address(record: Record) -> Address:
    if len(record.text) > MAX_RECORD:
        raise RecordError(f"finalContent has {len(record.text)} characters, at most {MAX_RECORD} are taken")
    address = parse_address(record.url)
    if address.aid is None:
        raise RecordError(
            "链接url is a short link, which does not name the account; the long address was expected"
        )
    if address.aid != record.aid:
        raise RecordError(f"文章标识符aid is {record.aid}, but 链接url names {address.aid}")
    return address


def _first_of_its_post(entry: Entry, seen: dict[str, tuple[int, bytes]], name: str) -> Entry | Flaw | None:
    content = sha256(entry.record.as_json().encode("utf-8", "surrogatepass")).digest()
    first, before = seen.setdefault(entry.address.key, (entry.number, content))
    if first == entry.number:
        return entry
    if before == content:
        return None
    what = f"{entry.record.aid} stands there again with other content than in record {first}, which was taken"
    return Flaw(name, f"record {entry.number}", what)
