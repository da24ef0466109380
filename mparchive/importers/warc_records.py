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
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import BinaryIO, Generic, TypeVar

from warcio.recordloader import ArcWarcRecordLoader
from warcio.statusandheaders import StatusAndHeaders, StatusAndHeadersParser, StatusAndHeadersParserException
from warcio.timeutils import iso_date_to_datetime

from crawler.parse.response import FetchedPage, header
from crawler.redaction import public_headers
from mparchive.importers.items import MAX_PAGE
from mparchive.importers.open import LOST

MAX_HEAD = 64 * 1024  # bytes of a record's own headers; real ones have under 2000

MAX_BLOCK = MAX_PAGE + MAX_HEAD  # bytes of an answer with its headers

_LINE = rb"WARC/[01]\.\d{1,3}\r?\n"  # a record's first line

_FIRST, _START = re.compile(_LINE), re.compile(b"\n(" + _LINE + b")")

_LONGEST_START = 16  # bytes

# Headers end at a blank line. Without the second half, a file of many first lines would have the same 64 kB
# searched for each of them.
_HEAD_END = re.compile(b"(?P<blank>\r?\n\r?\n)|\n(?=" + _LINE + b")")

# Bytes a file may have read more than once on top of its own size: for records whose length is wrong, which
# may lie over each other, and for revisits, which all may be of the same answer.
READ_AGAIN = 1024**3

_FOR_THE_BLOCK = ("WARC-Truncated", "WARC-Block-Digest", "WARC-Payload-Digest")

_LONGEST_DIGEST = 200  # characters; SHA-256 in hexadecimal has 71 with its name

_GAP = re.compile(rb"(?:\r?\n)*(?:WARC/|\Z)")  # what may stand between two records

_PIECE = 1024 * 1024  # bytes searched at a time

_BLANK = re.compile(rb"\r?\n\r?\n")

_warc_parser = StatusAndHeadersParser(ArcWarcRecordLoader.WARC_TYPES)

_http_parser = StatusAndHeadersParser(ArcWarcRecordLoader.HTTP_TYPES, verify=False)


class BadRecord(Exception):
    """A record that cannot be taken; the message says why."""


class Allowance:
    """What of a file may be read more than once, in bytes."""

    def __init__(self, size: int):
        self._most = size + READ_AGAIN
        self._left = self._most

    def take(self, size: int) -> None:
        """Use some of it up; raises BadRecord when it is not enough."""
        if size > self._left:
            raise BadRecord(
                f"over {self._most} bytes of this file would be read more than once; records that lie over "
                "each other or repeat each other are taken up to there"
            )
        self._left -= size


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
    allowance: Allowance = field(repr=False, compare=False)

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
        except (ValueError, TypeError, OverflowError):
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
        if self.is_doubtful:
            self.allowance.take(self.size)
        stream.seek(self.begin)
        return stream.read(self.size)

    def slim(self) -> "Record":
        """The same with no headers but those that reading its block again takes."""
        kept = [(name, self.get(name)[:_LONGEST_DIGEST]) for name in _FOR_THE_BLOCK if self.get(name)]
        return replace(self, headers=StatusAndHeaders("", kept))


def where(number: int, start: int) -> str:
    """Which record, and where it begins in the unpacked file."""
    return f"record {number} at byte {start}"


def records_of(stream: BinaryIO) -> Iterator[Record | tuple[str, str]]:
    """Each record, or where a bad one is and what is wrong with it; behind that the next beginning counts."""
    file, at, number = _File(stream), 0, 0
    allowance = Allowance(file.size)
    while (start := file.next_start(at)) is not None:
        number += 1
        try:
            record = _framed(file, start, number, allowance)
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


class _File:
    """A WARC file through a window that moves on, so that no byte is read for each record it may belong to.

    Others may read from the stream meanwhile.
    """

    def __init__(self, stream: BinaryIO):
        self._stream, self._window, self._at = stream, b"", 0
        self.size = stream.seek(0, io.SEEK_END)

    def next_start(self, at: int) -> int | None:
        """Where the next record begins, at or behind a place."""
        self._move(at, _LONGEST_START)
        if _FIRST.match(self._window, at - self._at):
            return at
        while at < self.size:
            if found := _START.search(self._window, max(0, at - self._at)):
                return self._at + found.start(1)
            at = max(at + 1, self._at + len(self._window) - _LONGEST_START)
            self._move(at, _PIECE)
        return None

    def head(self, start: int) -> bytes:
        """The headers of the record that begins there, with the blank line; raises BadRecord."""
        self._move(start, MAX_HEAD)
        begin = start - self._at
        if self._window.startswith(LOST, begin):
            raise BadRecord("it cannot be unpacked: its gzip is damaged")
        end = _HEAD_END.search(self._window, begin, begin + MAX_HEAD)
        if not end or not end["blank"]:
            raise BadRecord(f"its headers have over {MAX_HEAD} bytes or no end")
        return self._window[begin : end.end()]

    def few(self, place: int, size: int) -> bytes:
        """Some bytes from anywhere; the window stays where it is."""
        if self._at <= place and place + size <= self._at + len(self._window):
            return self._window[place - self._at : place - self._at + size]
        self._stream.seek(place)
        return self._stream.read(size)

    def _move(self, place: int, size: int) -> None:
        """Have at least `size` bytes from a place in the window, as far as the file has them."""
        end = min(place + size, self.size)
        if not (self._at <= place and end <= self._at + len(self._window)):
            self._stream.seek(place)
            self._window, self._at = self._stream.read(_PIECE), place


def _framed(file: _File, start: int, number: int, allowance: Allowance) -> Record:
    head = file.head(start)
    if b"\0" in head:
        raise BadRecord("its headers hold a NUL, which no address has and nothing can store")
    headers = _parsed(_warc_parser, head)
    length = str(headers.get_header("Content-Length") or "")
    if not re.fullmatch(r"[0-9]{1,15}", length):
        raise BadRecord("it has no Content-Length")
    begin = start + len(head)
    end = begin + int(length)
    if end > file.size:
        raise BadRecord(f"it should have {length} bytes, but the file ends after {file.size - begin}")
    is_doubtful = not _GAP.match(file.few(end, _LONGEST_START))
    return Record(number, headers, start, begin, end, is_doubtful, allowance)


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


MAX_ANSWERS = 100_000  # answers remembered for revisits of them, at most 1.5 kB each; 300 GB of pages

UNPACKED = ("", "identity", "gzip", "x-gzip")  # what crawler.answer.unpack takes off

Kept = TypeVar("Kept")

_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]{0,1000})?\r\n")  # how many bytes follow


class Memory(Generic[Kept]):
    """The latest things, by the hash of their name; the oldest is forgotten for one too many."""

    def __init__(self, most: int):
        self._kept: OrderedDict[bytes, Kept] = OrderedDict()
        self._most = most

    def put(self, name: str, kept: Kept) -> None:
        """Remember a thing that has a name."""
        if name:
            self._kept[_hashed(name)] = kept
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)

    def get(self, name: str) -> Kept | None:
        """What was last put under a name."""
        return self._kept.get(_hashed(name))


def _hashed(name: str) -> bytes:
    """A name in 32 bytes: whoever wrote the file chose it, of up to 64 kB."""
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()


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
        slim = record.slim()
        self._read.put(record.get("WARC-Record-ID"), slim)
        self._read.put(f"{record.target} {record.get('WARC-Date')}", slim)

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
        if not before.is_doubtful:  # of those that are, reading the block takes it
            record.allowance.take(before.size)
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
    if re.fullmatch(r"[0-9]{1,15}", length) and len(payload) < int(length):
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
    if not _CHUNK.match(payload):
        return payload
    chunks: list[bytes] = []
    at = 0
    while head := _CHUNK.match(payload, at):
        begin, at = head.end(), head.end() + int(head[1], 16)
        if begin == at:
            return b"".join(chunks)  # what may follow are more headers
        if payload[at : at + 2] != b"\r\n":
            break
        chunks.append(payload[begin:at])
        at += 2
    raise BadRecord("the answer in it ends in the middle of a chunk")


def _as_packed(headers: tuple[tuple[str, str], ...], body: bytes) -> tuple[tuple[str, str], ...]:
    """The headers, without a packing that the writer has undone already."""
    if body.lstrip()[:1] == b"<":
        return tuple((name, value) for name, value in headers if name.lower() != "content-encoding")
    return headers
