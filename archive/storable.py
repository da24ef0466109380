"""What Postgres cannot hold in text (NUL, lone surrogates) becomes U+FFFD, and is counted.

Nothing is lost: the exact bytes are in the capture. A post with such characters says how many were
replaced, under `facts["replaced_characters"]`.
"""

import math
import re
from typing import Any

REPLACEMENT = "\ufffd"
MAX_DEPTH = 64  # levels of a JSON value; a page's own data is under ten deep
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def storable_text(text: str) -> str:
    """The text with every character Postgres refuses replaced."""
    return _UNSTORABLE.sub(REPLACEMENT, text)


def count_unstorable(*texts: str) -> int:
    """How many characters `storable_text` would replace."""
    return sum(len(_UNSTORABLE.findall(text)) for text in texts)


def storable_json(value: Any, depth: int = 0) -> Any:
    """A JSON value Postgres takes: texts cleaned, NaN and infinities null, no deeper than MAX_DEPTH."""
    if isinstance(value, str):
        return storable_text(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict | list | tuple) and depth >= MAX_DEPTH:
        return f"(nested deeper than {MAX_DEPTH})"
    if isinstance(value, dict):
        return {storable_text(str(key)): storable_json(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [storable_json(item, depth + 1) for item in value]
    return value
