"""A file as it lies in the media folder."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KeptFile:
    """`size` in bytes, `media_type` by content (image/png), `width` and `height` in pixels of an image.

    `path` is where MediaFolder put it.
    """

    sha256: bytes
    size: int
    media_type: str
    width: int | None
    height: int | None
    path: str
