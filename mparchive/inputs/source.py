"""Opening an input: a file or standard input, plain or gzip, and what its first bytes show it to be."""

import codecs
import io
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from archive.address import HOST
from mparchive.inputs.flaw import InputError, NoInput, TooLarge
from mparchive.inputs.gunzip import MARK, PIECE, DamagedGzip, gunzipped

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
