"""Encode positions of lists as opaque cursors for URLs: JSON in base64."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Any

ALPHABET = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def encode_cursor(values: Sequence[str | int | None]) -> str:
    """Return the cursor for these values."""
    serialised = json.dumps(values, separators=(",", ":")).encode()
    return urlsafe_b64encode(serialised).decode().rstrip("=")


def decode_cursor(cursor: str) -> Any:
    """Return the JSON value of a cursor, which may be anybody's. Raises ValueError or RecursionError."""
    if not ALPHABET.issuperset(cursor):
        raise ValueError("a cursor has letters and digits alone")
    return json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
