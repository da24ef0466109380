"""The outline of a page: its scripts, its markup without them, and its body exactly as served."""

import re
from dataclasses import dataclass, field

from crawler.parse.tokens import Token, tokens

_ID = re.compile(r"""\bid\s*=\s*["']?([A-Za-z0-9_-]+)""")
_MARKED_IDS = frozenset({"js_article", "js_content"})


@dataclass
class Outline:
    """What one walk over a page's tags finds.

    `markup` is the page without the content of scripts and styles, and without the body.
    `body` is the inner HTML of the last #js_content, None when there is none or it is never closed.
    """

    scripts: list[str] = field(default_factory=list)
    markup: str = ""
    body: str | None = None
    body_in_page: bool = False
    has_article: bool = False
    complete: bool = False  # the page's own </html> was received
    tags: int = 0


@dataclass
class _OpenBody:
    name: str
    start: int
    depth: int = 1
    end: int = -1

    def see(self, token: Token) -> None:
        if self.end != -1 or token.name != self.name:
            return
        self.depth += -1 if token.closing else 1
        if self.depth == 0:
            self.end = token.start


def outline(text: str) -> Outline:
    """Walk `text` once; raises TooManyTags."""
    found = Outline()
    cuts: list[tuple[int, int]] = []
    body: _OpenBody | None = None
    for token in tokens(text):
        found.tags += 1
        if token.inner_end > token.end:
            cuts.append((token.end, token.inner_end))
            if token.name == "script":
                found.scripts.append(text[token.end : token.inner_end])
        if body:
            body.see(token)
        match _marked_id(token):
            case "js_article":
                found.has_article = True
            case "js_content":
                body = _OpenBody(token.name, token.end)
        found.complete = found.complete or (token.closing and token.name == "html")
    _take_body(text, found, body, cuts)
    found.markup = _without(text, cuts)
    return found


def _marked_id(token: Token) -> str | None:
    if token.closing or "js_" not in token.attributes:
        return None
    match = _ID.search(token.attributes)
    return match[1] if match and match[1] in _MARKED_IDS else None


def _take_body(text: str, found: Outline, body: _OpenBody | None, cuts: list[tuple[int, int]]) -> None:
    if body is None:
        return
    found.body_in_page = True
    if body.end != -1:
        found.body = text[body.start : body.end]
        cuts[:] = [cut for cut in cuts if not body.start <= cut[0] < body.end]
        cuts.append((body.start, body.end))


def _without(text: str, cuts: list[tuple[int, int]]) -> str:
    pieces: list[str] = []
    position = 0
    for start, end in sorted(cuts):
        pieces.append(text[position:start])
        position = end
    pieces.append(text[position:])
    return "".join(pieces)
