"""Fill the page skeletons in templates/, and escape values the way WeChat's pages do."""

import html
import re
import string
from functools import lru_cache
from pathlib import Path

from tests.standin.weight import bundle

_FOLDER = Path(__file__).parent / "templates"
_JS_ESCAPES = str.maketrans({
    "\\": r"\x5c", "\r": r"\x0d", '"': r"\x22", "&": r"\x26", "'": r"\x27", "<": r"\x3c", ">": r"\x3e",
    "\n": r"\x0a",
})  # fmt: skip
_HEAD_SHARE = 0.2  # of the script weight stands before the body, as in real pages
_MARKS = ("\0head\0", "\0tail\0")
_MARK = re.compile("(" + "|".join(_MARKS) + ")")


class _Template(string.Template):
    delimiter = "@@"


@lru_cache
def _template(name: str) -> _Template:
    return _Template((_FOLDER / name).read_text(encoding="utf-8"))


def fill(name: str, **values: object) -> str:
    """One template with its values put in; script weight is left as a mark."""
    return _template(name).substitute({"weight_head": _MARKS[0], "weight_tail": _MARKS[1], **values})


def js(text: str) -> str:
    """Return a value for a JavaScript string, escaped as `JsDecode` reads it."""
    return text.translate(_JS_ESCAPES)


def encoded(text: str) -> str:
    """Words as WeChat puts them into HTML, attributes and (before `js`) script values."""
    return html.escape(text, quote=True).replace("&#x27;", "&#39;")


def weigh(page: str, weight: int) -> list[bytes]:
    """Return the page in parts, with about `weight` bytes of script at its markers."""
    head = int(weight * _HEAD_SHARE) if _MARKS[1] in page else weight
    bundles = {_MARKS[0]: bundle(head, seed=1), _MARKS[1]: bundle(weight - head, seed=2)}
    return [bundles[piece] if piece in bundles else piece.encode() for piece in _MARK.split(page)]
