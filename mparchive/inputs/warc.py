"""Reading WARC files: the answers of mp.weixin.qq.com for posts become saved pages, with their own date.

warcio reads the headers. The framing is our own, for warcio's iterator ends at the first record whose length
is wrong, and what follows it would be lost.
"""

import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO
from urllib.parse import urlsplit

from warcio.bufferedreaders import ChunkedDataException, ChunkedDataReader
from warcio.recordloader import ArcWarcRecordLoader
from warcio.statusandheaders import StatusAndHeaders, StatusAndHeadersParser, StatusAndHeadersParserException
from warcio.timeutils import iso_date_to_datetime

from archive.address import HOST, Address, parse_address, without_session
from archive.capture import Capture
from archive.errors import AddressError
from crawler.answer import Answer, DamagedAnswer, header, unpack
from crawler.scrub import public_headers
from mparchive.inputs.digest import is_proven
from mparchive.inputs.flaw import Flaw, InputError, Passed
from mparchive.inputs.page import MAX_PAGE, SavedPage

MAX_HEAD = 64 * 1024  # bytes of a record's own headers; real ones have under 2000
MAX_BLOCK = MAX_PAGE + MAX_HEAD  # bytes of an answer with its headers
_START = re.compile(rb"(?:\A|\n)(WARC/[01]\.\d+\r?\n)")
_LONGEST_START = 16  # bytes
_GAP = re.compile(rb"(?:\r?\n)*(?:WARC/|\Z)")  # what may stand between two records
_PIECE = 1024 * 1024  # bytes searched at a time
_warc_parser = StatusAndHeadersParser(ArcWarcRecordLoader.WARC_TYPES)
_http_parser = StatusAndHeadersParser(ArcWarcRecordLoader.HTTP_TYPES, verify=False)


class _Bad(Exception):
    """A record that cannot be taken; the message says why."""


@dataclass(frozen=True, slots=True)
class _Record:
    """One record: its number from 1, its headers, and where its block lies in the file.

    `is_doubtful`: no other record follows where it ends, so that only a digest can prove it whole.
    """

    number: int
    headers: StatusAndHeaders
    begin: int
    end: int
    is_doubtful: bool

    @property
    def size(self) -> int:
        """Bytes of the block."""
        return self.end - self.begin

    def get(self, name: str) -> str:
        return str(self.headers.get_header(name) or "")


def read_warc(stream: BinaryIO, name: str) -> Iterator[SavedPage | Flaw | Passed]:
    """Pages of posts, flaws of single records, and at the end what was passed over.

    Raises InputError when there is no record at all.
    """
    passed: Counter[str] = Counter()
    number = 0
    for number, record in _records(stream):
        if isinstance(record, str):
            yield Flaw(name, f"record {number}", record)
            continue
        why = _not_ours(record)
        if why:
            passed[why] += 1
            continue
        page = _page(stream, record, name)
        if isinstance(page, Passed):
            passed[page.what] += 1
        else:
            yield page
    if not number:
        raise InputError(f"{name} begins like a WARC file, but holds no record")
    for what, count in passed.items():
        yield Passed(name, count, what)


def _records(stream: BinaryIO) -> Iterator[tuple[int, _Record | str]]:
    """Each record with its number, or what is wrong with it; behind a bad one the next beginning counts."""
    size, at, number = stream.seek(0, io.SEEK_END), 0, 0
    while (start := _next_start(stream, at)) is not None:
        number += 1
        try:
            record = _framed(stream, start, size, number)
            at = start + 1 if record.is_doubtful else record.end
            yield number, record
        except _Bad as bad:
            at = start + 1
            yield number, str(bad)


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


def _framed(stream: BinaryIO, start: int, size: int, number: int) -> _Record:
    stream.seek(start)
    head = stream.read(MAX_HEAD)
    blank = re.search(rb"\r?\n\r?\n", head)
    if not blank:
        raise _Bad(f"its headers have over {MAX_HEAD} bytes or no end")
    headers = _parsed(_warc_parser, head[: blank.end()])
    length = str(headers.get_header("Content-Length") or "")
    if not re.fullmatch(r"[0-9]{1,15}", length):
        raise _Bad("it has no Content-Length")
    begin = start + blank.end()
    end = begin + int(length)
    if end > size:
        raise _Bad(f"it should have {length} bytes, but the file ends after {size - begin}")
    stream.seek(end)
    is_doubtful = not _GAP.match(stream.read(_LONGEST_START))
    return _Record(number, headers, begin, end, is_doubtful)


def _parsed(parser: StatusAndHeadersParser, head: bytes) -> StatusAndHeaders:
    try:
        return parser.parse(io.BytesIO(head))
    except (StatusAndHeadersParserException, EOFError, ValueError):
        raise _Bad("its headers cannot be read") from None


def _not_ours(record: _Record) -> str:
    """Why a record is passed over; empty for an answer of mp.weixin.qq.com."""
    kind = record.get("WARC-Type")
    if kind != "response":
        return "records that are no answers"
    if urlsplit(_target(record)).hostname != HOST:
        return "answers of other hosts"
    return ""


def _target(record: _Record) -> str:
    return record.get("WARC-Target-URI").strip("<>")  # some writers put it into angle brackets


def _page(stream: BinaryIO, record: _Record, name: str) -> SavedPage | Passed | Flaw:
    try:
        address = parse_address(without_session(_target(record)))
    except AddressError:
        return Passed(name, 1, f"answers of {HOST} that are no posts")
    try:
        answer = _answer(stream, record, address)
        if answer.status != 200:
            return Passed(name, 1, "answers without a page (redirects, errors)")
        capture = unpack(answer)
    except (_Bad, DamagedAnswer) as bad:
        return Flaw(name, f"record {record.number}", str(bad))
    return _saved(capture, f"{name}, record {record.number}")


def _saved(capture: Capture, name: str) -> SavedPage:
    return SavedPage(name, capture.body, capture.fetched_at, capture.requested_url, capture.headers)


def _answer(stream: BinaryIO, record: _Record, address: Address) -> Answer:
    if record.size > MAX_BLOCK:
        raise _Bad(f"it has {record.size} bytes, at most {MAX_BLOCK} are taken")
    if record.get("WARC-Truncated"):
        raise _Bad("whoever wrote it did not receive all of it (WARC-Truncated)")
    stream.seek(record.begin)
    block = stream.read(record.size)
    blank = re.search(rb"\r?\n\r?\n", block[:MAX_HEAD])
    if not blank:
        raise _Bad("the answer in it has no headers")
    http, payload = _parsed(_http_parser, block[: blank.end()]), block[blank.end() :]
    _check_digest(record, http, block, payload)
    return _told(record, address, http, payload)


def _check_digest(record: _Record, http: StatusAndHeaders, block: bytes, payload: bytes) -> None:
    """The block's digest; the payload's only where nobody can have taken it of the joined chunks."""
    content, digest = block, record.get("WARC-Block-Digest")
    if not digest and not http.get_header("transfer-encoding"):
        content, digest = payload, record.get("WARC-Payload-Digest")
    proven = is_proven(content, digest)
    if record.is_doubtful and not proven:
        raise _Bad(f"its length is wrong: no record begins after the {record.size} bytes it should have")
    if proven is False:
        raise _Bad("it is damaged: its bytes are not those of its digest")


def _told(record: _Record, address: Address, http: StatusAndHeaders, payload: bytes) -> Answer:
    headers = public_headers((name, value) for name, value in http.headers)
    length = header(headers, "content-length")
    if length.isdigit() and len(payload) < int(length):
        raise _Bad(f"the answer in it has {len(payload)} of its {length} bytes")
    chunked = header(headers, "transfer-encoding").lower() == "chunked"
    body = _joined(payload) if chunked else payload
    return Answer(
        address_id=None,
        requested_url=address.url,
        final_url=address.url,
        status=_status(http),
        headers=_as_packed(headers, body),
        body=body,
        fetched_at=_date(record),
        ended_openly=not chunked and not length,
    )


def _status(http: StatusAndHeaders) -> int:
    code = str(http.get_statuscode())
    if not re.fullmatch(r"[1-5][0-9]{2}", code):
        raise _Bad("the answer in it has no status")
    return int(code)


def _joined(payload: bytes) -> bytes:
    """The body of an answer sent in chunks; some writers keep it joined already, under the same headers."""
    if not re.match(rb"[0-9A-Fa-f]{1,8}[ \t]*(?:;[^\r\n]*)?\r\n", payload):
        return payload
    try:
        return bytes(ChunkedDataReader(io.BytesIO(payload), raise_exceptions=True).read())
    except ChunkedDataException:
        raise _Bad("the answer in it ends in the middle of a chunk") from None


def _as_packed(headers: tuple[tuple[str, str], ...], body: bytes) -> tuple[tuple[str, str], ...]:
    """The headers, without a packing that the writer has undone already."""
    if body.lstrip()[:1] == b"<":
        return tuple((name, value) for name, value in headers if name.lower() != "content-encoding")
    return headers


def _date(record: _Record) -> datetime:
    try:
        told: datetime = iso_date_to_datetime(record.get("WARC-Date"))
        return told.replace(tzinfo=UTC)
    except (ValueError, TypeError):
        raise _Bad("it does not say when it was fetched (WARC-Date)") from None
