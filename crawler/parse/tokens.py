"""Walk the tags of an HTML text without building a tree, so that offsets into the served text survive.

BeautifulSoup gives no offsets, and the text rule wants the body exactly as served; a page of 3 MB is nine
tenths script, which this walk jumps over at the speed of `str.find`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

MAX_TAGS = 50_000  # the longest real page seen has under 3,000
_RAW_TEXT = frozenset({"script", "style"})
# A quote opens a value only after "=", as in browsers; possessive, so that no input backtracks.
_TAG = re.compile(r"""<(/?+)([a-zA-Z][^\s/>]*+)((?:[^=>]++|=\s*+(?:"[^"]*+"|'[^']*+'|))*+)>""")


class TooManyTags(ValueError):
    """More tags than any real page has; the page is not one of WeChat's."""


@dataclass(frozen=True, slots=True)
class Token:
    """One tag or comment: its span in the text, and for script and style the span up to their end tag."""

    name: str  # lower case; "!" for comments and declarations
    closing: bool
    attributes: str
    start: int
    end: int
    inner_end: int  # where the raw text of script/style ends; else equal to `end`
    next: int  # where the walk goes on


def tokens(text: str, start: int = 0) -> Iterator[Token]:
    """Yield the tags of `text` in order; raises TooManyTags past MAX_TAGS."""
    position = start
    for _ in range(MAX_TAGS):
        token = _next_token(text, position)
        if token is None:
            return
        yield token
        position = token.next
    raise TooManyTags(f"more than {MAX_TAGS} tags")


def _next_token(text: str, position: int) -> Token | None:
    while (position := text.find("<", position)) != -1:
        if match := _TAG.match(text, position):
            return _tag(text, match)
        if text.startswith(("<!", "<?", "</"), position):
            return _declaration(text, position)
        if text.find(">", position) == -1:
            return None  # nothing after this can be a tag
        position += 1
    return None


def _tag(text: str, match: re.Match[str]) -> Token:
    name, closing, end = match[2].lower(), bool(match[1]), match.end()
    if closing or name not in _RAW_TEXT:
        return Token(name, closing, match[3], match.start(), end, end, end)
    inner_end = _find_end_tag(text, name, end)
    after = text.find(">", inner_end)
    return Token(name, False, match[3], match.start(), end, inner_end, after + 1 or len(text))


def _find_end_tag(text: str, name: str, position: int) -> int:
    found = text.find(f"</{name}", position)
    if found == -1:  # rare, and slower
        upper = text.find(f"</{name.upper()}", position)
        return upper if upper != -1 else len(text)
    return found


def _declaration(text: str, position: int) -> Token:
    mark = "-->" if text.startswith("<!--", position) else ">"
    end = text.find(mark, position)
    end = end + len(mark) if end != -1 else len(text)
    return Token("!", False, "", position, end, end, end)
