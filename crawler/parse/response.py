"""A response as it was received: its unpacking, its encoding, and where a saved page came from."""

import codecs
import re
import zlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from archive.domain.captures import CaptureData
from archive.domain.errors import MessageError
from archive.domain.text import unescape

# A text in UTF-8 that is damaged has single broken characters; a text in GB18030 has hardly a whole one.
MAX_BROKEN = 8  # in a whole page; no real page has any

# Without ASCII: one character of GB18030 or more. A character of UTF-8 that was cut off counts as one broken.
_BEYOND_ASCII = re.compile(rb"[\x80-\xff]{2,}")

# Three Chinese characters in UTF-8 one after the other: in GB18030 such bytes come together by chance once in
# some million characters.
_CHINESE_IN_UTF8 = re.compile(rb"(?:[\xe3-\xe9][\x80-\xbf]{2}){3}")

_PIECE = 65_536  # bytes decoded at a time: memory for a whole decoded page takes longer than its decoding


def is_mixed(body: bytes, served: bytes) -> bool:
    """Tell whether a page has two encodings: `body` as it came, `served` what was made of it in UTF-8."""
    if body.endswith(served):  # it was taken as UTF-8
        return _is_broken(served)
    return not _is_utf8(body) and bool(_CHINESE_IN_UTF8.search(body))


def _is_utf8(text: bytes) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(text), _PIECE):
            decoder.decode(text[start : start + _PIECE])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _is_broken(text: bytes) -> bool:
    if _is_utf8(text):
        return False
    broken = 0
    for run in _BEYOND_ASCII.finditer(text):
        decoded = run[0].decode("utf-8", "replace")
        in_run = decoded.count("\ufffd") - run[0].count("\ufffd".encode())
        broken += in_run
        if (in_run > 1 and 2 * in_run > len(decoded)) or broken > MAX_BROKEN:
            return True
    return False


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


def unpack(page: FetchedPage, limit: int = MAX_PAGE_BYTES) -> CaptureData:
    """Return the capture of a page. Raises DamagedResponse for an incomplete, broken or oversized body."""
    encoding = _encoding(page)
    body = unpacked_body(page, limit)
    if page.ended_openly and encoding in ("", "identity") and not _looks_complete(body):
        raise DamagedResponse("crawler.response.cut_off")
    return CaptureData(
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


_HEAD = 4096  # bytes in which a tool writes where the page came from

_SOURCES = (
    re.compile(rb"<!-- saved from url=\(\d{1,5}\)(https?://[^\s<>]{1,2000}) -->"),  # browsers
    re.compile(rb"Page saved with SingleFile\s{1,9}url:\s{0,9}(https?://[^\s<>]{1,2000})"),
    re.compile(rb"""data-(?:scrapbook-source|sourceurl)=["']?(https?://[^\s"'<>]{1,2000})"""),  # WebScrapBook
)

_SINGLE_FILE = b"Page saved with SingleFile"

_PARAGRAPH = re.compile(r"<p(?:\s[^<>]*+)?>", re.IGNORECASE)

_PARAGRAPH_END = re.compile(r"</p\s*+>", re.IGNORECASE)


def saved_from(served: bytes) -> str | None:
    """Return the address that a page was saved from; None where no tool wrote one."""
    head = served[:_HEAD]
    match = next((found for source in _SOURCES if (found := source.search(head))), None)
    return unescape(match[1].decode("utf-8", "replace")) if match else None


def is_whole_without_end(served: bytes, body: str | None) -> bool:
    """Tell whether a page without `</html>` is whole: SingleFile leaves end tags out to save space.

    The body must be closed, and so must its paragraphs, for the text depends on their end tags.
    """
    if body is None or _SINGLE_FILE not in served[:_HEAD]:
        return False
    return len(_PARAGRAPH.findall(body)) == len(_PARAGRAPH_END.findall(body))
