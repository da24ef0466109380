"""The answers in WARC records: proven by their digests, out of their wrappings, found again by revisits."""

import hashlib
import re
from collections import OrderedDict
from dataclasses import dataclass
from typing import BinaryIO, Generic, TypeVar

from warcio.statusandheaders import StatusAndHeaders

from crawler.answer import Answer, header
from crawler.scrub import public_headers
from mparchive.inputs.digest import is_proven
from mparchive.inputs.warc_records import MAX_BLOCK, BadRecord, Record, http_parts

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


def answer_of(record: Record, url: str, served: Served) -> Answer:
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
    return Answer(
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
