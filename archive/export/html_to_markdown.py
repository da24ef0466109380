"""Convert the safe HTML of a body to Markdown (CommonMark with tables), with all of its text.

Each element is visited once, so that the time grows with the length of the body. Lists and quotations repeat
their marker in every line: those nested deeper than MAX_NESTEDBLOCKS are written as if they were less deep.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from bs4 import Tag
from bs4.element import Comment, NavigableString, PageElement

from archive.export import markdown_text
from archive.export.html_table import html_table, needs_html
from archive.export.list_markers import item_markers
from archive.rendering.formulas import FORMULA_BLOCK, is_formula
from archive.rendering.images import ancestor_ids, new_element, parse_html
from archive.rendering.plain_html import BLOCKS, code_language, code_text

MAX_NESTEDBLOCKS = 12  # nested lists and quotations; posts have three

_CELLS = frozenset({"td", "th"})

_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})

_MARKS = {
    **dict.fromkeys(["b", "strong"], markdown_text.BOLD),
    **dict.fromkeys(["s", "del", "strike"], markdown_text.STRUCK),
    **dict.fromkeys(["i", "em"], markdown_text.ITALIC),
    "sup": markdown_text.SUP,
    "sub": markdown_text.SUB,
    "ins": markdown_text.INSERTED,
    "mark": markdown_text.HIGHLIGHTED,
}


_SPACE = re.compile(r"white-space\s*:\s*([a-z-]+)", re.I)

_KEPT_SPACE = re.compile(r"white-space\s*:\s*pre\b", re.I)  # also pre-wrap

_RAISED = re.compile(r"vertical-align\s*:\s*(super|sub)\b", re.I)

_MONOSPACE = re.compile(r"font(?:-family)?\s*:[^;]*(?:mono|consolas|menlo|courier)", re.I)


def to_markdown(safe_html: str) -> str:
    """Return the Markdown of safe HTML, without a newline at its end."""
    body = parse_html(safe_html).body
    if body is None:
        return ""
    _break_lines(body)
    _name_raised(body)
    return "\n".join(_joined(_Writer(body).blocks(body, 0)))


@dataclass(frozen=True)
class _Block:
    """A paragraph, list, table and so on; a list in an item needs no empty line before it."""

    lines: list[str]
    is_list: bool = False
    is_text: bool = False
    first: int | None = None  # number of an ordered list
    last: int | None = None


@dataclass(frozen=True)
class _Context:
    """What a text is in."""

    in_cell: bool = False
    in_one_line: bool = False  # a heading or a cell
    marks: frozenset[str] = field(default_factory=frozenset)


_NO_CONTEXT = _Context()


_Item = tuple[int | str | None, list[_Block]]  # with its number or marker; None for a bullet


class _Writer:
    """Writes the elements of one body as Markdown."""

    def __init__(self, body: Tag) -> None:
        self._with_blocks = ancestor_ids(body.find_all(list(BLOCKS)))
        self._tables = _data_tables(body)

    def blocks(self, container: Tag, depth: int) -> list[_Block]:
        """Return the blocks of a container nested in `depth` lists and quotations."""
        found: list[_Block] = []
        run: list[str] = []
        self._collect(container, depth, found, run)
        _end_paragraph(run, found)
        return found

    def _collect(self, container: Tag, depth: int, found: list[_Block], run: list[str]) -> None:
        for child in container.contents:
            if not isinstance(child, Tag) or (
                child.name not in BLOCKS and id(child) not in self._with_blocks
            ):
                run.append(self._inline(child, _NO_CONTEXT))
            elif child.name not in BLOCKS:  # formatting around blocks
                self._collect(child, depth, found, run)
            else:
                _end_paragraph(run, found)
                found += self._block(child, depth)

    def _block(self, tag: Tag, depth: int) -> list[_Block]:  # noqa: PLR0911 - a kind of block each
        if is_formula(tag):
            return [_Block(lines) for lines in markdown_text.paragraphs(self._formula(tag, _NO_CONTEXT))]
        if tag.name in _HEADINGS:
            text = self._text(tag, _Context(in_one_line=True)).strip()
            return [_Block([markdown_text.heading(text, int(tag.name[1]))])] if text else []
        if tag.name == "hr":
            return [_Block(["---"])]
        if tag.name == "pre" or _is_code(tag):
            return self._code(tag)
        if tag.name == "table" and id(tag) in self._tables:
            return self._table(tag)
        if depth < MAX_NESTEDBLOCKS and tag.name in ("ul", "ol"):
            return self._list(tag, depth + 1)
        if depth < MAX_NESTEDBLOCKS and tag.name == "blockquote":
            lines = _joined(self.blocks(tag, depth + 1))
            return [_Block([f"> {line}" if line else ">" for line in lines])] if lines else []
        return self.blocks(tag, depth)

    def _list(self, tag: Tag, depth: int) -> list[_Block]:
        markers = item_markers(tag) if tag.name == "ol" else {}
        items: list[_Item] = []
        for child in tag.contents:
            if isinstance(child, Tag) and child.name == "li":
                items.append((markers.get(id(child)), self.blocks(child, depth)))
                continue
            if isinstance(child, Tag) and (child.name in BLOCKS or id(child) in self._with_blocks):
                held = self._block(child, depth) if child.name in BLOCKS else self.blocks(child, depth)
            else:
                text = self._inline(child, _NO_CONTEXT).strip()
                held = [_Block(lines) for lines in markdown_text.paragraphs(text)]
                if held and not markers:
                    items.append((None, held))
                    continue
            if held:
                number, blocks = items.pop() if items else (None, [])
                items.append((number, [*blocks, *held]))
        return _numbered(items) if any(blocks for _, blocks in items) else []

    def _table(self, table: Tag) -> list[_Block]:
        rows = list(_table_parts(table, {"tr"}))
        if needs_html(table, rows):
            return [_Block(html_table(table))]
        captions = [self._text(one, _Context(in_one_line=True)) for one in _table_parts(table, {"caption"})]
        blocks = [_Block(lines) for text in captions for lines in markdown_text.paragraphs(text.strip())]
        cells = [[self._cell(one) for one in _table_parts(row, _CELLS)] for row in rows]
        cells = [row for row in cells if row]
        if not any(cell for row in cells for cell in row):
            return blocks
        columns = max(map(len, cells))
        head = cells[0] + [""] * (columns - len(cells[0]))
        lines = [_row(head), _row(["---"] * columns), *map(_row, cells[1:])]
        return [*blocks, _Block(lines)]

    def _cell(self, cell: Tag) -> str:
        return markdown_text.cell(self._text(cell, _Context(in_cell=True, in_one_line=True)))

    def _code(self, pre: Tag) -> list[_Block]:
        lines = markdown_text.code_block(code_text(pre), code_language(pre))
        images = [self._inline(one, _NO_CONTEXT) for one in pre.find_all("img")]
        return [
            _Block(lines) for lines in (lines, *([markdown_text.finished(one)] for one in images)) if lines
        ]

    def _text(self, tag: Tag, context: _Context) -> str:
        return "".join(self._inline(child, context) for child in tag.contents)

    def _inline(self, node: PageElement, context: _Context) -> str:  # noqa: PLR0911 - a kind of node each
        """Return formatted text; a line break is a line feed."""
        if not isinstance(node, Tag):
            is_text = isinstance(node, NavigableString) and not isinstance(node, Comment)
            return markdown_text.escape_text(str(node), in_cell=context.in_cell) if is_text else ""
        if node.name == "br":
            return markdown_text.LINE_BREAK if context.in_cell else " " if context.in_one_line else "\n"
        if node.name == "img":
            return markdown_text.image(str(node.get("alt") or ""), str(node.get("src") or ""))
        if node.name in ("code", "pre") and node.find("img") is None:
            return markdown_text.code_span(code_text(node), in_cell=context.in_cell)
        if node.name == "a":
            return markdown_text.link(self._text(node, context), str(node.get("href") or "")) or ""
        if node.name in _MARKS:
            return self._marked(node, context)
        if is_formula(node):
            return self._formula(node, context)
        text = self._text(node, context)
        if node.name in BLOCKS and context.in_cell:
            return f"{markdown_text.LINE_BREAK}{text}{markdown_text.LINE_BREAK}"
        return f" {text} " if node.name in BLOCKS else text

    def _formula(self, tag: Tag, context: _Context) -> str:
        """Return the TeX of a formula, and words beside its drawing that the TeX does not have."""
        is_block = FORMULA_BLOCK in tag.get_attribute_list("class") and not context.in_one_line
        tex, words = str(tag["title"]), self._text(tag, context).strip()
        written = markdown_text.formula(tex, is_block=is_block, in_cell=context.in_cell)
        rest = iter(tex)
        is_known = all(char in rest for char in tag.get_text() if char.isalnum())
        return written if is_known else f"{written} {words}"

    def _marked(self, tag: Tag, context: _Context) -> str:
        mark = _MARKS[tag.name]
        if mark in context.marks and mark not in (markdown_text.SUP, markdown_text.SUB):
            return self._text(tag, context)
        text = self._text(tag, replace(context, marks=context.marks | {mark}))
        return markdown_text.marked(text, mark) if text.strip() else text


def _end_paragraph(run: list[str], found: list[_Block]) -> None:
    found += [_Block(lines, is_text=True) for lines in markdown_text.paragraphs("".join(run))]
    run.clear()


def _joined(blocks: Iterable[_Block], *, is_tight: bool = False) -> list[str]:
    """Return the lines of blocks with an empty line between, except before a list where `is_tight`.

    A comment separates ordered lists whose numbers do not follow: readers would go on counting.
    """
    lines: list[str] = []
    last: int | None = None
    is_below_text = False
    for block in blocks:
        if last is not None and block.first not in (None, last + 1):
            lines += ["", "<!-- -->", "", *block.lines]
        else:
            is_next = is_tight and is_below_text and block.is_list and _may_follow_text(block)
            lines += ["", *block.lines] if lines and not is_next else block.lines
        last, is_below_text = block.last, block.is_text
    return lines


def _may_follow_text(block: _Block) -> bool:
    """Return whether a list is recognized directly below a text: its number must be 1, before words."""
    return block.first is None or (block.first == 1 and block.lines[0] != "1.")


def _numbered(items: Iterable[_Item]) -> list[_Block]:
    """Return a list for each run of items whose numbers follow one another; without numbers, they are one.

    Empty items without a number are left out. Markers that Markdown does not have are words: letters, Chinese
    and negative numbers.
    """
    lists: list[_Block] = []
    for marker, blocks in items:
        if isinstance(marker, int) and marker >= 0:
            lines = _indented(f"{marker}. ", _joined(blocks, is_tight=True) or [""])
            last = marker
        else:
            lines = _unnumbered(markdown_text.marker_words(marker), blocks)
            last = None
        if not lines:
            continue
        if lists and lists[-1].last == (None if last is None else last - 1):
            lists[-1] = replace(lists[-1], last=last)
            lists[-1].lines.extend(lines)
        else:
            lists.append(_Block(lines, is_list=True, first=last, last=last))
    return lists


def _unnumbered(marker: str, blocks: list[_Block]) -> list[str]:
    """Return the lines of an item with a bullet, and the words of its marker before a text or above it."""
    if not blocks:
        return []
    if marker and blocks[0].is_text:
        first = replace(blocks[0], lines=[f"{marker}{blocks[0].lines[0]}", *blocks[0].lines[1:]])
        blocks = [first, *blocks[1:]]
    elif marker:
        blocks = [_Block([marker.rstrip()], is_text=True), *blocks]
    return _indented("- ", _joined(blocks, is_tight=True))


def _indented(mark: str, lines: list[str]) -> list[str]:
    """Return the lines of an item behind its mark."""
    first = f"{mark}{lines[0]}".rstrip() if not lines[0] else f"{mark}{lines[0]}"
    return [first, *(f"{' ' * len(mark)}{line}" if line else "" for line in lines[1:])]


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _table_parts(tag: Tag, names: Iterable[str]) -> Iterator[Tag]:
    """Yield the rows of a table or the cells of a row, whatever groups them."""
    for child in tag.contents:
        if isinstance(child, Tag):
            if child.name in names:
                yield child
            elif child.name not in _CELLS:
                yield from _table_parts(child, names)


def _is_code(tag: Tag) -> bool:
    """Return whether an element shows code only by its style."""
    style = str(tag.get("style", ""))
    is_styled = _KEPT_SPACE.search(style) and _MONOSPACE.search(style)
    return bool(is_styled) and tag.find(["table", "ul", "ol", "img", "pre"]) is None


def _name_raised(body: Tag) -> None:
    """Rename elements that only their style raises or lowers to `sup` and `sub`."""
    for tag in body.find_all("span", style=_RAISED):
        if (style := _RAISED.search(str(tag["style"]))) and not is_formula(tag):
            tag.name = "sup" if style[1].lower() == "super" else "sub"


def _break_lines(body: Tag) -> None:
    """Replace line feeds that an element's style lets readers see by `br` elements."""
    pending = [(body, False)]
    while pending:
        tag, is_kept = pending.pop()
        if tag.name == "pre" or _is_code(tag):
            continue
        if space := _SPACE.search(str(tag.get("style", ""))):
            is_kept = space[1].lower() in ("pre", "pre-wrap", "pre-line", "break-spaces")
        for child in list(tag.contents):
            if isinstance(child, Tag):
                pending.append((child, is_kept))
            elif is_kept and "\n" in str(child) and not isinstance(child, Comment):
                first, *lines = str(child).split("\n")
                child.replace_with(first, *(part for line in lines for part in (new_element("br"), line)))


def _data_tables(body: Tag) -> set[int]:
    """Return the id() of tables with several cells; others are only layout.

    Of tables around tables, only those with several columns in several rows are no layout.
    """
    cells: dict[int, Counter[int]] = {}  # of each table, by row
    outer: set[int] = set()
    pending: list[tuple[Tag, int, int]] = [(body, 0, 0)]
    while pending:
        tag, table, row = pending.pop()
        if tag.name in _CELLS:
            cells.setdefault(table, Counter())[row] += 1
        if tag.name == "table":
            outer.add(table)
            table = id(tag)
        row = id(tag) if tag.name == "tr" else row
        pending += [(child, table, row) for child in tag.contents if isinstance(child, Tag)]
    found = {table for table, rows in cells.items() if rows.total() > 1 and table not in outer}
    grids = {table for table, rows in cells.items() if sum(count > 1 for count in rows.values()) > 1}
    return (found | grids) - {0}
