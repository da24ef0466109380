"""Unpacking gzip a piece at a time. Of a WARC file, which has a member for each record, damage costs one."""

import codecs
import io
import os
import sys
import tempfile
import zlib
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from archive.domain.addresses import HOST
from mparchive.importers.items import InputError, NoInput

PIECE = 1024 * 1024  # bytes, packed or unpacked, at a time

MAGIC = b"\x1f\x8b\x08"

MARK = b"WARC/"  # every record of a WARC file begins with it

_GZIP = 16 + zlib.MAX_WBITS

# Bytes of a member that are searched once more when it turns out to be damaged: by then it may have swallowed
# the next ones. More than any page packed.
_SEARCHED_AGAIN = 16 * PIECE

_TRIED = 512  # bytes of a member that tell whether a record is in it

# Where a member broke off. No record ends before it, so that the one in there is not taken for whole.
_BREAK = b"\r\n\r\n(damaged)\r\n\r\n"

LOST = b"WARC/0.0\r\nLost: all of a damaged member\r\n\r\n"  # stands for a record of which nothing came out


class DamagedGzip(Exception):
    """The rest cannot be unpacked; `rest`: packed bytes from its member's beginning, or later."""

    def __init__(self, rest: bytes):
        super().__init__("gzip is damaged")
        self.rest = rest


def gunzipped(raw: BinaryIO) -> Iterator[bytes]:
    """The content, in pieces of at most PIECE bytes; raises DamagedGzip unless it is a WARC file's."""
    rest, is_warc = raw.read(PIECE), None
    while rest:
        is_begun = False
        try:
            for piece in (member := _Member(raw, rest)):
                is_warc = piece.startswith(MARK) if is_warc is None else is_warc
                is_begun = is_begun or len(piece) > len(LOST)
                yield piece
            rest = member.behind
        except DamagedGzip as damage:
            rest = b"" if is_warc is False else _next_record(raw, damage.rest)
            if not is_warc and not rest:
                raise
            yield _BREAK if is_begun else b"\r\n\r\n" + LOST if is_warc else LOST
            is_warc = True


class _Member:
    """One member's content, in pieces; afterwards `behind` holds what follows, empty at the end."""

    def __init__(self, raw: BinaryIO, rest: bytes):
        self._raw, self._rest = raw, rest
        self.behind = b""

    def __iter__(self) -> Generator[bytes, None, None]:
        member, rest = zlib.decompressobj(_GZIP), self._rest
        fed = deque([rest])
        while not member.eof:
            try:
                piece = member.decompress(rest, PIECE)
            except zlib.error:
                raise DamagedGzip(b"".join(fed)) from None
            if piece:
                yield piece
            rest = member.unconsumed_tail or (b"" if member.eof else self._more(fed))
            if not rest and not member.eof:
                raise DamagedGzip(b"".join(fed))
        self.behind = member.unused_data.lstrip(b"\0") or self._raw.read(PIECE).lstrip(b"\0")  # some pad

    def _more(self, fed: deque[bytes]) -> bytes:
        fed.append(self._raw.read(PIECE))
        while len(fed) > _SEARCHED_AGAIN // PIECE:
            fed.popleft()
        return fed[-1]


def _next_record(raw: BinaryIO, rest: bytes) -> bytes:
    """The packed bytes from the next member on that holds a record; empty when there is none."""
    rest = rest[1:]
    while True:
        at = rest.find(MAGIC)
        if at < 0:
            more = raw.read(PIECE)
            if not more:
                return b""
            rest = rest[-len(MAGIC) :] + more
            continue
        candidate = rest[at:] if len(rest) - at >= _TRIED else rest[at:] + raw.read(PIECE)
        if _holds_record(candidate[:_TRIED]):
            return candidate
        rest = candidate[1:]


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
            raise _too_large(name, limit)
        raw.seek(0)
        yield raw
        return
    with copied(name, gunzipped(raw) if first == GZIP else pieces_of(raw)) as copy:
        yield copy


@contextmanager
def copied(name: str, pieces: Iterator[bytes]) -> Iterator[BinaryIO]:
    """A seekable copy of a stream, in memory while it is small; raises InputError where it is too large."""
    with tempfile.SpooledTemporaryFile(IN_MEMORY) as copy:
        _copy(name, pieces, copy)
        yield copy  # type: ignore[misc]  # a binary file in all but its declared type


def _copy(name: str, pieces: Iterator[bytes], target: "tempfile.SpooledTemporaryFile[bytes]") -> None:
    limit = MAX_INPUT
    try:
        for piece in pieces:
            limit = limit if target.tell() else _limit(piece)
            target.write(piece)
            if target.tell() > limit:
                raise _too_large(name, limit)
    except DamagedGzip:
        raise InputError(f"{name} is a damaged gzip file") from None
    target.seek(0)


def pieces_of(raw: BinaryIO) -> Iterator[bytes]:
    """A stream in pieces of at most PIECE bytes."""
    while piece := raw.read(PIECE):
        yield piece


def _limit(head: bytes) -> int:
    return MAX_WARC if head.startswith((MARK, ZIP)) else MAX_INPUT


def _too_large(name: str, limit: int) -> InputError:
    return InputError(f"{name} has more than {limit} bytes; split it")


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
