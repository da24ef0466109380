"""What a downloaded file is, by its bytes and never by its name or headers. Pure: no I/O, no clock."""

import json
from dataclasses import dataclass

from archive.domain.outcomes import MediumType

_BEGINNING = 1024  # bytes that are looked at to say what something is instead

_PAGE_MARKS = (b"<!doctype html", b"<html", b"<head", b"<body", b"<script")

_MARK = b"\xef\xbb\xbf"

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
}


class NotMedium(Exception):
    """The bytes are not what was asked for; the message says what is wrong with them."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a file is. `width` and `height` in pixels, of an image whose size is known."""

    media_type: str
    width: int | None = None
    height: int | None = None

    @property
    def suffix(self) -> str:
        """The ending of its name, with the dot."""
        return SUFFIXES[self.media_type]


def is_page(body: bytes) -> bool:
    """Whether the bytes begin as a web page does."""
    return _beginning(body).startswith(_PAGE_MARKS)


def instead(body: bytes, wanted: MediumType) -> NotMedium:
    """What something of no known format is."""
    article = "an" if wanted[0] in "aeiou" else "a"
    if not body:
        return NotMedium(f"it is empty, not {article} {wanted}")
    if is_page(body):
        return NotMedium(f"it is a web page, not {article} {wanted}")
    if _is_json(body):
        return NotMedium(f"it is JSON, not {article} {wanted}")
    return NotMedium(f"it is no {wanted} of a known format (it begins with {body[:8].hex(' ')})")


def _is_json(body: bytes) -> bool:
    if len(body) > 1024 * 1024 or _beginning(body)[:1] not in (b"{", b"["):
        return False
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True


def _beginning(body: bytes) -> bytes:
    return body[:_BEGINNING].removeprefix(_MARK).lstrip().lower()
