"""The records of a WARC file: where each begins and ends, whatever is wrong with others.

warcio reads the headers. The framing is our own, for warcio's iterator ends at the first record whose length
is wrong, and what follows it would be lost.
"""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO

from warcio.recordloader import ArcWarcRecordLoader
from warcio.statusandheaders import StatusAndHeaders, StatusAndHeadersParser, StatusAndHeadersParserException
from warcio.timeutils import iso_date_to_datetime

from mparchive.inputs.gunzip import LOST
from mparchive.inputs.page import MAX_PAGE

MAX_HEAD = 64 * 1024  # bytes of a record's own headers; real ones have under 2000
MAX_BLOCK = MAX_PAGE + MAX_HEAD  # bytes of an answer with its headers
_START = re.compile(rb"(?:\A|\n)(WARC/[01]\.\d+\r?\n)")
_LONGEST_START = 16  # bytes
_GAP = re.compile(rb"(?:\r?\n)*(?:WARC/|\Z)")  # what may stand between two records
_PIECE = 1024 * 1024  # bytes searched at a time
_BLANK = re.compile(rb"\r?\n\r?\n")
_warc_parser = StatusAndHeadersParser(ArcWarcRecordLoader.WARC_TYPES)
_http_parser = StatusAndHeadersParser(ArcWarcRecordLoader.HTTP_TYPES, verify=False)


class BadRecord(Exception):
    """A record that cannot be taken; the message says why."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record: its number from 1, its headers, where it begins, and where its block lies in the file.

    `is_doubtful`: no other record follows where it ends, so that only a digest can prove it whole.
    """

    number: int
    headers: StatusAndHeaders
    start: int
    begin: int
    end: int
    is_doubtful: bool

    @property
    def size(self) -> int:
        """Bytes of the block."""
        return self.end - self.begin

    @property
    def where(self) -> str:
        """For people: which one, and where in the unpacked file."""
        return where(self.number, self.start)

    @property
    def target(self) -> str:
        """The address it is of; some writers put it into angle brackets."""
        return self.get("WARC-Target-URI").strip("<>")

    @property
    def date(self) -> datetime:
        """When it was fetched, aware, in UTC; raises BadRecord where it does not say."""
        try:
            told: datetime = iso_date_to_datetime(self.get("WARC-Date"))
            return told.replace(tzinfo=UTC)
        except (ValueError, TypeError):
            raise BadRecord("it does not say when it was fetched (WARC-Date)") from None

    def get(self, name: str) -> str:
        """A header's value, empty where there is none."""
        return str(self.headers.get_header(name) or "")

    def block(self, stream: BinaryIO, most: int = MAX_BLOCK) -> bytes:
        """What it holds; raises BadRecord when that is over `most` bytes, or was cut by its writer."""
        if self.size > most:
            raise BadRecord(f"it has {self.size} bytes, at most {most} are taken")
        if self.get("WARC-Truncated"):
            raise BadRecord("whoever wrote it did not receive all of it (WARC-Truncated)")
        stream.seek(self.begin)
        return stream.read(self.size)


def where(number: int, start: int) -> str:
    """Which record, and where it begins in the unpacked file."""
    return f"record {number} at byte {start}"


def records_of(stream: BinaryIO) -> Iterator[Record | tuple[str, str]]:
    """Each record, or where a bad one is and what is wrong with it; behind that the next beginning counts."""
    size, at, number = stream.seek(0, io.SEEK_END), 0, 0
    while (start := _next_start(stream, at)) is not None:
        number += 1
        try:
            record = _framed(stream, start, size, number)
            at = start + 1 if record.is_doubtful else record.end
            yield record
        except BadRecord as bad:
            at = start + 1
            yield where(number, start), str(bad)


def http_parts(block: bytes) -> tuple[StatusAndHeaders, bytes]:
    """The headers and the payload of an answer; raises BadRecord."""
    blank = _BLANK.search(block[:MAX_HEAD])
    if not blank:
        raise BadRecord("the answer in it has no headers")
    return _parsed(_http_parser, block[: blank.end()]), block[blank.end() :]


def _next_start(stream: BinaryIO, at: int) -> int | None:
    """Where the next record begins, at or behind `at`."""
    stream.seek(at)
    window = b""
    while piece := stream.read(_PIECE):
        window += piece
        found = _START.search(window)
        if found:
            return at + found.start(1)
        at += max(0, len(window) - _LONGEST_START)
        window = window[-_LONGEST_START:]
    return None


def _framed(stream: BinaryIO, start: int, size: int, number: int) -> Record:
    stream.seek(start)
    head = stream.read(MAX_HEAD)
    if head.startswith(LOST):
        raise BadRecord("it cannot be unpacked: its gzip is damaged")
    blank = _BLANK.search(head)
    if not blank:
        raise BadRecord(f"its headers have over {MAX_HEAD} bytes or no end")
    if b"\0" in head[: blank.end()]:
        raise BadRecord("its headers hold a NUL, which no address has and nothing can store")
    headers = _parsed(_warc_parser, head[: blank.end()])
    length = str(headers.get_header("Content-Length") or "")
    if not re.fullmatch(r"[0-9]{1,15}", length):
        raise BadRecord("it has no Content-Length")
    begin = start + blank.end()
    end = begin + int(length)
    if end > size:
        raise BadRecord(f"it should have {length} bytes, but the file ends after {size - begin}")
    stream.seek(end)
    is_doubtful = not _GAP.match(stream.read(_LONGEST_START))
    return Record(number, headers, start, begin, end, is_doubtful)


def _parsed(parser: StatusAndHeadersParser, head: bytes) -> StatusAndHeaders:
    try:
        return parser.parse(io.BytesIO(head))
    except (StatusAndHeadersParserException, EOFError, ValueError):
        raise BadRecord("its headers cannot be read") from None
