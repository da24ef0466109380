"""List what a reader of HTML sees, in order: words, numbers of items, cells with their places, lines of code.

It shares no code with the program: the original body, the offline page and the rendered Markdown are read by
the same rules, and must say the same.
"""

import html
import re
from collections.abc import Iterator

from bs4 import BeautifulSoup, Tag
from bs4.element import Comment, NavigableString, PageElement

_BREAK = "\n"

_BLOCKS = frozenset({
    "address", "article", "aside", "blockquote", "caption", "center", "dd", "details", "div", "dl", "dt",
    "fieldset", "figcaption", "figure", "footer", "foreignobject", "form", "h1", "h2", "h3", "h4", "h5", "h6",
    "header", "hgroup", "hr", "legend", "li", "main", "nav", "ol", "p", "section", "summary", "svg", "table",
    "text", "ul",
})  # fmt: skip

_RAISED = {"sup": "^", "sub": "_", "msup": "^", "msub": "_"}

_ROMAN = ((10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"))


def seen(markup: str, *, with_numbers: bool = True) -> list[str]:
    """Return what a reader sees of HTML: words as they are, the rest with its kind before.

    Numbers of items can be left out: a text without formatting does not have them.
    """
    soup = BeautifulSoup(markup, "lxml")
    for numbered in soup.find_all("ol") if not with_numbers else []:
        numbered["style"] = "list-style:none"
    for unseen in soup.find_all(["script", "style", "annotation"]):
        unseen.decompose()
    return _words("".join(_pieces(soup.body or soup)))


def _words(text: str) -> list[str]:
    return [word for word in text.replace("\u200b", "").split() if word]


def letters(words: list[str]) -> str:
    """Return the words without marks of places and white space, as a text without formatting has them."""
    said = [word for word in words if not word.startswith(("\x01", "\x02"))]
    return "".join(said).replace("\x03^", "").replace("\x03_", "").replace("\x03/", "").replace("\x04", "")


def _pieces(tag: Tag) -> Iterator[str]:
    for child in tag.contents:
        yield from _piece(child)


def _piece(node: PageElement) -> Iterator[str]:
    if not isinstance(node, Tag):
        if isinstance(node, NavigableString) and not isinstance(node, Comment):
            yield str(node)
        return
    name = node.name
    if name == "br":
        yield _BREAK
    elif name == "pre":
        yield from _code(node)
    elif name == "table":
        yield from _table(node)
    elif name in ("ol", "ul"):
        yield from _list(node)
    elif name in ("sup", "sub"):
        inner = "".join(_pieces(node))
        yield re.sub(r"(\S(?:[^\n]*\S)?)", f"\x03{_RAISED[name]}\\1\x03/", inner)
    elif name in ("msup", "msub"):
        base, script = node.find_all(True, recursive=False)
        yield f"{base.get_text()}\x03{_RAISED[name]}{script.get_text()}\x03/"
    elif name in _BLOCKS:
        yield _BREAK
        yield from _pieces(node)
        yield _BREAK
    else:
        yield from _pieces(node)


def _code(pre: Tag) -> Iterator[str]:
    """Yield the lines of code, with the white space that a reader sees."""
    for line_break in pre.find_all("br"):
        line_break.replace_with("\n")
    blocks = pre.find_all(["section", "p", "div"]) or (
        codes if len(codes := pre.find_all("code")) > 1 else []
    )
    text = "\n".join(block.get_text().removesuffix("\n") for block in blocks) if blocks else pre.get_text()
    for line in text.strip("\n").split("\n") if text.strip() else []:
        yield f"\n\x04{line.replace(chr(160), ' ').rstrip().replace(' ', chr(4))}\n"


def _table(table: Tag) -> Iterator[str]:
    yield _BREAK
    for caption in table.find_all("caption", recursive=False):
        yield from _pieces(caption)
    rows = sorted(
        _rows(table), key=lambda row: {"thead": 0, "tfoot": 2}.get(row.parent.name if row.parent else "", 1)
    )
    taken: set[tuple[int, int]] = set()
    cells = [[cell for cell in row.find_all(["td", "th"], recursive=False)] for row in rows]
    is_single = sum(map(len, cells)) == 1
    for row, row_cells in enumerate(cells):
        column = 0
        for cell in row_cells:
            while (row, column) in taken:
                column += 1
            high, wide = (int(str(cell.get(name) or 1)) for name in ("rowspan", "colspan"))
            taken |= {(row + down, column + right) for down in range(high) for right in range(wide)}
            inner = "".join(_pieces(cell))
            if inner.strip():
                yield "\n" if is_single else f"\n\x01{row},{column}\n"
                yield f"{inner}\n"
    yield _BREAK


def _rows(table: Tag) -> list[Tag]:
    return [row for row in table.find_all("tr") if row.find_parent("table") is table]


def _list(tag: Tag) -> Iterator[str]:
    items = tag.find_all("li", recursive=False)
    step = -1 if tag.has_attr("reversed") else 1
    number = int(str(tag.get("start") or (len(items) if step < 0 else 1)))
    yield _BREAK
    for child in tag.contents:
        if isinstance(child, Tag) and child.name == "li":
            number = int(str(child.get("value") or number))
            inner = "".join(_pieces(child))
            marker = _marker(tag, number) if tag.name == "ol" else ""
            yield f"\n{marker}\n{inner}\n" if inner.strip() else ""
            number += step
        else:
            yield from _piece(child)
    yield _BREAK


def _marker(tag: Tag, number: int) -> str:
    style = re.search(r"list-style(?:-type)?:\s*([a-z-]+)", str(tag.get("style", "")))
    shown = {"a": "lower-alpha", "A": "upper-alpha", "i": "lower-roman", "I": "upper-roman"}
    kind = style[1] if style else shown.get(str(tag.get("type", "")), "decimal")
    if kind == "none":
        return ""
    if "alpha" in kind and 1 <= number <= 26:
        letter = chr(96 + number)
        return f"{letter.upper() if kind.startswith('upper') else letter}."
    if "roman" in kind and 1 <= number <= 39:
        roman = ""
        for value, sign in _ROMAN:
            roman, number = roman + sign * (number // value), number % value
        return f"{roman.upper() if kind.startswith('upper') else roman}."
    return f"{number}."


def squeezed(text: str) -> str:
    """Return a stored text without white space."""
    return "".join(html.unescape(text).replace("\u200b", "").split())
