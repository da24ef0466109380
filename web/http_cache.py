"""HTTP caching: entity tags, and 304 answers to clients that have the current content."""

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

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


_TAGS = re.compile(r'(?:W/)?("[^"]*")')


def not_modified(request: Request, headers: Mapping[str, str]) -> Response | None:
    """Return a 304 answer if the client has the content that these headers describe.

    It has if it sent their ETag, compared weakly; or, of a client that sent no tag, if it asked for what
    changed since a time that is not before their Last-Modified.
    """
    tags = request.headers.get("if-none-match")
    if tags is not None:
        own = _TAGS.findall(headers.get("ETag", ""))
        is_known = tags.strip() == "*" or any(tag in own for tag in _TAGS.findall(tags))
    else:
        is_known = _is_unchanged(
            request.headers.get("if-modified-since", ""), headers.get("Last-Modified", "")
        )
    return Response(status_code=304, headers=dict(headers)) if is_known else None


def _is_unchanged(since: str, changed: str) -> bool:
    """Compare two HTTP dates; one that is missing or not readable says nothing."""
    try:
        return parsedate_to_datetime(changed) <= parsedate_to_datetime(since)
    except (TypeError, ValueError, OverflowError):
        return False
