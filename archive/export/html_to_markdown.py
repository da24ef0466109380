"""A safe body's HTML as Markdown (CommonMark with tables): clean paragraphs, every word, nothing stray."""

import re
from collections.abc import Iterable

from bs4 import BeautifulSoup, Tag
from bs4.element import NavigableString, PageElement
from markdownify import ATX, MarkdownConverter

from archive.rendering.cards import element

MOST_COLUMNS = 50  # cells of a row; a colspan may claim a thousand

_BLOCKS = frozenset({
    "div", "p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "table", "thead", "tbody", "tfoot",
    "tr", "td", "th", "caption", "blockquote", "pre", "hr", "colgroup", "col",
})  # fmt: skip

_AS_DIV = ["section", "article", "header", "footer", "main", "nav", "aside", "address", "center", "figure",
           "figcaption", "dl", "dt", "dd"]  # fmt: skip

_AS_SPAN = ["font", "big", "small", "u", "ins", "mark", "time", "abbr", "dfn", "cite", "var", "tt", "bdi",
            "bdo", "q", "kbd", "samp", "ruby", "rb", "rtc", "rp", "rt", "sub", "sup"]  # fmt: skip

_CONTAINERS = frozenset({"div", "blockquote", "body"})

_INLINE_CODE = re.compile(r"[`\\*_\[\]<]")

_ENTITY = re.compile(r"&(?=#?\w{1,40};)")

_LINE_START = re.compile(r"(\s*)([-+>](?=\s|$)|#{1,6}(?=\s|$)|=+\s*$|-{2,}\s*$|>|~{3,}|\|)")

_NUMBERED = re.compile(r"(\s*\d{1,9})([.)])(?=\s|$)")

_BLANK = re.compile(r"[\s\u200b\ufeff]*")

_SEAM = re.compile(r"(?<=\w)(?:\*{4}|~{4})(?=\w)")  # the end of bold words and the beginning of the next

# what stands at the edges of bold words would keep the stars from being read as such beside a letter
_EDGES = re.compile(r"((?:\\.|[^\w\\])*+)(.*?)((?:\\.|[^\w\\])*)", re.S)


def to_markdown(safe_html: str) -> str:
    """The Markdown of safe HTML, without a newline at its end."""
    soup = BeautifulSoup(safe_html, "lxml")
    body = soup.body
    if body is None:
        return ""
    _simplify(body)
    _wrap_lines(body)
    converter = _Converter(heading_style=ATX, bullets="-", table_infer_header=True)
    return str(converter.convert_soup(body)).strip()


def _simplify(body: Tag) -> None:
    """Fewer kinds of elements, none inline around a block, white space as a browser shows it."""
    for tag in body.find_all(_AS_DIV):
        tag.name = "div"
    for tag in body.find_all("table"):
        if len(tag.find_all(["td", "th"])) == 1 or tag.find("table") is not None:
            _as_layout(tag)
    for tag in reversed(body.find_all(lambda tag: tag.name not in _BLOCKS and _holds_block(tag))):
        tag.unwrap()
    for tag in body.find_all([*_AS_SPAN, "span"]):
        tag.unwrap()
    for line in body.select("pre > code"):
        line.append("\n")
        line.unwrap()
    body.smooth()
    for text in body.find_all(string=re.compile(r"\s")):
        if text.find_parent("pre") is None:
            text.replace_with(NavigableString(re.sub(r"[ \t\r\n\f]+", " ", text)))


def _holds_block(tag: Tag) -> bool:
    return tag.find(list(_BLOCKS)) is not None


def _as_layout(table: Tag) -> None:
    """A table of one cell, or around another, only arranges: its cells follow each other."""
    for part in table.find_all(["tbody", "thead", "tfoot", "tr", "td", "th", "caption"]):
        if part.find_parent("table") is table:
            part.name = "div"
    table.name = "div"


def _wrap_lines(container: Tag) -> None:
    """Put what stands directly in a container of blocks into paragraphs."""
    run: list[PageElement] = []
    for child in [*container.contents, None]:
        if isinstance(child, Tag) and child.name in _BLOCKS:
            _wrap(run)
            run = []
            if child.name in _CONTAINERS or child.find(list(_CONTAINERS)) is not None:
                _wrap_lines(child)
        elif child is None:
            _wrap(run)
        else:
            run.append(child)


def _wrap(run: list[PageElement]) -> None:
    parent = run[0].parent if run else None
    if parent is None or parent.name not in _CONTAINERS:
        return
    paragraph = element("p")
    run[0].insert_before(paragraph)
    for part in run:
        paragraph.append(part.extract())


class _Converter(MarkdownConverter):
    def escape(self, text: str, parent_tags: set[str]) -> str:
        escaped = re.sub(r"([\\`*_\[\]<])", r"\\\1", text).replace("~~", r"\~\~")
        escaped = _ENTITY.sub(r"\&", escaped)
        return escaped.replace("|", r"\|") if parent_tags & {"td", "th"} else escaped

    def convert_p(self, _: Tag, text: str, parent_tags: set[str]) -> str:
        if "_inline" in parent_tags:
            return f" {text.strip()} "
        paragraphs = ["  \n".join(lines) for lines in _paragraphs(text)]
        return "\n\n" + "\n\n".join(paragraphs) + "\n\n" if paragraphs else ""

    def convert_br(self, _: Tag, text: str, parent_tags: set[str]) -> str:
        return " " if "_inline" in parent_tags else "  \n"

    def convert_blockquote(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        return str(super().convert_blockquote(el, text, parent_tags)) if text.strip() else ""  # type: ignore[misc]  # its stub has no converters

    def convert_li(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        first, newline, rest = text.strip().partition("\n")
        if not first:
            return ""
        if el.find(["p", "ul", "ol", "div"]) is None:
            first = _start_escaped(first)
        text = first + newline + rest
        return str(super().convert_li(el, text, parent_tags))  # type: ignore[misc]  # its stub has no converters

    def convert_b(self, _: Tag, text: str, parent_tags: set[str]) -> str:
        return text if "_noformat" in parent_tags else _marked(text, "**")

    def convert_i(self, _: Tag, text: str, parent_tags: set[str]) -> str:
        return text if "_noformat" in parent_tags else _slanted(text)

    def convert_s(self, _: Tag, text: str, parent_tags: set[str]) -> str:
        return text if "_noformat" in parent_tags else _marked(text, "~~")

    convert_strong, convert_em = convert_b, convert_i
    convert_del = convert_strike = convert_s

    def convert_a(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        href = str(el.get("href") or "")
        words = text.strip()
        if not href or not words or "_noformat" in parent_tags or "](" in words.replace("![", ""):
            return text
        return f"[{' '.join(words.split())}]({_destination(href)})"

    def convert_img(self, el: Tag, _: str, parent_tags: set[str]) -> str:
        words = " ".join(str(el.get("alt") or "").split())
        return f"![{re.sub(_INLINE_CODE, ' ', words)}]({_destination(str(el.get('src') or ''))})"

    def convert_pre(self, _: Tag, text: str, parent_tags: set[str]) -> str:
        longest = max(map(len, re.findall(r"`+", text)), default=0)
        fence = "`" * max(3, longest + 1)
        return f"\n\n{fence}\n{text.strip(chr(10))}\n{fence}\n\n" if text.strip() else ""

    def convert_td(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        span = str(el.get("colspan") or "")
        columns = min(MOST_COLUMNS, max(1, int(span))) if span.isascii() and span.isdigit() else 1
        return f" {' '.join(text.split())} |" + " |" * (columns - 1)

    convert_th = convert_td


def _paragraphs(text: str) -> Iterable[list[str]]:
    """The lines of a text, parted where one is blank; line breaks of the source were spaces before."""
    lines: list[str] = []
    for line in text.split("\n"):
        if _BLANK.fullmatch(line):
            if lines:
                yield lines
            lines = []
        else:
            lines.append(_start_escaped(_SEAM.sub("", line.strip())))
    if lines:
        yield lines


def _start_escaped(line: str) -> str:
    """A line that would begin a heading, list or quotation and is none."""
    escaped = _LINE_START.sub(r"\1\\\2", line, count=1) if _LINE_START.match(line) else line
    return _NUMBERED.sub(r"\1\\\2", escaped, count=1) if _NUMBERED.match(escaped) else escaped


def _marked(text: str, mark: str) -> str:
    return "\n".join(_marked_line(line, mark) for line in text.split("\n"))


def _marked_line(line: str, mark: str) -> str:
    edges = _EDGES.fullmatch(line)
    if not edges or not edges[2] or "](" in line or "`" in line or mark in line:
        return line
    return f"{edges[1]}{mark}{edges[2]}{mark}{edges[3]}"


def _slanted(text: str) -> str:
    """In tags: a single star means something else beside two of bold words."""
    lines = [f"<em>{line.strip()}</em>" if line.strip() else line for line in text.rstrip().split("\n")]
    return "  \n".join(lines)


def _destination(address: str) -> str:
    """An address as a link's target: in angle brackets where it would end early."""
    clean = re.sub(r"[\s<>]", lambda found: f"%{ord(found[0]):02X}" if ord(found[0]) < 128 else "", address)
    return f"<{clean}>" if re.search(r"[()\\*_`]", clean) else clean
