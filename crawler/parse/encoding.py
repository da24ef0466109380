"""From the bytes of a page, however saved, to UTF-8."""

import codecs
import json
import re
from collections.abc import Iterable
from contextlib import suppress

_DECLARED = re.compile(rb"""charset\s*+=\s*+["']?\s*+([A-Za-z0-9_-]{2,20})""", re.IGNORECASE)
_BEYOND_ASCII = re.compile(rb"[\x80-\xff]")
_SAMPLE = 65_536  # bytes
_HEAD = 4096  # bytes in which a page declares its charset


def to_utf8(body: bytes, content_type: str | None = None) -> bytes:
    """A page's bytes in UTF-8, which is what WeChat serves whatever a header says; never raises."""
    served = body.removeprefix(codecs.BOM_UTF8)
    if not _is_utf8(served):
        served = _from_declared(served, content_type or "")
    return _unwrapped(served)


def _is_utf8(body: bytes) -> bool:
    """Judged by the first text beyond ASCII: to validate 3 MB costs as much as to read them."""
    first = _BEYOND_ASCII.search(body)
    if first is None:
        return True
    sample = body[first.start() : first.start() + _SAMPLE]
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return False
    return True


def _from_declared(body: bytes, content_type: str) -> bytes:
    """A page saved in another encoding of Chinese; anything else is broken UTF-8, and shown as such."""
    declared = _DECLARED.search(content_type.encode("ascii", "ignore")) or _DECLARED.search(body[:_HEAD])
    label = declared[1].lower() if declared else b""
    if label.startswith((b"gb", b"utf-8", b"utf8")) or not label:
        return _decoded(body, ("gb18030",))
    return _decoded(body, ("big5hkscs", "cp950")) if label.startswith(b"big5") else body


def _decoded(body: bytes, encodings: Iterable[str]) -> bytes:
    for encoding in encodings:
        with suppress(UnicodeDecodeError):
            return body.decode(encoding).encode()
    return body


def is_garbled(text: bytes) -> bool:
    """Whether more of what is beyond ASCII is broken UTF-8 than not: the encoding is one nobody told."""
    first = _BEYOND_ASCII.search(text)
    if first is None or _is_utf8(text):
        return False
    sample = text[first.start() : first.start() + _SAMPLE].decode("utf-8", "replace")
    return 2 * sample.count("\ufffd") > sum(character > "\x7f" for character in sample)


def _unwrapped(body: bytes) -> bytes:
    """Some tools save a page as the inside of a JSON string: quotes and line ends escaped."""
    head = body[:_HEAD]
    if b"\\n" not in head or b'=\\"' not in head or b'="' in head:
        return body
    try:
        unwrapped = json.loads(b'"' + body.strip() + b'"', strict=False)
    except ValueError:
        return body
    return unwrapped.encode("utf-8", "replace") if isinstance(unwrapped, str) else body
