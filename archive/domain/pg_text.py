"""Text that Postgres can store: it takes any character but NUL and halves of surrogate pairs."""

import hashlib
import math
import re
from typing import Any

MAX_KEY = 2048  # bytes, for an entry of a Postgres index holds 2700

_UNSTORABLE = re.compile("[\\0\ud800-\udfff]")


def storable(text: str) -> str:
    """The text with what cannot be stored replaced by U+FFFD, the sign for a lost character."""
    return _UNSTORABLE.sub("\ufffd", text)


def storable_json(value: Any) -> Any:
    """The same for every string in a JSON value; numbers that JSON does not have become null."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None  # JSON has neither NaN nor infinities
    if isinstance(value, dict):
        return {storable(str(key)): storable_json(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [storable_json(inner) for inner in value]
    return value


def index_key(key: str) -> str:
    """What stands for a key in an index: the key itself, or the hash of one that is too long for an entry."""
    stored = storable(key)
    encoded = stored.encode()
    return stored if len(encoded) <= MAX_KEY else f"sha256:{hashlib.sha256(encoded).hexdigest()}"
