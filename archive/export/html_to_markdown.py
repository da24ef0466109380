"""A safe body's HTML as Markdown (CommonMark with tables): clean paragraphs, every word, nothing stray.

The body is gone over once, so that time grows with its length alone. Lists and quotations repeat their mark
in every line they hold: those deeper than MAX_QUOTED are written as if they lay less deep.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from bs4 import Tag
from bs4.element import Comment, NavigableString, PageElement

from archive.export import markdown_text
from archive.rendering.cards import holders, read_html

MAX_COLUMNS = 50  # cells that one cell may span; a colspan may claim a thousand

MAX_QUOTED = 12  # lists and quotations within each other; posts have three

_CELLS = frozenset({"td", "th"})

_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})

_BLOCKS = frozenset({
    "div", "p", *_HEADINGS, "ul", "ol", "li", "table", "thead", "tbody", "tfoot", "tr", *_CELLS, "caption",
    "blockquote", "pre", "hr", "colgroup", "col", "section", "article", "header", "footer", "main", "nav",
    "aside", "address", "center", "figure", "figcaption", "dl", "dt", "dd",
})  # fmt: skip

_MARKS = {
    **dict.fromkeys(["b", "strong"], markdown_text.BOLD),
    **dict.fromkeys(["s", "del", "strike"], markdown_text.STRUCK),
    **dict.fromkeys(["i", "em"], markdown_text.SLANTED),
}


def to_markdown(safe_html: str) -> str:
    """The Markdown of safe HTML, without a newline at its end."""
    body = read_html(safe_html).body
    return "\n".join(_joined(_Writer(body).blocks(body, 0))) if body else ""


@dataclass(frozen=True)
class _Block:
    """A paragraph, list, table and the like; the lines of a list may follow those before it at once."""

    lines: list[str]
    is_list: bool = False


@dataclass(frozen=True)
class _Around:
    """What words stand in."""

    in_cell: bool = False
    in_line: bool = False  # of a heading or a cell, which has only one
    marks: frozenset[str] = field(default_factory=frozenset)


_PLAIN = _Around()


class _Writer:
    """Writes the elements of one body."""

    def __init__(self, body: Tag) -> None:
        self._holding = holders(body.find_all(list(_BLOCKS)))
        self._tables = _real_tables(body)

    def blocks(self, container: Tag, quoted: int) -> list[_Block]:
        """What a container holds, as blocks."""
        found: list[_Block] = []
        run: list[str] = []
        self._collect(container, quoted, found, run)
        _end_paragraph(run, found)
        return found

    def _collect(self, container: Tag, quoted: int, found: list[_Block], run: list[str]) -> None:
        for child in container.contents:
            if not isinstance(child, Tag) or (child.name not in _BLOCKS and id(child) not in self._holding):
                run.append(self._inline(child, _PLAIN))
            elif child.name not in _BLOCKS:  # words marked as a whole with blocks among them
                self._collect(child, quoted, found, run)
            else:
                _end_paragraph(run, found)
                found += self._block(child, quoted)

    def _block(self, tag: Tag, quoted: int) -> list[_Block]:  # noqa: PLR0911 - a kind of block each
        if tag.name in _HEADINGS:
            words = self._words(tag, _Around(in_line=True)).strip()
            return [_Block([markdown_text.heading(words, int(tag.name[1]))])] if words else []
        if tag.name == "hr":
            return [_Block(["---"])]
        if tag.name == "pre":
            return self._code(tag)
        if tag.name == "table" and id(tag) in self._tables:
            return self._table(tag)
        if quoted < MAX_QUOTED and tag.name in ("ul", "ol"):
            return self._list(tag, quoted + 1)
        if quoted < MAX_QUOTED and tag.name == "blockquote":
            lines = _joined(self.blocks(tag, quoted + 1))
            return [_Block([f"> {line}" if line else ">" for line in lines])] if lines else []
        return self.blocks(tag, quoted)

    def _list(self, tag: Tag, quoted: int) -> list[_Block]:
        items: list[list[_Block]] = []
        for child in tag.contents:
            if isinstance(child, Tag) and child.name == "li":
                items.append(self.blocks(child, quoted))
            elif isinstance(child, Tag) and (child.name in _BLOCKS or id(child) in self._holding):
                held = self._block(child, quoted) if child.name in _BLOCKS else self.blocks(child, quoted)
                items[-1:] = [[*(items[-1] if items else []), *held]]
            elif words := self._inline(child, _PLAIN).strip():
                items.append([_Block(lines) for lines in markdown_text.paragraphs(words)])
        number = _number(tag.get("start"), 10**8) if tag.name == "ol" else None
        lines: list[str] = []
        for place, blocks in enumerate(filter(None, items)):
            mark = "- " if tag.name == "ul" else f"{(1 if number is None else number) + place}. "
            lines += _hung(mark, _joined(blocks, is_tight=True))
        return [_Block(lines, is_list=True)] if lines else []

    def _table(self, table: Tag) -> list[_Block]:
        captions = [self._words(one, _Around(in_line=True)) for one in _parts(table, {"caption"})]
        blocks = [_Block(lines) for words in captions for lines in markdown_text.paragraphs(words.strip())]
        rows = [[cell for one in _parts(row, _CELLS) for cell in self._cells(one)]
                for row in _parts(table, {"tr"})]  # fmt: skip
        rows = [row for row in rows if row]
        if not any(cell for row in rows for cell in row):
            return blocks
        columns = max(map(len, rows))
        head = rows[0] + [""] * (columns - len(rows[0]))
        lines = [_row(head), _row(["---"] * columns), *map(_row, rows[1:])]
        return [*blocks, _Block(lines)]

    def _cells(self, cell: Tag) -> list[str]:
        words = markdown_text.in_one_line(self._words(cell, _Around(in_cell=True, in_line=True)))
        span = min(_number(cell.get("colspan"), 10**4) or 1, MAX_COLUMNS)
        return [words, *[""] * (span - 1)]

    def _code(self, pre: Tag) -> list[_Block]:
        lines = markdown_text.code_block("".join(_code_words(pre)))
        images = [self._inline(one, _PLAIN) for one in pre.find_all("img")]
        return [
            _Block(lines) for lines in (lines, *([markdown_text.finished(one)] for one in images)) if lines
        ]

    def _words(self, tag: Tag, around: _Around) -> str:
        return "".join(self._inline(child, around) for child in tag.contents)

    def _inline(self, node: PageElement, around: _Around) -> str:  # noqa: PLR0911 - a kind of node each
        """Words with their marks; a line break is a line feed."""
        if not isinstance(node, Tag):
            is_said = isinstance(node, NavigableString) and not isinstance(node, Comment)
            return markdown_text.words_escaped(str(node), in_cell=around.in_cell) if is_said else ""
        if node.name == "br":
            return " " if around.in_line else "\n"
        if node.name == "img":
            return markdown_text.image(str(node.get("alt") or ""), str(node.get("src") or ""))
        if node.name in ("code", "pre") and node.find("img") is None:
            return markdown_text.code_span("".join(_code_words(node)), in_cell=around.in_cell)
        if node.name == "a":
            return markdown_text.link(self._words(node, around), str(node.get("href") or "")) or ""
        if node.name in _MARKS:
            return self._marked(node, around)
        words = self._words(node, around)
        return f" {words} " if node.name in _BLOCKS else words

    def _marked(self, tag: Tag, around: _Around) -> str:
        mark, inner = _MARKS[tag.name], _only_element(tag)
        if (
            mark != markdown_text.SLANTED
            and inner is not None
            and _MARKS.get(inner.name) == markdown_text.SLANTED
        ):
            tag.name, inner.name = inner.name, tag.name  # slanted words hold bold ones, not the other way
            return self._marked(tag, around)
        if mark in around.marks:
            return self._words(tag, around)
        words = self._words(tag, replace(around, marks=around.marks | {mark}))
        if not words.strip():
            return words
        return (
            markdown_text.slanted(words)
            if mark == markdown_text.SLANTED
            else markdown_text.marked(words, mark)
        )


def _end_paragraph(run: list[str], found: list[_Block]) -> None:
    found += [_Block(lines) for lines in markdown_text.paragraphs("".join(run))]
    run.clear()


def _joined(blocks: Iterable[_Block], *, is_tight: bool = False) -> list[str]:
    """The lines of blocks, an empty one between them; in an item a list follows its words at once."""
    lines: list[str] = []
    for block in blocks:
        lines += ["", *block.lines] if lines and not (is_tight and block.is_list) else block.lines
    return lines


def _hung(mark: str, lines: list[str]) -> list[str]:
    return [f"{mark}{lines[0]}", *(f"{' ' * len(mark)}{line}" if line else "" for line in lines[1:])]


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _number(written: object, below: int) -> int | None:
    text = str(written or "")
    known = text.isascii() and text.isdigit() and len(text) < 10
    return int(text) if known and int(text) < below else None


def _only_element(tag: Tag) -> Tag | None:
    """The element that holds all words of another."""
    said = [child for child in tag.contents if isinstance(child, Tag) or str(child).strip()]
    return said[0] if len(said) == 1 and isinstance(said[0], Tag) else None


def _parts(tag: Tag, names: Iterable[str]) -> Iterator[Tag]:
    """The rows of a table or the cells of a row, in whatever they are grouped."""
    for child in tag.contents:
        if isinstance(child, Tag):
            if child.name in names:
                yield child
            elif child.name not in _CELLS:
                yield from _parts(child, names)


def _code_words(code: Tag) -> Iterator[str]:
    for child in code.contents:
        if isinstance(child, Tag):
            yield "\n" if child.name == "br" else "".join(_code_words(child))
            if child.name == "code" and code.name == "pre":  # of a block, each line is one
                yield "\n"
        elif not isinstance(child, Comment):
            yield str(child)


def _real_tables(body: Tag) -> set[int]:
    """The tables of more than a cell and without another in them: the others only arrange."""
    cells: Counter[int] = Counter()
    outer: set[int] = set()
    waiting: list[tuple[Tag, int]] = [(body, 0)]
    while waiting:
        tag, table = waiting.pop()
        if tag.name in _CELLS:
            cells[table] += 1
        if tag.name == "table":
            outer.add(table)
            table = id(tag)
        waiting += [(child, table) for child in tag.contents if isinstance(child, Tag)]
    return {table for table, count in cells.items() if count > 1} - outer - {0}
