"""The records of a WARC file: where each begins and ends, whatever is wrong with others.

warcio reads the headers. The framing is our own, for warcio's iterator ends at the first record whose length
is wrong, and what follows it would be lost.
"""

import hashlib
import io
import re
from base64 import b32encode
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO, Generic, TypeVar

from warcio.bufferedreaders import ChunkedDataException, ChunkedDataReader
from warcio.recordloader import ArcWarcRecordLoader
from warcio.statusandheaders import StatusAndHeaders, StatusAndHeadersParser, StatusAndHeadersParserException
from warcio.timeutils import iso_date_to_datetime

from crawler.parse.response import FetchedPage, header
from crawler.redaction import public_headers
from mparchive.importers.items import MAX_PAGE
from mparchive.importers.open import LOST

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


_KNOWN = {"sha1": "sha1", "sha-1": "sha1", "sha256": "sha256", "sha-256": "sha256", "md5": "md5"}


def is_proven(content: bytes, digest: str) -> bool | None:
    """Whether a digest is the content's; None where there is none, or none of a known form."""
    algorithm, _, value = digest.partition(":")
    known = _KNOWN.get(algorithm.strip().lower())
    if not known or not value:
        return None
    found = hashlib.new(known, content, usedforsecurity=False).digest()
    forms = (found.hex(), b32encode(found).decode().rstrip("=").lower())
    told = value.strip().rstrip("=").lower()
    return told in forms if len(told) in map(len, forms) else None


MAX_ANSWERS = 100_000  # answers remembered for revisits of them, of 1 kB; 300 GB of pages

UNPACKED = ("", "identity", "gzip", "x-gzip")  # what crawler.answer.unpack takes off

Kept = TypeVar("Kept")


class Memory(Generic[Kept]):
    """The latest things, by name; the oldest is forgotten for one too many."""

    def __init__(self, most: int):
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._most = most

    def put(self, name: str, kept: Kept) -> None:
        """Remember a thing that has a name."""
        if name:
            self._kept[name] = kept
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)

    def get(self, name: str) -> Kept | None:
        """What was last put under a name."""
        return self._kept.get(name)


@dataclass(frozen=True, slots=True)
class Served:
    """An answer as it stands in a record: headers and payload still in the wrappings it came in."""

    http: StatusAndHeaders
    payload: bytes

    @property
    def status(self) -> int:
        """The HTTP status; raises BadRecord where there is none."""
        code = str(self.http.get_statuscode())
        if not re.fullmatch(r"[1-5][0-9]{2}", code):
            raise BadRecord("the answer in it has no status")
        return int(code)


class Answers:
    """The answers of one file; those read are remembered, for later records may say that they came again."""

    def __init__(self, stream: BinaryIO):
        self._stream = stream
        self._read: Memory[Record] = Memory(2 * MAX_ANSWERS)  # each by its id and by address and date

    def remember(self, record: Record) -> None:
        """Note where an answer is."""
        self._read.put(record.get("WARC-Record-ID"), record)
        self._read.put(f"{record.target} {record.get('WARC-Date')}", record)

    def of(self, record: Record, most: int = MAX_BLOCK) -> Served:
        """The answer of a response or a revisit of at most so many bytes; raises BadRecord."""
        if record.get("WARC-Type") == "revisit":
            return self._again(record, most)
        self.remember(record)
        return _served(record, record.block(self._stream, most))

    def _again(self, record: Record, most: int) -> Served:
        """The answer that came again; of the revisit's own record there is only the time."""
        by_date = f"{record.get('WARC-Refers-To-Target-URI').strip('<>')} {record.get('WARC-Refers-To-Date')}"
        before = self._read.get(record.get("WARC-Refers-To")) or self._read.get(by_date)
        if not record.get("WARC-Profile").rstrip("/").endswith("identical-payload-digest"):
            raise BadRecord("it is a revisit that does not say that the bytes were the same")
        if before is None:
            raise BadRecord("it is a revisit of a record that is not in this file before it")
        served = _served(before, before.block(self._stream, most))
        if is_proven(served.payload, record.get("WARC-Payload-Digest")) is False:
            raise BadRecord("it is a revisit of other bytes than those of the record it refers to")
        return served


def proven(record: Record, block: bytes) -> bytes:
    """The block of a record that is no answer; raises BadRecord where it is not what its digest says."""
    _check_digest(record, StatusAndHeaders("", []), block, block)
    return block


def answer_of(record: Record, url: str, served: Served) -> FetchedPage:
    """The answer as if it had just come from an address, for the checks such a one goes through.

    Raises BadRecord where it is not whole.
    """
    headers, payload = public_headers((name, value) for name, value in served.http.headers), served.payload
    length = header(headers, "content-length")
    if length.isdigit() and len(payload) < int(length):
        raise BadRecord(f"the answer in it has {len(payload)} of its {length} bytes")
    chunked = header(headers, "transfer-encoding").lower() == "chunked"
    body = _joined(payload) if chunked else payload
    headers = _as_packed(headers, body)
    if (packing := header(headers, "content-encoding").strip().lower()) not in UNPACKED:
        raise BadRecord(
            f"content encoding {packing[:40]!r} is not unpacked here; have it recorded with gzip or none"
        )
    return FetchedPage(
        address_id=None,
        requested_url=url,
        final_url=url,
        status=served.status,
        headers=headers,
        body=body,
        fetched_at=record.date,
        ended_openly=not chunked and not length,
    )


def _served(record: Record, block: bytes) -> Served:
    http, payload = http_parts(block)
    _check_digest(record, http, block, payload)
    return Served(http, payload)


def _check_digest(record: Record, http: StatusAndHeaders, block: bytes, payload: bytes) -> None:
    """The block's digest; the payload's only where nobody can have taken it of the joined chunks."""
    content, digest = block, record.get("WARC-Block-Digest")
    if not digest and not http.get_header("transfer-encoding"):
        content, digest = payload, record.get("WARC-Payload-Digest")
    is_sound = is_proven(content, digest)
    if record.is_doubtful and not is_sound:
        raise BadRecord(f"its length is wrong: no record begins after the {record.size} bytes it should have")
    if is_sound is False:
        raise BadRecord("it is damaged: its bytes are not those of its digest")


def _joined(payload: bytes) -> bytes:
    """The body of an answer sent in chunks; some writers keep it joined already, under the same headers."""
    if not re.match(rb"[0-9A-Fa-f]{1,8}[ \t]*(?:;[^\r\n]*)?\r\n", payload):
        return payload
    try:
        return bytes(ChunkedDataReader(io.BytesIO(payload), raise_exceptions=True).read())
    except ChunkedDataException:
        raise BadRecord("the answer in it ends in the middle of a chunk") from None


def _as_packed(headers: tuple[tuple[str, str], ...], body: bytes) -> tuple[tuple[str, str], ...]:
    """The headers, without a packing that the writer has undone already."""
    if body.lstrip()[:1] == b"<":
        return tuple((name, value) for name, value in headers if name.lower() != "content-encoding")
    return headers
