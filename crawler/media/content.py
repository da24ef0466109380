"""The type of a file, found from its bytes and never from its name or headers. No I/O, no clock."""

import json
from dataclasses import dataclass

from archive.domain.errors import MessageError
from archive.domain.messages import Message
from archive.domain.outcomes import MediumType

_MAX_BEGINNING = 1024  # bytes that decide what a file of no known format is

_MAX_JSON = 1024 * 1024  # bytes; a larger file is not parsed as JSON

_PAGE_MARKS = (b"<!doctype html", b"<html", b"<head", b"<body", b"<script")

BYTE_ORDER_MARK = b"\xef\xbb\xbf"

SUFFIXES = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/gif": ".gif",
    "image/webp": ".webp",
    "image/bmp": ".bmp",
    "image/avif": ".avif",
    "image/svg+xml": ".svg",
    "audio/mpeg": ".mp3",
    "audio/aac": ".aac",
    "audio/mp4": ".m4a",
    "audio/amr": ".amr",
    "audio/silk": ".silk",
    "video/mp4": ".mp4",
    "text/css": ".css",
}


class NotMedium(MessageError):
    """The bytes are not a file of the expected type."""


@dataclass(frozen=True, slots=True)
class Content:
    """The type of a file. `width` and `height` are in pixels, for an image whose size is known."""

    media_type: str
    width: int | None = None
    height: int | None = None

    @property
    def suffix(self) -> str:
        """Return the ending of the file's name, with the dot."""
        return SUFFIXES[self.media_type]


def begins_as_page(body: bytes) -> bool:
    """Tell whether the bytes begin as a web page does."""
    return _beginning(body).startswith(_PAGE_MARKS)


def unknown_format(body: bytes, expected: MediumType) -> NotMedium:
    """Return an error that says what a file of no known format is instead."""
    medium = Message(f"crawler.media.type.{expected}")
    if not body:
        return NotMedium("crawler.media.empty", type=medium)
    if begins_as_page(body):
        return NotMedium("crawler.media.web_page", type=medium)
    if _is_json(body):
        return NotMedium("crawler.media.json", type=medium)
    return NotMedium("crawler.media.unknown_format", type=medium, beginning=body[:8].hex(" "))


def _is_json(body: bytes) -> bool:
    if len(body) > _MAX_JSON or _beginning(body)[:1] not in (b"{", b"["):
        return False
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True


def _beginning(body: bytes) -> bytes:
    return body[:_MAX_BEGINNING].removeprefix(BYTE_ORDER_MARK).lstrip().lower()
