"""Text that Postgres can store: it takes any character but NUL and halves of surrogate pairs."""

import math
import re
from typing import Any

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
