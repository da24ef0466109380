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

_DECLARATIONS = (b"<!", b"<?", b"</")
_NAME = re.compile(rb"</?+[a-zA-Z]")


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
    """Yield the tags of `text` in order; raises TooManyTags past MAX_TAGS.

    Takes a time that grows with the length of `text` only, whatever it holds.
    """
    walk = _Walk(text)
    position = start
    for _ in range(MAX_TAGS):
        token = walk.next_token(position)
        if token is None:
            return
        yield token
        position = token.next
    raise TooManyTags(f"more than {MAX_TAGS} tags")


class _Walk:
    """One walk over a text. It remembers where the last ">" and the last end tags are.

    Without that, every "<" of a hostile page would search the rest of the text for them once more.
    """

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._last_end = text.rfind(b">")
        self._last: dict[bytes, int] = {}

    def next_token(self, position: int) -> Token | None:
        text = self._text
        while -1 < (position := text.find(b"<", position)) < self._last_end:
            if match := _TAG.match(text, position):
                return self._tag(match)
            if _NAME.match(text, position):
                return None  # every ">" behind it stands in a quoted value: for browsers it never ends
            if text.startswith(_DECLARATIONS, position):
                return _declaration(text, position)
            position += 1
        if position != -1 and text.startswith(_DECLARATIONS, position):
            return _declaration(text, position)
        return None

    def _tag(self, match: re.Match[bytes]) -> Token:
        name, closing, end = match[2].lower(), bool(match[1]), match.end()
        if closing or name not in _RAW_TEXT:
            return Token(name, closing, match[3], match.start(), end, end, end)
        inner_end = self._find_end_tag(name, end)
        after = self._text.find(b">", inner_end)
        return Token(name, False, match[3], match.start(), end, inner_end, after + 1 or len(self._text))

    def _find_end_tag(self, name: bytes, position: int) -> int:
        for end_tag in (b"</" + name, b"</" + name.upper()):
            if end_tag not in self._last:
                self._last[end_tag] = self._text.rfind(end_tag)
            if self._last[end_tag] >= position:
                return self._text.find(end_tag, position)
        return len(self._text)


def _declaration(text: bytes, position: int) -> Token:
    mark = b"-->" if text.startswith(b"<!--", position) else b">"
    end = text.find(mark, position)
    end = end + len(mark) if end != -1 else len(text)
    return Token(b"!", False, b"", position, end, end, end)
