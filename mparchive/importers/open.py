"""Unpacking gzip a piece at a time. Of a WARC file, which has a member for each record, damage costs one."""

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

from archive.domain.addresses import HOST
from mparchive.importers.items import InputError, NoInput, TooLarge

PIECE = 1024 * 1024  # bytes, packed or unpacked, at a time

MAGIC = b"\x1f\x8b\x08"

MARK = b"WARC/"  # every record of a WARC file begins with it

_GZIP = 16 + zlib.MAX_WBITS

# Bytes of a member that are searched once more when it turns out to be damaged: by then it may have swallowed
# the next ones. More than any page packed.
_SEARCHED_AGAIN = 16 * PIECE

_TRIED = 512  # bytes of a member that tell whether a record is in it

_FED = 512  # bytes given to the unpacker at first; few, for a forged member breaks off soon

# How often the file's size may be searched again all in all. Damage of real files takes it once or twice.
_TIMES_AGAIN = 16

# Where a member broke off. No record ends before it, so that the one in there is not taken for whole.
_BREAK = b"\r\n\r\n(damaged)\r\n\r\n"

LOST = b"WARC/0.0\r\nLost: all of a damaged member\r\n\r\n"  # stands for a record of which nothing came out


class DamagedGzip(Exception):
    """A member cannot be unpacked."""


class _Packed:
    """The packed bytes by their place in the file; the latest can be read once more, without a seek."""

    def __init__(self, raw: BinaryIO):
        self._raw, self._buffer, self.start = raw, bytearray(), 0

    @property
    def end(self) -> int:
        """How far the file has been read."""
        return self.start + len(self._buffer)

    def at(self, place: int, size: int) -> bytes:
        """Up to `size` bytes from a place that is no earlier than `start`; empty at the end."""
        while self.end < place + size and self._more():
            pass
        offset = place - self.start
        return bytes(self._buffer[offset : offset + size])

    def find(self, mark: bytes, place: int) -> int:
        """Where the mark stands at or behind a place; -1 where it does not."""
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


def gunzipped(raw: BinaryIO) -> Iterator[bytes]:
    """The content, in pieces of at most PIECE bytes; raises DamagedGzip unless it is a WARC file's.

    The time grows with what is read and unpacked: damaged members are searched for others only as long as
    that reads no more than _TIMES_AGAIN times the file.
    """
    packed, place, searched_again, is_warc = _Packed(raw), 0, 0, None
    while packed.at(place, 1):
        member, is_begun = _Member(packed, place), False
        try:
            for piece in member:
                is_warc = piece.startswith(MARK) if is_warc is None else is_warc
                is_begun = is_begun or len(piece) > len(LOST)
                yield piece
            place = member.behind()
        except DamagedGzip:
            begin = max(place + 1, packed.start)
            if searched_again > _TIMES_AGAIN * packed.end:
                begin = max(begin, member.place)
            searched_again += max(0, member.place - begin)
            place = -1 if is_warc is False else _next_record(packed, begin)
            if place < 0:
                if not is_warc:
                    raise
                place = packed.end
            yield _BREAK if is_begun else b"\r\n\r\n" + LOST if is_warc else LOST
            is_warc = True


class _Member:
    """One member's content, in pieces; `place` is how far it was read."""

    def __init__(self, packed: _Packed, place: int):
        self._packed, self.place = packed, place

    def __iter__(self) -> Generator[bytes, None, None]:
        member, fed, rest = zlib.decompressobj(_GZIP), _FED, b""
        while not member.eof:
            if not rest:
                rest = self._packed.at(self.place, fed)
                self.place += len(rest)
                fed = min(PIECE, 2 * fed)
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

    def behind(self) -> int:
        """Where the next member begins, or the file ends; some writers pad with zeros."""
        while piece := self._packed.at(self.place, _FED):
            filled = len(piece.lstrip(b"\0"))
            self.place += len(piece) - filled
            if filled:
                break
        return self.place


def _next_record(packed: _Packed, place: int) -> int:
    """Where the next member begins that holds a record, at or behind a place; -1 where there is none."""
    while (place := packed.find(MAGIC, place)) >= 0:
        if _holds_record(packed.at(place, _TRIED)):
            return place
        place += 1
    return -1


def _holds_record(packed: bytes) -> bool:
    try:
        return zlib.decompressobj(_GZIP).decompress(packed, len(MARK)) == MARK
    except zlib.error:
        return False


MAX_INPUT = 1024**3  # bytes, unpacked; a dump of 200,000 posts

MAX_WARC = 16 * MAX_INPUT  # bytes, unpacked; 4000 pages as they are sent, and what a browser asked besides

HEAD = 64 * 1024  # bytes looked at to tell what an input is

IN_MEMORY = 16 * 1024 * 1024  # bytes of an unpacked input before it goes to a temporary file

GZIP = b"\x1f\x8b"

ZIP = b"PK\x03\x04"

STDIN = "-"

_WIDE_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Form(StrEnum):
    """What an input is."""

    DUMP = "dump"
    LIST = "list"
    PAGE = "page"
    WARC = "warc"
    WACZ = "wacz"
    ACCOUNTS = "accounts"


@dataclass(frozen=True)
class Source:
    """An open input: its name for messages, its form, a seekable stream, and when it was written (UTC)."""

    name: str
    form: Form
    stream: BinaryIO
    written_at: datetime


def is_address(what: str) -> bool:
    """Whether an argument is an address rather than a file."""
    return "://" in what or what.startswith(f"{HOST}/")


def shown(path: str) -> str:
    """A file's name as it can be printed and stored: what is no UTF-8 comes from a Windows in China."""
    name = os.fsencode(path)
    try:
        return name.decode()
    except UnicodeDecodeError:
        return name.decode("gb18030", "replace")


@contextmanager
def open_source(what: str) -> Iterator[Source]:
    """Open a file, or standard input for `-`; raises InputError when it is unreadable or nothing known."""
    with open_bytes(what) as (name, stream, written_at):
        head = stream.read(HEAD)
        stream.seek(0)
        yield Source(name, _form(name, head), stream, written_at)


@contextmanager
def open_bytes(what: str) -> Iterator[tuple[str, BinaryIO, datetime]]:
    """Name, unpacked bytes and time of an input; raises InputError when it cannot be read."""
    name = "standard input" if what == STDIN else shown(what)
    try:
        with _raw(what) as (raw, written_at), _unpacked(name, raw, seekable=what != STDIN) as stream:
            yield name, stream, written_at
    except OSError as error:
        raise InputError(f"{name} cannot be read: {(error.strerror or str(error)).lower()}") from None


@contextmanager
def _raw(what: str) -> Iterator[tuple[BinaryIO, datetime]]:
    if what == STDIN:
        yield sys.stdin.buffer, datetime.now(UTC)
        return
    path = Path(what)
    with path.open("rb") as file:
        yield file, datetime.fromtimestamp(path.stat().st_mtime, UTC)


@contextmanager
def _unpacked(name: str, raw: BinaryIO, *, seekable: bool) -> Iterator[BinaryIO]:
    first = raw.peek(2)[:2] if isinstance(raw, io.BufferedReader) else b""
    if first != GZIP and seekable:
        limit = _limit(raw.read(len(MARK)))
        if raw.seek(0, io.SEEK_END) > limit:
            raise too_large(name, limit)
        raw.seek(0)
        yield raw
        return
    with copied(name, gunzipped(raw) if first == GZIP else pieces_of(raw)) as copy:
        yield copy


@contextmanager
def copied(name: str, pieces: Iterator[bytes], most: int | None = None) -> Iterator[BinaryIO]:
    """A seekable copy of a stream, in memory while it is small; raises InputError where it is too large.

    `most` is in bytes; without it, what is allowed for a file of this form.
    """
    with tempfile.SpooledTemporaryFile(IN_MEMORY) as copy:
        _copy(name, pieces, copy, most)
        yield copy  # type: ignore[misc]  # a binary file in all but its declared type


def _copy(
    name: str, pieces: Iterator[bytes], target: "tempfile.SpooledTemporaryFile[bytes]", most: int | None
) -> None:
    limit = MAX_INPUT if most is None else most
    try:
        for piece in pieces:
            limit = _limit(piece) if most is None and not target.tell() else limit
            target.write(piece)
            if target.tell() > limit:
                raise too_large(name, limit)
    except DamagedGzip:
        raise InputError(f"{name} is a damaged gzip file") from None
    target.seek(0)


def pieces_of(raw: BinaryIO) -> Iterator[bytes]:
    """A stream in pieces of at most PIECE bytes."""
    while piece := raw.read(PIECE):
        yield piece


def _limit(head: bytes) -> int:
    return MAX_WARC if head.startswith((MARK, ZIP)) else MAX_INPUT


def too_large(name: str, limit: int) -> TooLarge:
    """What to say of a file of more than `limit` bytes."""
    return TooLarge(f"{name} has more than {limit} bytes; split it")


def _form(name: str, head: bytes) -> Form:
    text = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if not text:
        raise NoInput(f"{name} is empty")
    if text.startswith(b"<"):
        return Form.PAGE
    if text.startswith(b"["):
        return Form.DUMP
    if text.startswith(b"{"):
        return Form.ACCOUNTS
    if text.startswith(MARK):
        return Form.WARC
    if head.startswith(ZIP):
        return Form.WACZ
    if name.endswith(".json"):
        raise NoInput(f"{name} is not a dump: a dump is a JSON array and begins with [")
    if b"\0" in head and not head.startswith(_WIDE_MARKS):
        raise NoInput(f"{name} is neither a dump, a list of addresses, a saved page nor a WARC file")
    return Form.LIST
