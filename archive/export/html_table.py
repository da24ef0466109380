"""Write tables that Markdown cannot express, as those with merged cells or lists, as HTML in the Markdown.

A blank line would end such a block, and some readers format the words in it: so there are no blank lines, and
all characters with a meaning in Markdown are entities.
"""

import re
from collections.abc import Iterator
from itertools import chain

from bs4 import Tag
from bs4.element import Comment, NavigableString, PageElement

from archive.export import markdown_text
from archive.export.list_markers import item_markers, marker_style
from archive.rendering.formulas import is_formula
from archive.rendering.plain_html import code_text

MAX_SPAN = 1000  # rows or columns of one cell; browsers read no more columns

_STRUCTURE = frozenset({"table", "caption", "thead", "tbody", "tfoot", "tr", "td", "th", "ul", "ol", "li",
                        "br", "blockquote", "p", "div"})  # fmt: skip

_INLINE = frozenset({"strong", "em", "del", "sup", "sub", "ins", "mark"})

_NAMES = {"b": "strong", "i": "em", "s": "del", "strike": "del", "dl": "ul", "dt": "li", "dd": "li"}

_CONTAINERS = frozenset({
    "p", "div", "section", "article", "aside", "address", "center", "figure", "figcaption",
    "h1", "h2", "h3", "h4", "h5", "h6",
})  # fmt: skip

_BLOCKS = frozenset(
    {"ul", "ol", "dl", "pre", "blockquote", "table", "hr", "h1", "h2", "h3", "h4", "h5", "h6"}
)

_CELLS = frozenset({"td", "th"})

_HOLDERS = _CELLS | {"li", "caption", "blockquote", "div"}  # a paragraph alone in them needs no element


def needs_html(table: Tag, rows: list[Tag]) -> bool:
    """Return whether Markdown cannot express a table: merged cells, blocks in cells, rows not in order."""
    groups = [row.parent.name if row.parent else "" for row in rows]
    order = [{"thead": 0, "tfoot": 2}.get(name, 1) for name in groups]
    if groups.count("thead") > 1 or order != sorted(order):
        return True
    return any(
        tag.name in _BLOCKS
        or (tag.name in _CELLS and (span(tag, "rowspan") != 1 or span(tag, "colspan") > 1))
        for tag in table.find_all([*_BLOCKS, *_CELLS])
    )


def span(cell: Tag, name: str) -> int:
    """Return how many rows or columns a cell fills; 0 rows are all that are left in its group of rows."""
    written = str(cell.get(name) or "").strip()
    known = written.isascii() and written.isdigit() and len(written) < 10
    least = 0 if name == "rowspan" else 1
    return max(least, min(int(written), MAX_SPAN)) if known else 1


def html_table(table: Tag) -> list[str]:
    """Return the lines of a table as HTML."""
    return "".join(_element(table, "table", "")).split("\n")


def _content(tag: Tag, within: str) -> Iterator[str]:
    for child in tag.contents:
        yield from _node(child, within)


def _node(node: PageElement, within: str) -> Iterator[str]:
    """Yield the HTML of a node; `within` is the element that holds it."""
    if not isinstance(node, Tag):
        if isinstance(node, NavigableString) and not isinstance(node, Comment):
            text = markdown_text.in_html(str(node))
            yield text if text != " " or within not in ("table", "tr") else ""
        return
    name = _name(node)
    if name == "img":
        yield markdown_text.image_element(str(node.get("alt") or ""), str(node.get("src") or ""))
    elif name in ("pre", "code"):
        code = markdown_text.as_entities(code_text(node).rstrip("\n"))
        yield f"<pre><code>{code}</code></pre>" if name == "pre" else f"<code>{code}</code>"
        for image in node.find_all("img"):
            yield from _node(image, within)
    elif is_formula(node):
        yield f"${markdown_text.in_html(str(node['title']))}$"
    elif name == "a":
        yield from _link(node, within)
    elif name in _STRUCTURE or name in _INLINE:
        yield from _element(node, name, within)
    else:
        yield from _content(node, within)


def _name(tag: Tag) -> str:
    """Return the name that an element is written with: lists that show dots or nothing are unordered."""
    if tag.name == "ol" and not item_markers(tag):
        return "ul"
    if tag.name in _CONTAINERS:
        return "p" if tag.find([*_CONTAINERS, *_BLOCKS]) is None else "div"
    return _NAMES.get(tag.name, tag.name)


def _element(tag: Tag, name: str, within: str) -> Iterator[str]:
    if name == "br":
        yield "<br>"
        return
    if name in ("p", "div") and (within in ("table", "tr") or (within in _HOLDERS and _is_alone(tag))):
        yield from _content(tag, within)
        return
    content = "".join(_content(tag, "table" if name in ("thead", "tbody", "tfoot") else name))
    is_counted = name == "li" and tag.parent is not None and tag.parent.name == "ol"
    if content.strip() or name in _CELLS or name == "tr" or is_counted:
        line = "\n" if name == "tr" else ""
        yield f"{line}<{name}{_attributes(tag, name)}>{content.strip(' ')}</{name}>"


def _is_alone(tag: Tag) -> bool:
    """Return whether nothing but white space is beside an element."""
    beside = chain(tag.next_siblings, tag.previous_siblings)
    return not any(isinstance(node, Tag) or str(node).strip() for node in beside)


def _attributes(tag: Tag, name: str) -> str:
    if name in _CELLS:
        spans = {key: span(tag, key) for key in ("rowspan", "colspan")}
        return "".join(f' {key}="{count}"' for key, count in spans.items() if count != 1)
    if name == "ol":
        start = str(tag.get("start") or "")
        given = f' start="{start}"' if re.fullmatch(r"-?\d{1,9}", start, re.A) else ""
        style = marker_style(tag)
        given += f' style="list-style-type:{style}"' if style != "decimal" else ""
        return f"{given} reversed" if tag.has_attr("reversed") else given
    value = str(tag.get("value") or "") if name == "li" else ""
    return f' value="{value}"' if re.fullmatch(r"-?\d{1,9}", value, re.A) else ""


def _link(link: Tag, within: str) -> Iterator[str]:
    target = markdown_text.target(str(link.get("href") or ""))
    content = "".join(_content(link, within))
    yield f'<a href="{target}">{content}</a>' if target and "<a " not in content else content
