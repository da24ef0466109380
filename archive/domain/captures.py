"""Define captures (responses of the server, exactly as they came) and sightings of addresses."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from archive.domain.addresses import PostAddress


@dataclass(frozen=True)
class CaptureData:
    """A response of the server, before it is parsed.

    `body` is the entity body after content decoding (gzip, br) and before any text decoding.
    `gzipped` is the same body as it was sent, if that was in gzip: a measure of what storing it saves.
    `fetched_at` is an aware UTC instant. `rendered` marks a browser's DOM instead of served bytes:
    `evaluated` then holds the variables of the page's own scripts by name, as JSON values, and under
    `text` the text that the browser showed.
    """

    requested_url: str
    final_url: str
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    fetched_at: datetime
    rendered: bool = False
    evaluated: dict[str, Any] | None = field(default=None, repr=False)
    gzipped: bytes | None = field(default=None, compare=False, repr=False)

    @cached_property
    def sha256(self) -> bytes:
        """Return the SHA-256 of the body, 32 bytes."""
        return hashlib.sha256(self.body).digest()


@dataclass(frozen=True, slots=True)
class SightingData:
    """An address as a source listed it. `seen_at` is an aware UTC instant.

    `expected_biz` is the account it was listed for; empty where a post of any account is wanted.
    """

    address: PostAddress
    source: str
    seen_at: datetime
    title: str = ""
    listing: dict[str, Any] | None = None
    expected_biz: str = ""


@dataclass(frozen=True, slots=True)
class Sighted:
    """The stored address of a sighting, and whether it is new."""

    address_id: int
    key: str
    is_new: bool
