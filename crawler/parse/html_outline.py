"""Walks the tags of a page without building a tree, so that offsets into the served bytes survive.

BeautifulSoup gives no offsets, and the text rule wants the body exactly as served; a page of 3 MB is nine
tenths script, which this walk jumps over at the speed of `bytes.find`. Everything HTML's grammar is made
of is ASCII, so bytes in UTF-8 need no decoding for it.
"""

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from archive.domain.errors import MessageError

MAX_TAGS = 200_000  # real pages have under 3,000; one of a thousand formulas, drawn as SVG, has 100,000

_RAW_TEXT = frozenset({b"script", b"style"})

# A quote opens a value only after "=", as in browsers; possessive, so that no input backtracks.
_TAG = re.compile(rb"""<(/?+)([a-zA-Z][^\s/>]*+)((?:[^=>]++|=\s*+(?:"[^"]*+"|'[^']*+'|))*+)>""")

_DECLARATIONS = (b"<!", b"<?", b"</")

_NAME = re.compile(rb"</?+[a-zA-Z]")


class TooManyTags(MessageError):
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
    raise TooManyTags("crawler.parse.too_many_tags", limit=MAX_TAGS)


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


_DECLARED = re.compile(rb"""charset\s*+=\s*+["']?\s*+([A-Za-z0-9_-]{2,20})""", re.IGNORECASE)

_BEYOND_ASCII = re.compile(rb"[\x80-\xff]")

_SAMPLE = 65_536  # bytes

_RUN = re.compile(r"[^\x00-\x7f\ufffd]{4,}")  # long enough that hardly any is also UTF-8 by chance

_ASIAN = re.compile(r"[\u0800-\uffff]")  # three bytes in UTF-8

# What Windows 1252 has in place of the control characters of Latin 1.
_WINDOWS_1252 = {
    ord(bytes([code]).decode("cp1252")): code
    for code in range(0x80, 0xA0)
    if code not in (0x81, 0x8D, 0x8F, 0x90, 0x9D)
}

_HEAD = 4096  # bytes in which a page declares its charset


def to_utf8(body: bytes, content_type: str | None = None) -> bytes:
    """Return a page's bytes in UTF-8, which is what WeChat serves whatever a header says; never raises."""
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _decoded(body, ("utf-16",))
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
    """Decode a page saved in another Chinese encoding; anything else is broken UTF-8, and treated as such."""
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
    """Tell whether most of what is beyond ASCII in a page is garbled.

    It is broken UTF-8 where the page has an encoding that nobody told. Where a tool decoded UTF-8 as another
    encoding and wrote what it got, it is UTF-8 that gives another text when it is decoded once more.
    """
    first = _BEYOND_ASCII.search(text)
    if first is None:
        return False
    sample = text[first.start() : first.start() + _SAMPLE].decode("utf-8", "replace")
    wrong = sample.count("\ufffd")
    for run in _RUN.findall(sample):
        narrow = run.translate(_WINDOWS_1252)
        encoded = narrow.encode("latin-1" if max(narrow) <= "\xff" else "gb18030", "ignore")
        if 6 * len(_ASIAN.findall(encoded.decode("utf-8", "ignore"))) > len(encoded):
            wrong += len(run)
    beyond_ascii = len(sample) - len(sample.encode("ascii", "ignore"))
    return 2 * wrong > beyond_ascii


def _unwrapped(body: bytes) -> bytes:
    """Unescape a page that a tool saved as the inside of a JSON string."""
    head = body[:_HEAD]
    if b"\\n" not in head or b'=\\"' not in head or b'="' in head:
        return body
    try:
        unwrapped = json.loads(b'"' + body.strip() + b'"', strict=False)
    except ValueError:
        return body
    return unwrapped.encode("utf-8", "replace") if isinstance(unwrapped, str) else body
