"""Read a page that a browser saved as MHTML: a message with the page and its images as parts."""

import email
from collections.abc import Iterator
from datetime import UTC, datetime
from email.message import Message as Part
from email.utils import parsedate_to_datetime
from typing import BinaryIO

from mparchive.importers.items import MAX_PAGE, InputError, SavedPage

MAX_MHTML = 128 * 1024 * 1024  # bytes; a page with fifty images in base64 has 30 MB

_MAX_HEADERS = 8192  # bytes at the beginning that show whether this is such a message

_HTML = ("text/html", "application/xhtml+xml")

_LOCATIONS = ("content-location", "snapshot-content-location")


def is_mhtml(head: bytes) -> bool:
    """Tell by its beginning whether a file is a page saved as MHTML."""
    first = head.lstrip()[:_MAX_HEADERS].lower().replace(b"\r\n", b"\n").partition(b"\n\n")[0]
    name = first.partition(b":")[0]
    is_message = name.replace(b"-", b"").isalnum() and b"mime-version:" in first
    return is_message and (b"multipart/related" in first or b"text/html" in first)


def read_mhtml(stream: BinaryIO, name: str, written_at: datetime, url: str | None) -> SavedPage:
    """Return the page in an MHTML file with its address and the time at which it was saved (UTC).

    `url` takes the place of the address in the file, `written_at` that of a missing date. Raises InputError
    when the file has no page, or one that is too large.
    """
    content = stream.read(MAX_MHTML + 1)
    if len(content) > MAX_MHTML:
        raise InputError("mparchive.input.too_large", name=name, bytes=MAX_MHTML)
    try:
        message = email.message_from_bytes(content.lstrip())
        page, body = _page(message)
    except (ValueError, LookupError, RecursionError):
        raise InputError("mparchive.mhtml.no_page", name=name) from None
    if len(body) > MAX_PAGE:
        raise InputError("mparchive.input.page_too_large", name=name, bytes=MAX_PAGE)
    address = url or next(_addresses(page, message), None)
    headers = (("Content-Type", str(page["content-type"] or "text/html")),)
    return SavedPage(name, body, _saved_at(message) or written_at, address, headers)


def _page(message: Part) -> tuple[Part, bytes]:
    """Return the part that is the page, and its bytes. Raises LookupError where there is none."""
    parts = [part for part in message.walk() if part.get_content_type() in _HTML]
    wanted = next(_addresses(message), None)
    parts.sort(key=lambda part: wanted is None or next(_addresses(part), None) != wanted)
    for part in parts:
        body = part.get_payload(decode=True)
        if isinstance(body, bytes) and body.strip():
            return part, body
    raise LookupError


def _addresses(*parts: Part) -> Iterator[str]:
    """Yield the http(s) addresses in the headers of these parts, in order."""
    for part in parts:
        for header in _LOCATIONS:
            value = "".join(str(part[header] or "").split())
            if value.lower().startswith(("http://", "https://")):
                yield value


def _saved_at(message: Part) -> datetime | None:
    try:
        moment = parsedate_to_datetime(str(message["date"]))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
