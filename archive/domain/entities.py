"""Decode HTML entities in text of strangers; pure."""

import html
import re

_DIGITS = 7  # decimal digits of the largest code point, 1114111; more than 4300 digits raise in `int`

_LONG_REFERENCE = re.compile(r"&#([0-9]{8,});?")


def unescape(text: str) -> str:
    """Decode entities as `html.unescape` does; a numeric reference of any length is decoded, never raises."""
    if "&#" in text:
        text = _LONG_REFERENCE.sub(_shortened, text)
    return html.unescape(text)


def _shortened(reference: re.Match[str]) -> str:
    """The same reference without leading zeros; U+FFFD for a number beyond Unicode, as browsers have it."""
    digits = reference[1].lstrip("0") or "0"
    return f"&#{digits};" if len(digits) <= _DIGITS else "\ufffd"
