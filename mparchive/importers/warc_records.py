"""Find the records of a WARC file, also behind damaged ones, and read their responses.

warcio parses the headers. The framing is our own because warcio's iterator ends at the first record whose
length is wrong, so that everything behind it would be lost.
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

from archive.domain.errors import MessageError
from archive.domain.messages import Message
from crawler.parse.response import FetchedPage, header
from crawler.redaction import public_headers
from mparchive.importers.items import MAX_PAGE
from mparchive.importers.open import LOST

MAX_HEAD = 64 * 1024  # bytes of the headers of a record; real ones have under 2000
MAX_BLOCK = MAX_PAGE + MAX_HEAD  # bytes of a response with its headers
_LINE = rb"WARC/[01]\.\d{1,3}\r?\n"  # a record's first line
_FIRST, _START = re.compile(_LINE), re.compile(b"\n(" + _LINE + b")")
_LONGEST_START = 16  # bytes

# Headers end at a blank line. The second half keeps a file of many first lines from having the same 64 kB
# searched for each of them.
_HEAD_END = re.compile(b"(?P<blank>\r?\n\r?\n)|\n(?=" + _LINE + b")")

# Bytes of a file that may be read more than once, in addition to its size: for records of wrong length, which
# may overlap, and for revisits, which may all be of the same response.
MAX_REREAD = 1024**3
_BLOCK_HEADERS = ("WARC-Truncated", "WARC-Block-Digest", "WARC-Payload-Digest")
_LONGEST_DIGEST = 200  # characters; SHA-256 in hexadecimal has 71 with its name
_GAP = re.compile(rb"(?:\r?\n)*(?:WARC/|\Z)")  # what may be between two records
_PIECE = 1024 * 1024  # bytes searched at a time
_BLANK = re.compile(rb"\r?\n\r?\n")

_warc_parser = StatusAndHeadersParser(ArcWarcRecordLoader.WARC_TYPES)
_http_parser = StatusAndHeadersParser(ArcWarcRecordLoader.HTTP_TYPES, verify=False)


class BadRecord(MessageError):
    """A record cannot be imported."""


class RereadBudget:
    """The bytes of a file that may still be read more than once."""

    def __init__(self, size: int):
        self._total = size + MAX_REREAD
        self._left = self._total

    def take(self, size: int) -> None:
        """Use up some bytes. Raises BadRecord when there are not as many."""
        if size > self._left:
            raise BadRecord("mparchive.warc.reread_limit", bytes=self._total)
        self._left -= size


@dataclass(frozen=True, slots=True)
class Record:
    """One record: its number from 1, its headers, and the offsets of its start and of its block.

    `is_length_doubtful`: no other record follows at its end, so that only a digest shows that it is complete.
    """

    number: int
    headers: StatusAndHeaders
    start: int
    begin: int
    end: int
    is_length_doubtful: bool
    budget: RereadBudget = field(repr=False, compare=False)

    @property
    def size(self) -> int:
        """Return the size of the block in bytes."""
        return self.end - self.begin

    @property
    def where(self) -> Message:
        """Return its number and offset in the decompressed file."""
        return record_position(self.number, self.start)

    @property
    def target(self) -> str:
        """Return its address; some writers put it into angle brackets."""
        return self.get("WARC-Target-URI").strip("<>")

    @property
    def date(self) -> datetime:
        """Return when it was fetched, as an aware UTC instant. Raises BadRecord where it has no date."""
        try:
            date: datetime = iso_date_to_datetime(self.get("WARC-Date"))
            return date.replace(tzinfo=UTC)
        except (ValueError, TypeError, OverflowError):
            raise BadRecord("mparchive.warc.no_date") from None

    def get(self, name: str) -> str:
        """Return the value of a header, empty where there is none."""
        return str(self.headers.get_header(name) or "")

    def block(self, stream: BinaryIO, max_bytes: int = MAX_BLOCK) -> bytes:
        """Read its content. Raises BadRecord when that has over `max_bytes`, or its writer cut it off."""
        if self.size > max_bytes:
            raise BadRecord("mparchive.warc.too_large", bytes=self.size, max=max_bytes)
        if self.get("WARC-Truncated"):
            raise BadRecord("mparchive.warc.truncated")
        if self.is_length_doubtful:
            self.budget.take(self.size)
        stream.seek(self.begin)
        return stream.read(self.size)

    def without_details(self) -> "Record":
        """Return the record with only those headers that reading its block again needs."""
        headers = [(name, self.get(name)[:_LONGEST_DIGEST]) for name in _BLOCK_HEADERS if self.get(name)]
        return replace(self, headers=StatusAndHeaders("", headers))


def record_position(number: int, start: int) -> Message:
    """Return the number of a record, and its offset in the decompressed file."""
    return Message("mparchive.input.warc_record", {"number": number, "offset": start})


def read_records(stream: BinaryIO) -> Iterator[Record | tuple[Message, Message]]:
    """Yield each record; for a bad one, its position and what is wrong, and go on at the next beginning."""
    file, at, number = _File(stream), 0, 0
    budget = RereadBudget(file.size)
    while (start := file.next_start(at)) is not None:
        number += 1
        try:
            record = _read_record(file, start, number, budget)
            at = start + 1 if record.is_length_doubtful else record.end
            yield record
        except BadRecord as bad:
            at = start + 1
            yield record_position(number, start), bad.message


def split_http(block: bytes) -> tuple[StatusAndHeaders, bytes]:
    """Split a response into headers and payload. Raises BadRecord."""
    blank = _BLANK.search(block[:MAX_HEAD])
    if not blank:
        raise BadRecord("mparchive.warc.no_http_headers")
    return _parsed(_http_parser, block[: blank.end()]), block[blank.end() :]


class _File:
    """A WARC file, read through a window that moves on, so that no byte is read once for each record.

    Others may read from the stream meanwhile.
    """

    def __init__(self, stream: BinaryIO):
        self._stream, self._window, self._at = stream, b"", 0
        self.size = stream.seek(0, io.SEEK_END)

    def next_start(self, at: int) -> int | None:
        """Return the offset of the next record at or after an offset, None at the end."""
        self._move(at, _LONGEST_START)
        if _FIRST.match(self._window, at - self._at):
            return at
        while at < self.size:
            if match := _START.search(self._window, max(0, at - self._at)):
                return self._at + match.start(1)
            at = max(at + 1, self._at + len(self._window) - _LONGEST_START)
            self._move(at, _PIECE)
        return None

    def head(self, start: int) -> bytes:
        """Return the headers of the record that begins there, with the blank line. Raises BadRecord."""
        self._move(start, MAX_HEAD)
        begin = start - self._at
        if self._window.startswith(LOST, begin):
            raise BadRecord("mparchive.warc.damaged_gzip")
        end = _HEAD_END.search(self._window, begin, begin + MAX_HEAD)
        if not end or not end["blank"]:
            raise BadRecord("mparchive.warc.endless_headers", max=MAX_HEAD)
        return self._window[begin : end.end()]

    def peek(self, place: int, size: int) -> bytes:
        """Return some bytes from anywhere without moving the window."""
        if self._at <= place and place + size <= self._at + len(self._window):
            return self._window[place - self._at : place - self._at + size]
        self._stream.seek(place)
        return self._stream.read(size)

    def _move(self, place: int, size: int) -> None:
        """Move the window so that it has `size` bytes from an offset, as far as the file has them."""
        end = min(place + size, self.size)
        if not (self._at <= place and end <= self._at + len(self._window)):
            self._stream.seek(place)
            self._window, self._at = self._stream.read(_PIECE), place


def _read_record(file: _File, start: int, number: int, budget: RereadBudget) -> Record:
    head = file.head(start)
    if b"\0" in head:
        raise BadRecord("mparchive.warc.nul")
    headers = _parsed(_warc_parser, head)
    length = str(headers.get_header("Content-Length") or "")
    if not re.fullmatch(r"[0-9]{1,15}", length):
        raise BadRecord("mparchive.warc.no_length")
    begin = start + len(head)
    end = begin + int(length)
    if end > file.size:
        raise BadRecord("mparchive.warc.cut_off", length=length, found=file.size - begin)
    is_length_doubtful = not _GAP.match(file.peek(end, _LONGEST_START))
    return Record(number, headers, start, begin, end, is_length_doubtful, budget)


def _parsed(parser: StatusAndHeadersParser, head: bytes) -> StatusAndHeaders:
    try:
        return parser.parse(io.BytesIO(head))
    except (StatusAndHeadersParserException, EOFError, ValueError):
        raise BadRecord("mparchive.warc.invalid_headers") from None


_ALGORITHMS = {"sha1": "sha1", "sha-1": "sha1", "sha256": "sha256", "sha-256": "sha256", "md5": "md5"}


def digest_matches(content: bytes, digest: str) -> bool | None:
    """Tell whether a digest is that of the content; None where there is none of a known form."""
    algorithm, _, value = digest.partition(":")
    name = _ALGORITHMS.get(algorithm.strip().lower())
    if not name or not value:
        return None
    computed = hashlib.new(name, content, usedforsecurity=False).digest()
    forms = (computed.hex(), b32encode(computed).decode().rstrip("=").lower())
    recorded = value.strip().rstrip("=").lower()
    return recorded in forms if len(recorded) in map(len, forms) else None


MAX_RESPONSES = 100_000  # responses remembered for their revisits, at most 1.5 kB each; 300 GB of pages
DECODED = ("", "identity", "gzip", "x-gzip")  # content encodings that crawler.parse.response.unpack decodes
Item = TypeVar("Item")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]{0,1000})?\r\n")  # the size of a chunk


class RecentItems(Generic[Item]):
    """The most recent items by name; the oldest is dropped when there are too many."""

    def __init__(self, max_items: int):
        self._items: OrderedDict[bytes, Item] = OrderedDict()
        self._max_items = max_items

    def put(self, name: str, item: Item) -> None:
        """Remember an item; one without a name is ignored."""
        if name:
            self._items[_hash(name)] = item
            if len(self._items) > self._max_items:
                self._items.popitem(last=False)

    def get(self, name: str) -> Item | None:
        """Return the item last put under a name."""
        return self._items.get(_hash(name))


def _hash(name: str) -> bytes:
    """Return a name in 32 bytes; the file may have names of up to 64 kB."""
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()


@dataclass(frozen=True, slots=True)
class RecordedResponse:
    """A response as it was recorded: its headers and its encoded payload."""

    http: StatusAndHeaders
    payload: bytes

    @property
    def status(self) -> int:
        """Return the HTTP status. Raises BadRecord where there is none."""
        code = str(self.http.get_statuscode())
        if not re.fullmatch(r"[1-5][0-9]{2}", code):
            raise BadRecord("mparchive.warc.no_status")
        return int(code)


class RecordedResponses:
    """The responses of one file; their positions are remembered, since revisit records may refer to them."""

    def __init__(self, stream: BinaryIO):
        self._stream = stream
        # Each is remembered twice: by its id, and by address and date.
        self._positions: RecentItems[Record] = RecentItems(2 * MAX_RESPONSES)

    def remember(self, record: Record) -> None:
        """Remember the position of a response."""
        position = record.without_details()
        self._positions.put(record.get("WARC-Record-ID"), position)
        self._positions.put(f"{record.target} {record.get('WARC-Date')}", position)

    def of(self, record: Record, max_bytes: int = MAX_BLOCK) -> RecordedResponse:
        """Return the response of a response or revisit record. Raises BadRecord."""
        if record.get("WARC-Type") == "revisit":
            return self._revisited_response(record, max_bytes)
        self.remember(record)
        return _recorded_response(record, record.block(self._stream, max_bytes))

    def _revisited_response(self, record: Record, max_bytes: int) -> RecordedResponse:
        """Return the earlier response that a revisit refers to; the revisit itself adds only its time."""
        by_date = f"{record.get('WARC-Refers-To-Target-URI').strip('<>')} {record.get('WARC-Refers-To-Date')}"
        before = self._positions.get(record.get("WARC-Refers-To")) or self._positions.get(by_date)
        if not record.get("WARC-Profile").rstrip("/").endswith("identical-payload-digest"):
            raise BadRecord("mparchive.warc.revisit_of_other_profile")
        if before is None:
            raise BadRecord("mparchive.warc.revisit_of_nothing")
        if not before.is_length_doubtful:  # reading the block of a doubtful one takes it
            record.budget.take(before.size)
        recorded = _recorded_response(before, before.block(self._stream, max_bytes))
        if digest_matches(recorded.payload, record.get("WARC-Payload-Digest")) is False:
            raise BadRecord("mparchive.warc.revisit_of_other_bytes")
        return recorded


def verified_block(record: Record, block: bytes) -> bytes:
    """Return the block of a record without HTTP headers. Raises BadRecord where its digest differs."""
    _check_digest(record, StatusAndHeaders("", []), block, block)
    return block


def fetched_page(record: Record, url: str, recorded: RecordedResponse) -> FetchedPage:
    """Return the response as if it had just been fetched, for the checks that fetched pages go through.

    Raises BadRecord where it is incomplete.
    """
    headers, payload = (
        public_headers((name, value) for name, value in recorded.http.headers),
        recorded.payload,
    )
    length = header(headers, "content-length")
    if re.fullmatch(r"[0-9]{1,15}", length) and len(payload) < int(length):
        raise BadRecord("mparchive.warc.incomplete", found=len(payload), length=length)
    chunked = header(headers, "transfer-encoding").lower() == "chunked"
    body = _join_chunks(payload) if chunked else payload
    headers = _actual_headers(headers, body)
    if (encoding := header(headers, "content-encoding").strip().lower()) not in DECODED:
        raise BadRecord("mparchive.warc.unknown_encoding", encoding=encoding[:40])
    return FetchedPage(
        address_id=None,
        requested_url=url,
        final_url=url,
        status=recorded.status,
        headers=headers,
        body=body,
        fetched_at=record.date,
        ended_openly=not chunked and not length,
    )


def _recorded_response(record: Record, block: bytes) -> RecordedResponse:
    http, payload = split_http(block)
    _check_digest(record, http, block, payload)
    return RecordedResponse(http, payload)


def _check_digest(record: Record, http: StatusAndHeaders, block: bytes, payload: bytes) -> None:
    """Check the digest of the block; that of the payload only where it cannot be that of joined chunks."""
    content, digest = block, record.get("WARC-Block-Digest")
    if not digest and not http.get_header("transfer-encoding"):
        content, digest = payload, record.get("WARC-Payload-Digest")
    is_intact = digest_matches(content, digest)
    if record.is_length_doubtful and not is_intact:
        raise BadRecord("mparchive.warc.wrong_length", bytes=record.size)
    if is_intact is False:
        raise BadRecord("mparchive.warc.digest_differs")


def _join_chunks(payload: bytes) -> bytes:
    """Return the body of a chunked response; some writers have already joined it under the same headers."""
    if not _CHUNK.match(payload):
        return payload
    chunks: list[bytes] = []
    at = 0
    while head := _CHUNK.match(payload, at):
        begin, at = head.end(), head.end() + int(head[1], 16)
        if begin == at:
            return b"".join(chunks)  # further headers may follow
        if payload[at : at + 2] != b"\r\n":
            break
        chunks.append(payload[begin:at])
        at += 2
    raise BadRecord("mparchive.warc.cut_chunk")


def _actual_headers(headers: tuple[tuple[str, str], ...], body: bytes) -> tuple[tuple[str, str], ...]:
    """Return the headers, without a content encoding that the writer has already decoded."""
    if body.lstrip()[:1] == b"<":
        return tuple((name, value) for name, value in headers if name.lower() != "content-encoding")
    return headers
