"""Reading WARC files: the answers of mp.weixin.qq.com for posts become saved pages, with their own date."""

import io
import re
from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Generic, TypeVar
from urllib.parse import urlsplit

from warcio.bufferedreaders import ChunkedDataException, ChunkedDataReader
from warcio.statusandheaders import StatusAndHeaders

from archive.address import HOST, Address, parse_address, without_session
from archive.capture import Capture
from archive.errors import AddressError
from archive.export.warc_records import SAVED, target
from crawler.answer import Answer, DamagedAnswer, header, unpack
from crawler.scrub import public_headers
from mparchive.inputs.digest import is_proven
from mparchive.inputs.flaw import Flaw, InputError, Passed
from mparchive.inputs.page import MAX_PAGE, SavedPage
from mparchive.inputs.warc_records import BadRecord, Record, http_parts, records_of
from mparchive.inputs.warc_told import Told, told_in

MAX_TOLD = 64  # metadata records that wait for the record they are of; it follows at once
MAX_ANSWERS = 100_000  # answers remembered for revisits of them, of 1 kB; 300 GB of pages
_UNSERVED = ("conversion", "resource")
NO_ANSWER = "records that are no answers"
OTHER_HOST = "answers of other hosts"
NO_POST = f"answers of {HOST} that are no posts"
NO_PAGE = "answers without a page (redirects, errors)"
Kept = TypeVar("Kept")


def read_warc(stream: BinaryIO, name: str) -> Iterator[SavedPage | Flaw | Passed]:
    """Pages of posts, flaws of single records, and at the end what was passed over.

    Raises InputError when there is no record at all.
    """
    passed: Counter[str] = Counter()
    reader, is_empty = _Reader(stream, name), True
    for record in records_of(stream):
        is_empty = False
        item = reader.item(record) if isinstance(record, Record) else Flaw(name, *record)
        if isinstance(item, str):
            passed[item] += 1
        elif item is not None:
            yield item
    if is_empty:
        raise InputError(f"{name} begins like a WARC file, but holds no record")
    for what, count in passed.items():
        yield Passed(name, count, what)


class _Memory(Generic[Kept]):
    """The latest things, by name; the oldest is forgotten for one too many."""

    def __init__(self, most: int):
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._most = most

    def put(self, name: str, kept: Kept) -> None:
        if name:
            self._kept[name] = kept
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)

    def get(self, name: str) -> Kept | None:
        return self._kept.get(name)


@dataclass(frozen=True, slots=True)
class _Served:
    """An answer as it stands in a record: headers and payload still in the wrappings it came in."""

    http: StatusAndHeaders
    payload: bytes


class _Reader:
    """Reads records one after the other, and remembers what later ones may refer to."""

    def __init__(self, stream: BinaryIO, name: str):
        self._stream, self._name = stream, name
        self._told: _Memory[Told] = _Memory(MAX_TOLD)
        self._answers: _Memory[Record] = _Memory(2 * MAX_ANSWERS)  # each by its id and by address and date

    def item(self, record: Record) -> SavedPage | Flaw | str | None:
        """A page, what is wrong with it, or why it is passed over; None: it tells of another record."""
        try:
            if record.get("WARC-Type") == "metadata" and self._note(record):
                return None
            return self._page(record)
        except (BadRecord, DamagedAnswer) as bad:
            return Flaw(self._name, record.where, str(bad))

    def _note(self, record: Record) -> bool:
        told = told_in(record.block(self._stream)) if record.get("WARC-Refers-To") else None
        if told:
            self._told.put(record.get("WARC-Refers-To"), told)
        return told is not None

    def _page(self, record: Record) -> SavedPage | str:
        told = self._told.get(record.get("WARC-Record-ID"))
        kind = record.get("WARC-Type")
        if kind not in ("response", "revisit") and not (told and kind in _UNSERVED):
            return NO_ANSWER
        if not (told and record.target.startswith(SAVED)) and urlsplit(record.target).hostname != HOST:
            return OTHER_HOST
        try:
            address = (
                None if record.target.startswith(SAVED) else parse_address(without_session(record.target))
            )
        except AddressError:
            return NO_POST
        if kind in _UNSERVED and told:
            return self._kept(record, told, _proven(record, record.block(self._stream)))
        return self._answer(record, address, told)

    def _answer(self, record: Record, address: Address | None, told: Told | None) -> SavedPage | str:
        if record.get("WARC-Type") == "revisit":
            served = self._revisited(record)
        else:
            served = _served(record, record.block(self._stream))
            self._answers.put(record.get("WARC-Record-ID"), record)
            self._answers.put(f"{record.target} {record.get('WARC-Date')}", record)
        if told:
            return self._kept(record, told, served.payload)
        if _status(served.http) != 200 or address is None:
            return NO_PAGE
        return self._saved(record, unpack(_told_by(record, address, served)))

    def _revisited(self, record: Record) -> _Served:
        """The answer that came again; of the revisit's own record there is only the time."""
        by_date = f"{record.get('WARC-Refers-To-Target-URI').strip('<>')} {record.get('WARC-Refers-To-Date')}"
        before = self._answers.get(record.get("WARC-Refers-To")) or self._answers.get(by_date)
        if not record.get("WARC-Profile").rstrip("/").endswith("identical-payload-digest"):
            raise BadRecord("it is a revisit that does not say that the bytes were the same")
        if before is None:
            raise BadRecord("it is a revisit of a record that is not in this file before it")
        served = _served(before, before.block(self._stream))
        if is_proven(served.payload, record.get("WARC-Payload-Digest")) is False:
            raise BadRecord("it is a revisit of other bytes than those of the record it refers to")
        return served

    def _kept(self, record: Record, told: Told, body: bytes) -> SavedPage:
        """A capture that an archive like this one had."""
        if target(told.requested_url) != record.target:
            raise BadRecord(
                f"it is of {record.target[:120]}, and is said to be of {told.requested_url[:120]}"
            )
        capture = Capture(
            requested_url=_public(told.requested_url),
            final_url=_public(told.final_url),
            status=told.status,
            headers=public_headers(told.headers),
            body=body,
            fetched_at=record.date,
            rendered=told.rendered,
            evaluated=told.evaluated,
        )
        if len(body) > MAX_PAGE or capture.sha256.hex() != told.sha256:
            raise BadRecord("it is damaged: its bytes do not have the hash they were exported with")
        return self._saved(record, capture, told.expected_biz)

    def _saved(self, record: Record, capture: Capture, expected_biz: str = "") -> SavedPage:
        url = None if record.target.startswith(SAVED) else capture.requested_url
        name = f"{self._name}, record {record.number}" if url else capture.requested_url
        return SavedPage(
            name,
            capture.body,
            capture.fetched_at,
            url,
            capture.headers,
            answer=capture,
            expected_biz=expected_biz,
        )


def _public(url: str) -> str:
    return without_session(url) if "://" in url else url


def _served(record: Record, block: bytes) -> _Served:
    http, payload = http_parts(block)
    _check_digest(record, http, block, payload)
    return _Served(http, payload)


def _proven(record: Record, block: bytes) -> bytes:
    _check_digest(record, StatusAndHeaders("", []), block, block)
    return block


def _check_digest(record: Record, http: StatusAndHeaders, block: bytes, payload: bytes) -> None:
    """The block's digest; the payload's only where nobody can have taken it of the joined chunks."""
    content, digest = block, record.get("WARC-Block-Digest")
    if not digest and not http.get_header("transfer-encoding"):
        content, digest = payload, record.get("WARC-Payload-Digest")
    proven = is_proven(content, digest)
    if record.is_doubtful and not proven:
        raise BadRecord(f"its length is wrong: no record begins after the {record.size} bytes it should have")
    if proven is False:
        raise BadRecord("it is damaged: its bytes are not those of its digest")


def _told_by(record: Record, address: Address, served: _Served) -> Answer:
    headers, payload = public_headers((name, value) for name, value in served.http.headers), served.payload
    length = header(headers, "content-length")
    if length.isdigit() and len(payload) < int(length):
        raise BadRecord(f"the answer in it has {len(payload)} of its {length} bytes")
    chunked = header(headers, "transfer-encoding").lower() == "chunked"
    body = _joined(payload) if chunked else payload
    return Answer(
        address_id=None,
        requested_url=address.url,
        final_url=address.url,
        status=_status(served.http),
        headers=_as_packed(headers, body),
        body=body,
        fetched_at=record.date,
        ended_openly=not chunked and not length,
    )


def _status(http: StatusAndHeaders) -> int:
    code = str(http.get_statuscode())
    if not re.fullmatch(r"[1-5][0-9]{2}", code):
        raise BadRecord("the answer in it has no status")
    return int(code)


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
