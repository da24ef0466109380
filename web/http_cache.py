"""HTTP caching: entity tags, and 304 answers to clients that have the current content."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime

from fastapi import Request, Response

IMMUTABLE = (
    "private, max-age=31536000, immutable"  # Cache-Control of what its address names by hash or number
)

NO_STORE = "no-store"  # Cache-Control of what is true for this moment or this client only

TAG_LENGTH = 32  # hex digits of a SHA-256: 128 bits, enough for an entity tag


def entity_tag(content: bytes) -> str:
    """Return a strong ETag of this content."""
    return f'"{hashlib.sha256(content).hexdigest()[:TAG_LENGTH]}"'


def http_date(moment: datetime) -> str:
    """Return an aware instant as a Last-Modified header has it, in GMT to the second."""
    return format_datetime(moment.astimezone(UTC).replace(microsecond=0), usegmt=True)


def not_modified(request: Request, headers: Mapping[str, str]) -> Response | None:
    """Return a 304 answer if the client has the content that the ETag among these headers names."""
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=dict(headers))
    return None
