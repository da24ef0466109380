"""The text rule: a post's `finalContent` from its body (product.md, section 1)."""

import re

from crawler.parse.tokens import tokens

_SPACE = re.compile(r"\s+")  # Python's \s, so U+00A0 and U+3000 as well
_LINE_BREAK = re.compile(r"\r\n|\r|\n")
_BLOCKS = re.compile(r"<(?:p|section|div|blockquote|h[1-6]|ul|ol|table)\b[^<>]*>", re.IGNORECASE)
# What WeChat itself puts into a plain text: links, and line breaks. Anything else is the author's own "<".
_INLINE = re.compile(r"</?(?:a|span|strong|em|b|i|font|img)(?:\s*+>|\s(?=[^<>=]*+=)[^<>]*+>)", re.IGNORECASE)
_BREAK_TAG = re.compile(r"<br\s*/?>", re.IGNORECASE)
_PARAGRAPH_END = "\x00"  # cannot stand in a page that came as text: NUL is no HTML character


def text_of_html(html: str) -> str:
    """Apply the rule to a body in HTML: entities stay as served, `</p>` becomes a carriage return.

    Raises TooManyTags when the body is not one a real page could have.
    """
    served = html.replace(_PARAGRAPH_END, "\ufffd").encode("utf-8", "replace")
    kept = _without_tags(served).decode("utf-8", "replace")
    return _SPACE.sub(" ", kept).strip().replace(_PARAGRAPH_END, "\r")


def _without_tags(html: bytes) -> bytes:
    pieces: list[bytes] = []
    position = 0
    for token in tokens(html):
        pieces.append(html[position : token.start])
        if token.closing and token.name == b"p":
            pieces.append(_PARAGRAPH_END.encode())
        position = token.next
    pieces.append(html[position:])
    return b"".join(pieces)


def text_of_plain(text: str) -> str:
    """Apply the rule to a body in plain text: line breaks become carriage returns, links lose their tags."""
    broken = _BREAK_TAG.sub("\n", text)
    return _LINE_BREAK.sub("\r", _INLINE.sub("", broken).strip())


def text_of(body: str) -> str:
    """Apply the rule to a body from a page's script state, which may be HTML or plain text."""
    return text_of_html(body) if is_html(body) else text_of_plain(body)


def is_html(body: str) -> bool:
    """Whether a body from a page's script state is HTML, not plain text with links in it."""
    return bool(_BLOCKS.search(body))
