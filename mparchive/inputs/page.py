"""A page somebody saved: by itself, or in a WARC file."""

from dataclasses import dataclass
from datetime import datetime

MAX_PAGE = 16 * 1024 * 1024  # bytes, unpacked: the cap for pages everywhere


@dataclass(frozen=True, slots=True)
class SavedPage:
    """`saved_at` is an aware UTC instant: of the file, or what a WARC record says; `headers` where kept."""

    name: str
    body: bytes
    saved_at: datetime
    url: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
