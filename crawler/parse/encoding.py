"""From the bytes of a page to its text."""

import codecs
import json
import re

_DECLARED = re.compile(rb"""charset\s*=\s*["']?\s*([A-Za-z0-9_-]{2,20})""", re.IGNORECASE)
_HEAD = 4096  # bytes in which a page declares its charset


def decode(body: bytes, content_type: str | None = None) -> str:
    """Decode a page; never raises. WeChat serves UTF-8 whatever a header says, so that is tried first."""
    if body.startswith(codecs.BOM_UTF8):
        body = body[3:]
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        text = _decode_declared(body, content_type or "")
    return _unwrapped(text)


def _decode_declared(body: bytes, content_type: str) -> str:
    """A page saved in a Chinese encoding says so; anything else is broken UTF-8, shown as such."""
    declared = _DECLARED.search(content_type.encode("ascii", "ignore")) or _DECLARED.search(body[:_HEAD])
    label = declared[1].decode().lower() if declared else ""
    if label.startswith(("gb", "utf-8", "utf8")) or not label:
        try:
            return body.decode("gb18030")
        except UnicodeDecodeError:
            pass
    return body.decode("utf-8", "replace")


def _unwrapped(text: str) -> str:
    """Some tools save a page as the inside of a JSON string: quotes and line ends escaped."""
    head = text[:_HEAD]
    if "\\n" not in head or '=\\"' not in head or '="' in head:
        return text
    try:
        unwrapped = json.loads(f'"{text.strip()}"', strict=False)
    except ValueError:
        return text
    return unwrapped if isinstance(unwrapped, str) else text
