"""A response as it was received, and its unpacking into a capture. No I/O, no clock."""

import zlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from archive.domain.captures import Capture
from archive.domain.errors import MessageError

MAX_PAGE_BYTES = 16 * 1024 * 1024  # unpacked; real pages are 2.4-4 MB

_GZIPPED = ("gzip", "x-gzip")

_GZIP = 16 + zlib.MAX_WBITS


class DamagedResponse(MessageError):
    """The bytes received are not a complete page within the size limit."""


class OversizedResponse(DamagedResponse):
    """The response is larger than the limit, as received or as unpacked."""


@dataclass(frozen=True, slots=True)
class FetchedPage:
    """A response with its body still packed, so that unpacking costs the reactor nothing.

    `fetched_at` is an aware UTC instant; `headers` hold no secrets any more; `ended_openly` says that the end
    of the body was that of the connection. `evaluated` is as in a capture.
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
    """Return the first value of a header, given in lower case; empty when there is none."""
    return next((value for known, value in headers if known.lower() == name), "")


def unpack(page: FetchedPage, limit: int = MAX_PAGE_BYTES) -> Capture:
    """Return the capture of a page. Raises DamagedResponse for an incomplete, broken or oversized body."""
    encoding = _encoding(page)
    body = unpacked_body(page, limit)
    if page.ended_openly and encoding in ("", "identity") and not _looks_complete(body):
        raise DamagedResponse("crawler.response.cut_off")
    return Capture(
        requested_url=page.requested_url,
        final_url=page.final_url,
        status=page.status,
        headers=page.headers,
        body=body,
        fetched_at=page.fetched_at,
        rendered=page.rendered,
        evaluated=page.evaluated,
        gzipped=page.body if encoding in _GZIPPED and page.body else None,
    )


def _encoding(page: FetchedPage) -> str:
    return header(page.headers, "content-encoding").strip().lower()


def unpacked_body(page: FetchedPage, limit: int) -> bytes:
    """Return the body unpacked. Raises DamagedResponse for a broken or oversized one."""
    body, encoding = page.body, _encoding(page)
    if encoding in _GZIPPED and body:
        return gunzip(body, limit)
    if encoding not in ("", "identity", *_GZIPPED):
        raise DamagedResponse("crawler.response.encoding", encoding=repr(encoding[:40]))
    if len(body) > limit:
        raise OversizedResponse("crawler.response.too_large", size=len(body), limit=limit)
    return body


def gunzip(body: bytes, limit: int = MAX_PAGE_BYTES) -> bytes:
    """Unpack gzip. Raises DamagedResponse also for half a stream, which Scrapy's own would return."""
    parts: list[bytes] = []
    size, rest = 0, body
    while rest:
        member = zlib.decompressobj(_GZIP)
        try:
            parts.append(member.decompress(rest, limit - size + 1))
        except zlib.error as error:
            raise DamagedResponse("crawler.response.gzip_broken", error=str(error)) from None
        size += len(parts[-1])
        if size > limit:
            raise OversizedResponse("crawler.response.too_large_unpacked", limit=limit)
        if not member.eof:
            raise DamagedResponse("crawler.response.gzip_cut_off")
        rest = member.unused_data.lstrip(b"\0")  # some servers pad
    return b"".join(parts)


def _looks_complete(body: bytes) -> bool:
    tail = body[-64:].rstrip().lower()  # a page may close with a comment after its </html>
    return b"</html>" in tail or tail.endswith((b"}", b"]"))
