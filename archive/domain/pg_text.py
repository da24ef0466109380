"""Make text storable in Postgres, which takes any character but NUL and lone surrogates."""

import hashlib
import math
import re
from typing import Any

MAX_KEY = 2048  # bytes, for an entry of a Postgres index holds 2700

_UNSTORABLE = re.compile("[\\0\ud800-\udfff]")


def storable(text: str) -> str:
    """Replace characters that cannot be stored by U+FFFD, the replacement character."""
    return _UNSTORABLE.sub("\ufffd", text)


def storable_json(value: Any) -> Any:
    """Make every string of a JSON value storable; numbers that JSON does not have become null."""
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
    """Return the indexed form of a key: the key itself, or its hash if it is too long for an index."""
    stored = storable(key)
    encoded = stored.encode()
    return stored if len(encoded) <= MAX_KEY else f"sha256:{hashlib.sha256(encoded).hexdigest()}"
