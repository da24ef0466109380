"""Places to go on from as opaque words for addresses: JSON in base64; pure."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Any

ALPHABET = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def encode(values: Sequence[str | int | None]) -> str:
    """The word for these values."""
    told = json.dumps(values, separators=(",", ":")).encode()
    return urlsafe_b64encode(told).decode().rstrip("=")


def decode(word: str) -> Any:
    """The JSON value of a word, which anybody may have made. Raises ValueError or RecursionError."""
    if not ALPHABET.issuperset(word):
        raise ValueError("a cursor has letters and digits alone")
    return json.loads(urlsafe_b64decode(word + "=" * (-len(word) % 4)))
