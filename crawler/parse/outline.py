"""The outline of a page: its scripts, its markup without them, and its body exactly as served."""

import re
from dataclasses import dataclass, field

from crawler.parse.tokens import Token, tokens

_ID = re.compile(rb"""(?<![A-Za-z0-9_-])id\s*=\s*["']?([A-Za-z0-9_-]+)""")
_MARKED_IDS = frozenset({b"js_article", b"js_content"})


@dataclass
class Outline:
    """What one walk over a page's tags finds.

    `markup` is the page without the content of scripts and styles, and without the body.
    `body` is the inner HTML of the last #js_content, None when there is none or it is never closed.
    `shared` is the shared post that pages before 2025-11 keep in a script of HTML, for their own use.
    """

    scripts: list[bytes] = field(default_factory=list)
    markup: str = ""
    body: str | None = None
    body_in_page: bool = False
    shared: str = ""
    has_article: bool = False
    complete: bool = False  # the page's own </html> was received
    tags: int = 0


@dataclass
class _OpenBody:
    name: bytes
    start: int
    depth: int = 1
    end: int = -1

    def see(self, token: Token) -> None:
        if self.end != -1 or token.name != self.name:
            return
        self.depth += -1 if token.closing else 1
        if self.depth == 0:
            self.end = token.start


def outline(text: bytes) -> Outline:
    """Walk a page in UTF-8 once; raises TooManyTags."""
    found = Outline()
    cuts: list[tuple[int, int]] = []
    body: _OpenBody | None = None
    for token in tokens(text):
        found.tags += 1
        if token.inner_end > token.end:
            cuts.append((token.end, token.inner_end))
            if token.name == b"script":
                found.scripts.append(text[token.end : token.inner_end])
                if _is_shared(token):
                    found.shared = found.scripts[-1].decode("utf-8", "replace")
        if body:
            body.see(token)
        match _marked_id(token):
            case b"js_article":
                found.has_article = True
            case b"js_content":
                body = _OpenBody(token.name, token.end)
        found.complete = found.complete or (token.closing and token.name == b"html")
    _take_body(text, found, body, cuts)
    found.markup = _without(text, cuts).decode("utf-8", "replace")
    return found


def _is_shared(script: Token) -> bool:
    match = _ID.search(script.attributes) if b"content_tpl" in script.attributes else None
    return match is not None and match[1] == b"content_tpl"


def _marked_id(token: Token) -> bytes | None:
    if token.closing or b"js_" not in token.attributes:
        return None
    match = _ID.search(token.attributes)
    return match[1] if match and match[1] in _MARKED_IDS else None


def _take_body(text: bytes, found: Outline, body: _OpenBody | None, cuts: list[tuple[int, int]]) -> None:
    if body is None:
        return
    found.body_in_page = True
    if body.end != -1:
        found.body = text[body.start : body.end].decode("utf-8", "replace")
        cuts[:] = [cut for cut in cuts if not body.start <= cut[0] < body.end]
        cuts.append((body.start, body.end))


def _without(text: bytes, cuts: list[tuple[int, int]]) -> bytes:
    pieces: list[bytes] = []
    position = 0
    for start, end in sorted(cuts):
        pieces.append(text[position:start])
        position = end
    pieces.append(text[position:])
    return b"".join(pieces)
