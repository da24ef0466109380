"""Decode HTML entities, and remove from text and JSON what Postgres does not accept."""

import hashlib
import html
import math
import re
import unicodedata
from typing import Any

MAX_KEY = 2048  # bytes, for an entry of a Postgres index holds 2700

UNSTORABLE = re.compile("[\\0\ud800-\udfff]")


def storable(text: str) -> str:
    """Replace characters that cannot be stored by U+FFFD, the replacement character."""
    try:
        text.encode()  # fails for surrogates alone, and takes a tenth of what the expression does
    except UnicodeEncodeError:
        return UNSTORABLE.sub("\ufffd", text)
    return text.replace("\0", "\ufffd")


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


_DIGITS = 7  # decimal digits of the largest code point, 1114111; more than 4300 digits raise in `int`

_LONG_REFERENCE = re.compile(r"&#([0-9]{8,});?")


def unescape(text: str) -> str:
    """Decode entities as `html.unescape` does; a numeric reference of any length is decoded, never raises."""
    if "&#" in text:
        text = _LONG_REFERENCE.sub(_shortened, text)
    return html.unescape(text)


def _shortened(reference: re.Match[str]) -> str:
    """Return the reference without leading zeros; U+FFFD for a number beyond Unicode, as browsers do."""
    digits = reference[1].lstrip("0") or "0"
    return f"&#{digits};" if len(digits) <= _DIGITS else "\ufffd"


_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")  # letters and a pattern that are rendered as nothing


def has_visible_character(title: str) -> bool:
    """Tell whether a reader sees anything of a title: a link without any can be neither seen nor named."""
    return any(unicodedata.category(sign)[0] not in "CZ" and sign not in _BLANK for sign in title)
