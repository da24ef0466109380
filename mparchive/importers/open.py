"""Open an input, decompress it, and recognise its format.

Gzip is decompressed piece by piece. A WARC file has one gzip member for each record, so that a damaged member
costs only its record.
"""

import codecs
import io
import os
import sys
import tempfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from archive.domain.address_text import is_bookmarks, is_feed
from archive.domain.addresses import HOST
from archive.domain.records import CSV_HEADER, FIELDS
from mparchive.importers.items import InputError, InputTooLarge, NothingToImport
from mparchive.importers.mhtml import is_mhtml

PIECE = 1024 * 1024  # bytes, compressed or decompressed, at a time

GZIP_MEMBER = b"\x1f\x8b\x08"

WARC = b"WARC/"  # the beginning of every record of a WARC file

_GZIP = 16 + zlib.MAX_WBITS

# Bytes of a damaged member that are searched for further members, which it may have included. More than any
# compressed page.
_SEARCHED_AGAIN = 16 * PIECE

_PROBE = 512  # bytes of a member that show whether a record is in it

_FIRST_INPUT = 512  # bytes decompressed first; few, because a false member soon turns out to be one

# Bytes that may be searched again, as a multiple of the file size. Damage of real files takes one or two.
_MAX_SEARCHES = 16

# Written where a member broke off, so that the record in it is not mistaken for a complete one.
_BREAK = b"\r\n\r\n(damaged)\r\n\r\n"

LOST = b"WARC/0.0\r\nLost: all of a damaged member\r\n\r\n"  # stands for a record that is lost entirely


class DamagedGzip(Exception):
    """A gzip member cannot be decompressed."""


class _CompressedBytes:
    """The compressed bytes by their offset in the file; the latest can be read again without seeking."""

    def __init__(self, raw: BinaryIO):
        self._raw, self._buffer, self.start = raw, bytearray(), 0

    @property
    def end(self) -> int:
        """Return how far the file has been read."""
        return self.start + len(self._buffer)

    def at(self, place: int, size: int) -> bytes:
        """Return up to `size` bytes from an offset not before `start`; empty at the end."""
        while self.end < place + size and self._more():
            pass
        offset = place - self.start
        return bytes(self._buffer[offset : offset + size])

    def find(self, mark: bytes, place: int) -> int:
        """Return the offset of the mark at or after an offset, -1 where there is none."""
        while (found := self._buffer.find(mark, max(0, place - self.start))) < 0:
            place = max(place, self.end - len(mark) + 1)
            if not self._more():
                return -1
        return self.start + found

    def _more(self) -> bool:
        if len(self._buffer) > 2 * _SEARCHED_AGAIN:
            spare = len(self._buffer) - _SEARCHED_AGAIN
            del self._buffer[:spare]
            self.start += spare
        piece = self._raw.read(PIECE)
        self._buffer += piece
        return bool(piece)


def gunzip(raw: BinaryIO) -> Iterator[bytes]:
    """Yield the content in pieces of at most PIECE bytes. Raises DamagedGzip unless it is a WARC file.

    Time grows linearly with what is read and decompressed: damaged members are searched for others only until
    that has read _MAX_SEARCHES times the file.
    """
    compressed, place, searched_again, is_warc = _CompressedBytes(raw), 0, 0, None
    while compressed.at(place, 1):
        member, is_begun = _Member(compressed, place), False
        try:
            for piece in member:
                is_warc = piece.startswith(WARC) if is_warc is None else is_warc
                is_begun = is_begun or len(piece) > len(LOST)
                yield piece
            place = member.end()
        except DamagedGzip:
            begin = max(place + 1, compressed.start)
            if searched_again > _MAX_SEARCHES * compressed.end:
                begin = max(begin, member.place)
            searched_again += max(0, member.place - begin)
            place = -1 if is_warc is False else _next_record(compressed, begin)
            if place < 0:
                if not is_warc:
                    raise
                place = compressed.end
            yield _BREAK if is_begun else b"\r\n\r\n" + LOST if is_warc else LOST
            is_warc = True


class _Member:
    """The content of one member, in pieces; `place` is the offset up to which it was read."""

    def __init__(self, compressed: _CompressedBytes, place: int):
        self._compressed, self.place = compressed, place

    def __iter__(self) -> Generator[bytes, None, None]:
        member, size, rest = zlib.decompressobj(_GZIP), _FIRST_INPUT, b""
        while not member.eof:
            if not rest:
                rest = self._compressed.at(self.place, size)
                self.place += len(rest)
                size = min(PIECE, 2 * size)
                if not rest:
                    raise DamagedGzip("gzip ends in the middle")
            try:
                piece = member.decompress(rest, PIECE)
            except zlib.error:
                raise DamagedGzip("gzip is damaged") from None
            if piece:
                yield piece
            rest = member.unconsumed_tail
        self.place -= len(member.unused_data)

    def end(self) -> int:
        """Return where the next member begins or the file ends; some writers pad with zeros."""
        while piece := self._compressed.at(self.place, _FIRST_INPUT):
            filled = len(piece.lstrip(b"\0"))
            self.place += len(piece) - filled
            if filled:
                break
        return self.place


def _next_record(compressed: _CompressedBytes, place: int) -> int:
    """Return where the next member with a record begins, at or after an offset; -1 where there is none."""
    while (place := compressed.find(GZIP_MEMBER, place)) >= 0:
        if _holds_record(compressed.at(place, _PROBE)):
            return place
        place += 1
    return -1


def _holds_record(compressed: bytes) -> bool:
    try:
        return zlib.decompressobj(_GZIP).decompress(compressed, len(WARC)) == WARC
    except zlib.error:
        return False


MAX_INPUT = 1024**3  # bytes, decompressed; a dump of 200,000 posts

MAX_WARC = 16 * MAX_INPUT  # bytes, decompressed; 4000 pages with all that a browser fetches for them

HEAD = 64 * 1024  # bytes read to recognise the format of an input

IN_MEMORY = 16 * 1024 * 1024  # bytes of a decompressed input; a larger one is written to a temporary file

GZIP = b"\x1f\x8b"

ZIP = b"PK\x03\x04"

STDIN = "-"

_HTTP = b"HTTP/"  # the beginning of a page that was saved with its headers

_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Form(StrEnum):
    """The format of an input."""

    DUMP = "dump"
    CSV_DUMP = "csv_dump"
    LIST = "list"
    FEED = "feed"
    PAGE = "page"
    MHTML = "mhtml"
    WARC = "warc"
    WACZ = "wacz"
    ACCOUNTS = "accounts"


@dataclass(frozen=True)
class Source:
    """An open input: its name for messages, its format, a seekable stream, and when it was written (UTC)."""

    name: str
    form: Form
    stream: BinaryIO
    written_at: datetime


def is_address(what: str) -> bool:
    """Tell whether an argument is an address rather than a file."""
    return "://" in what or what.lower().startswith(f"{HOST}/")


def display_name(path: str) -> str:
    """Return a file name that can be printed and stored; a name that is not UTF-8 is read as GB 18030."""
    name = os.fsencode(path)
    try:
        return name.decode()
    except UnicodeDecodeError:
        return name.decode("gb18030", "replace")


@contextmanager
def open_source(what: str) -> Iterator[Source]:
    """Open a file, or stdin for `-`. Raises InputError when it is unreadable or of no known format."""
    with open_bytes(what) as (name, stream, written_at):
        head = stream.read(HEAD)
        stream.seek(0)
        yield Source(name, _form(name, head), stream, written_at)


@contextmanager
def open_bytes(what: str) -> Iterator[tuple[str, BinaryIO, datetime]]:
    """Yield name, decompressed stream and time (UTC) of an input. Raises InputError when it is unreadable."""
    if not what.strip():
        raise InputError("mparchive.input.empty_argument")
    name = "stdin" if what == STDIN else display_name(what)
    try:
        with _raw(what) as (raw, written_at), _decompressed(name, raw, seekable=what != STDIN) as stream:
            yield name, stream, written_at
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError("mparchive.input.unreadable", name=name, reason=reason) from None


@contextmanager
def _raw(what: str) -> Iterator[tuple[BinaryIO, datetime]]:
    if what == STDIN:
        yield sys.stdin.buffer, datetime.now(UTC)
        return
    path = Path(what)
    with path.open("rb") as file:
        yield file, datetime.fromtimestamp(path.stat().st_mtime, UTC)


@contextmanager
def _decompressed(name: str, raw: BinaryIO, *, seekable: bool) -> Iterator[BinaryIO]:
    first = raw.peek(2)[:2] if isinstance(raw, io.BufferedReader) else b""
    if first != GZIP and seekable:
        limit = _limit(raw.read(len(WARC)))
        if raw.seek(0, io.SEEK_END) > limit:
            raise too_large(name, limit)
        raw.seek(0)
        yield raw
        return
    with spooled_copy(name, gunzip(raw) if first == GZIP else read_pieces(raw)) as copy:
        yield copy


@contextmanager
def spooled_copy(name: str, pieces: Iterator[bytes], max_bytes: int | None = None) -> Iterator[BinaryIO]:
    """Yield a seekable copy of a stream, in memory while it is small. Raises InputTooLarge, InputError.

    `max_bytes` is the limit; without it, that for a file of this format.
    """
    with tempfile.SpooledTemporaryFile(IN_MEMORY) as copy:
        _copy(name, pieces, copy, max_bytes)
        yield copy  # type: ignore[misc]  # a binary file in all but its declared type


def _copy(
    name: str, pieces: Iterator[bytes], target: "tempfile.SpooledTemporaryFile[bytes]", max_bytes: int | None
) -> None:
    limit = MAX_INPUT if max_bytes is None else max_bytes
    try:
        for piece in pieces:
            limit = _limit(piece) if max_bytes is None and not target.tell() else limit
            target.write(piece)
            if target.tell() > limit:
                raise too_large(name, limit)
    except DamagedGzip:
        raise InputError("mparchive.input.damaged_gzip", name=name) from None
    target.seek(0)


def read_pieces(raw: BinaryIO) -> Iterator[bytes]:
    """Yield a stream in pieces of at most PIECE bytes."""
    while piece := raw.read(PIECE):
        yield piece


def _limit(head: bytes) -> int:
    return MAX_WARC if head.startswith((WARC, ZIP)) else MAX_INPUT


def too_large(name: str, limit: int) -> InputTooLarge:
    """Return the error for an input of more than `limit` bytes."""
    return InputTooLarge("mparchive.input.too_large", name=name, bytes=limit)


_BEGINNINGS = {b"<": Form.PAGE, b"[": Form.DUMP, b"{": Form.ACCOUNTS}


def _is_list(text: bytes) -> bool:
    """Tell whether a file that begins like a page or a dump is a list of addresses."""
    if text.startswith(b"["):  # JSON without the fields of a record, or a link in Markdown
        return HOST.encode() in text.lower() and not any(name.encode() in text for name in FIELDS)
    is_link = text[:1] == b"<" and text[1:].lower().startswith((b"http", HOST.encode()))
    return is_link or (text[:1] == b"<" and is_bookmarks(text.decode("latin-1")))


def _form_by_beginning(text: bytes) -> Form | None:
    """Return the format that a text shows at its beginning; None for a list, or what is no text."""
    if text.startswith(CSV_HEADER.rstrip()):
        return Form.CSV_DUMP
    if is_feed(text.decode("latin-1")):
        return Form.FEED
    if form := _BEGINNINGS.get(text[:1]):
        return Form.LIST if _is_list(text) else form
    if text.startswith(WARC):
        return Form.WARC
    if text.startswith(_HTTP) and b"<html" in text.lower():  # curl --include, wget --save-headers
        return Form.PAGE
    return Form.MHTML if is_mhtml(text) else None


def _form(name: str, head: bytes) -> Form:
    is_utf16 = head.startswith(_UTF16_MARKS)
    text = head.decode("utf-16", "ignore").encode() if is_utf16 else head.removeprefix(codecs.BOM_UTF8)
    text = text.lstrip()
    if not text:
        raise NothingToImport("mparchive.input.empty", name=name)
    form = _form_by_beginning(text)
    if form and not (is_utf16 and form is not Form.PAGE):
        return form
    if head.startswith(ZIP):
        return Form.WACZ
    if name.endswith(".json"):
        raise NothingToImport("mparchive.input.not_a_dump", name=name)
    if b"\0" in head and not is_utf16:
        raise NothingToImport("mparchive.input.unknown_format", name=name)
    return Form.LIST
