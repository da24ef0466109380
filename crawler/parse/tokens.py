"""Walk the tags of a page without building a tree, so that offsets into the served bytes survive.

BeautifulSoup gives no offsets, and the text rule wants the body exactly as served; a page of 3 MB is nine
tenths script, which this walk jumps over at the speed of `bytes.find`. Everything HTML's grammar is made
of is ASCII, so bytes in UTF-8 need no decoding for it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

MAX_TAGS = 200_000  # real pages have under 3,000; one of a thousand formulas, drawn as SVG, has 100,000
_RAW_TEXT = frozenset({b"script", b"style"})
# A quote opens a value only after "=", as in browsers; possessive, so that no input backtracks.
_TAG = re.compile(rb"""<(/?+)([a-zA-Z][^\s/>]*+)((?:[^=>]++|=\s*+(?:"[^"]*+"|'[^']*+'|))*+)>""")


class TooManyTags(ValueError):
    """More tags than any real page has; the page is not one of WeChat's."""


@dataclass(frozen=True, slots=True)
class Token:
    """One tag or comment: its span in the text, and for script and style the span up to their end tag."""

    name: bytes  # lower case; b"!" for comments and declarations
    closing: bool
    attributes: bytes
    start: int
    end: int
    inner_end: int  # where the raw text of script/style ends; else equal to `end`
    next: int  # where the walk goes on


def tokens(text: bytes, start: int = 0) -> Iterator[Token]:
    """Yield the tags of `text` in order; raises TooManyTags past MAX_TAGS."""
    position = start
    for _ in range(MAX_TAGS):
        token = _next_token(text, position)
        if token is None:
            return
        yield token
        position = token.next
    raise TooManyTags(f"more than {MAX_TAGS} tags")


def _next_token(text: bytes, position: int) -> Token | None:
    while (position := text.find(b"<", position)) != -1:
        if match := _TAG.match(text, position):
            return _tag(text, match)
        if text.startswith((b"<!", b"<?", b"</"), position):
            return _declaration(text, position)
        if text.find(b">", position) == -1:
            return None  # nothing after this can be a tag
        position += 1
    return None


def _tag(text: bytes, match: re.Match[bytes]) -> Token:
    name, closing, end = match[2].lower(), bool(match[1]), match.end()
    if closing or name not in _RAW_TEXT:
        return Token(name, closing, match[3], match.start(), end, end, end)
    inner_end = _find_end_tag(text, name, end)
    after = text.find(b">", inner_end)
    return Token(name, False, match[3], match.start(), end, inner_end, after + 1 or len(text))


def _find_end_tag(text: bytes, name: bytes, position: int) -> int:
    found = text.find(b"</" + name, position)
    if found == -1:  # rare, and slower
        upper = text.find(b"</" + name.upper(), position)
        return upper if upper != -1 else len(text)
    return found


def _declaration(text: bytes, position: int) -> Token:
    mark = b"-->" if text.startswith(b"<!--", position) else b">"
    end = text.find(mark, position)
    end = end + len(mark) if end != -1 else len(text)
    return Token(b"!", False, b"", position, end, end, end)
