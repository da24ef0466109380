"""An answer as it came off the wire, and its unpacking into a capture. Pure: no I/O, no clock."""

import zlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from archive.domain.captures import Capture

MAX_PAGE_BYTES = 16 * 1024 * 1024  # unpacked; real pages are 2.4-4 MB

_GZIPPED = ("gzip", "x-gzip")

_GZIP = 16 + zlib.MAX_WBITS


class DamagedAnswer(Exception):
    """The bytes received are not a whole page of a bearable size; the message says why."""


class OversizedAnswer(DamagedAnswer):
    """It is larger than is taken, as received or as unpacked."""


@dataclass(frozen=True, slots=True)
class FetchedPage:
    """One answer, its body still packed as it was sent, so that unpacking costs the reactor nothing.

    `fetched_at` is an aware UTC instant; `headers` hold no secrets any more; `ended_openly` says that the
    end of the body was told by nothing but the connection's end. `evaluated` is as in a capture.
    """

    address_id: int | None
    requested_url: str
    final_url: str
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    fetched_at: datetime
    ended_openly: bool = False
    rendered: bool = False
    evaluated: dict[str, Any] | None = field(default=None, repr=False)


def header(headers: tuple[tuple[str, str], ...], name: str) -> str:
    """The first value of a header, whatever its case; empty when there is none."""
    return next((value for known, value in headers if known.lower() == name), "")


def unpack(answer: FetchedPage, limit: int = MAX_PAGE_BYTES) -> Capture:
    """The capture of an answer; raises DamagedAnswer for a half, broken or oversized body."""
    encoding = _encoding(answer)
    body = unpacked(answer, limit)
    if answer.ended_openly and encoding in ("", "identity") and not _looks_whole(body):
        raise DamagedAnswer("the connection ended before the end of the page")
    return Capture(
        requested_url=answer.requested_url,
        final_url=answer.final_url,
        status=answer.status,
        headers=answer.headers,
        body=body,
        fetched_at=answer.fetched_at,
        rendered=answer.rendered,
        evaluated=answer.evaluated,
        gzipped=answer.body if encoding in _GZIPPED and answer.body else None,
    )


def _encoding(answer: FetchedPage) -> str:
    return header(answer.headers, "content-encoding").strip().lower()


def unpacked(answer: FetchedPage, limit: int) -> bytes:
    """The body without its packing; raises DamagedAnswer for a broken or oversized one."""
    body, encoding = answer.body, _encoding(answer)
    if encoding in _GZIPPED and body:
        return gunzip(body, limit)
    if encoding not in ("", "identity", *_GZIPPED):
        raise DamagedAnswer(f"content encoding {encoding[:40]!r} was not asked for")
    if len(body) > limit:
        raise OversizedAnswer(f"an answer of {len(body)} bytes, at most {limit} are taken")
    return body


def gunzip(body: bytes, limit: int = MAX_PAGE_BYTES) -> bytes:
    """Strict, unlike Scrapy's own: half a stream is a DamagedAnswer, not half a page."""
    parts: list[bytes] = []
    size, rest = 0, body
    while rest:
        member = zlib.decompressobj(_GZIP)
        try:
            parts.append(member.decompress(rest, limit - size + 1))
        except zlib.error as error:
            raise DamagedAnswer(f"gzip is broken ({error})") from None
        size += len(parts[-1])
        if size > limit:
            raise OversizedAnswer(f"an answer of more than {limit} bytes when unpacked")
        if not member.eof:
            raise DamagedAnswer("gzip ends in the middle")
        rest = member.unused_data.lstrip(b"\0")  # some servers pad
    return b"".join(parts)


def _looks_whole(body: bytes) -> bool:
    tail = body[-64:].rstrip().lower()  # a page may close with a comment after its </html>
    return b"</html>" in tail or tail.endswith((b"}", b"]"))
