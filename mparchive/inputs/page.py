"""A page somebody saved: by itself, or in a WARC file."""

from dataclasses import dataclass
from datetime import datetime

from archive.capture import Capture

MAX_PAGE = 16 * 1024 * 1024  # bytes, unpacked: the cap for pages everywhere


@dataclass(frozen=True, slots=True)
class SavedPage:
    """`saved_at` is an aware UTC instant: of the file, or what a WARC record says; `headers` where kept.

    `answer` is the whole answer, where it was kept as one, and `expected_biz` the account it was listed for.
    """

    name: str
    body: bytes
    saved_at: datetime
    url: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    answer: Capture | None = None
    expected_biz: str = ""
