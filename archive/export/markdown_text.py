"""Write text as Markdown: what is escaped where, and where formatting marks are put.

Readers of Markdown differ in what they take for HTML, and some ignore a backslash before `<`. So no `<` of a
post is ever written: in text it is an entity, and code with one is written as a `code` element in which every
character that has a meaning in Markdown is an entity.
"""

import re
from urllib.parse import urlsplit

# Elements of formatting, each as a placeholder until a line is finished, so that it differs from the text.
BOLD, STRUCK, ITALIC, SUP, SUB, INSERTED, HIGHLIGHTED = "strong", "del", "em", "sup", "sub", "ins", "mark"

_OPEN = dict(zip((BOLD, STRUCK, ITALIC, SUP, SUB, INSERTED, HIGHLIGHTED), "\1\2\3\4\5\6\7", strict=True))

_CLOSE = dict(zip(_OPEN, "\x0e\x0f\x10\x11\x12\x13\x14", strict=True))

_HOLDS_SIGNS = re.compile(r"\]\(|[`<]")  # a link, an image, code or another element

_CODE, _CODE_END = "\x16", "\x17"  # around code within a line

LINE_BREAK = "\x15"  # in a cell of a table; elsewhere a line feed

_NAMES = {char: name for chars in (_OPEN, _CLOSE) for name, char in chars.items()}

_SIGNS = {BOLD: "**", STRUCK: "~~"}  # of those that have other marks than an element

_SIGNED_BEFORE, _SIGNED_AFTER = ({chars[name] for name in _SIGNS} for chars in (_CLOSE, _OPEN))

_CONTROL = dict.fromkeys([*range(9), *range(14, 32), 127])  # no text; among them the placeholders

_LINK_SCHEMES = frozenset({"http", "https", "mailto", "tel"})

_SPECIAL = re.compile(r"[\\`*_\[\]{]")

_ENTITY = re.compile(r"&(?=#?\w{1,40};)")

_LINE_START = re.compile(r"([-+>](?=\s|$)|#{1,6}(?=\s|$)|=+\s*$|-(?:[ \t]*-)+\s*$|>|~{3,}|\||:(?=\s))")

_NUMBERED = re.compile(r"(\d{1,9})([.)])(?=\s|$)")

_BLANK = re.compile(r"[\s\u200b\ufeff]*")

_LINE_END = re.compile(f"([\n{LINE_BREAK}])")

_SEAM = re.compile(
    rf"(?<=\w)(?:{_CLOSE[BOLD]}{_OPEN[BOLD]}|{_CLOSE[STRUCK]}{_OPEN[STRUCK]}"
    rf"|{_CLOSE[BOLD]}{_CLOSE[ITALIC]}{_OPEN[ITALIC]}{_OPEN[BOLD]})(?=\w)"
)  # between two adjacent bold texts

_TOKEN = re.compile(r"\\.|&(?:lt|amp);|\w+|.", re.S)

_ACTIVE_IN_CODE = re.compile(r"<|\][(\[:]")  # in readers that do not know this kind of code

_ACTIVE_IN_TEX = re.compile(
    r"[`$]|\][(\[:]|~~|&#?\w{1,40};|\\(?:href|url|include\w*|html\w*|require|class|style|cssId|def|input)\b"
)

_AMBIGUOUS_IN_TEX = re.compile(r"\*|(?<![A-Za-z0-9])_|\{:")  # could begin italic words

_CODE_SPECIAL = re.compile(r"[^\w\s,;/'\"()]|^[\d \t]+|[\r\n](?=\s*[\r\n])", re.M)

_SPECIAL_IN_HTML = re.compile(r"[&<>\"`*_\[\]{}\\~|!$#]")

_NOT_IN_TARGET = re.compile(r"[\s<>\"'`\\{}|\[\]\x00-\x1f\x7f]")

# Showdown ends an image at a ">" in its words: what follows would be read as attributes.
_IN_ALT = re.compile(r"[`\\*_\[\]<>{]")


def escape_text(text: str, *, in_cell: bool) -> str:
    """Escape a text of a post, with white space as a browser shows it."""
    shown = re.sub(r"[ \t\r\n\f]+", " ", text).translate(_CONTROL)
    escaped = _ENTITY.sub("&amp;", _SPECIAL.sub(r"\\\g<0>", shown))
    escaped = escaped.replace("<", "&lt;").replace("~~", r"\~\~")
    return escaped.replace("|", r"\|") if in_cell else escaped


def marked(text: str, mark: str) -> str:
    """Put a formatting element around a text, in each of its lines."""
    lines = _LINE_END.split(text)
    return "".join(line if _LINE_END.fullmatch(line) else _marked_line(line, mark) for line in lines)


def _enclosed_line(line: str, mark: str) -> str:
    """Put a line in an element: a single star would be ambiguous beside those of bold text."""
    inner = line.strip()
    if not inner:
        return line
    before, _, after = line.partition(inner)
    return f"{before}{_OPEN[mark]}{inner}{_CLOSE[mark]}{after}"


def _marked_line(line: str, mark: str) -> str:
    """Put a line between two marks, without the punctuation at its edges.

    Beside a letter, punctuation would keep readers from recognizing the marks. Marks that are in the line
    already stay within, except one pair around all of its words.
    """
    if mark not in _SIGNS or _HOLDS_SIGNS.search(line):
        return _enclosed_line(line, mark)
    words = [found.span() for found in _TOKEN.finditer(line) if found[0][0].isalnum() or found[0][0] == "_"]
    if not words:
        return line
    start, end = words[0][0], words[-1][1]
    marks = [position for position, char in enumerate(line) if char in _NAMES]
    if marks and not (len(marks) == 2 and marks[0] < start and marks[1] >= end):
        start, end = min(start, marks[0]), max(end, marks[-1] + 1)
    return f"{line[:start]}{_OPEN[mark]}{line[start:end]}{_CLOSE[mark]}{line[end:]}"


def paragraphs(text: str) -> list[list[str]]:
    """Return the lines of each paragraph; blank lines separate paragraphs."""
    found: list[list[str]] = [[]]
    for line in text.split("\n"):
        if _BLANK.fullmatch(line):
            found.append([])
        else:
            found[-1].append(finished(escape_start(line.strip())))
    return [[*(f"{line}  " for line in lines[:-1]), lines[-1]] for lines in found if lines]


def in_one_line(text: str) -> str:
    """Return a text that must be in one line."""
    return finished(" ".join(text.split()))


def cell(text: str) -> str:
    """Return the text of a cell: lines are separated by elements, as a cell must be in one line."""
    lines = (" ".join(line.split()) for line in text.split(LINE_BREAK))
    return finished(LINE_BREAK.join(line for line in lines if line)).replace(LINE_BREAK, "<br>")


def heading(text: str, level: int) -> str:
    """Return a heading; a number sign at its end, which would be taken for a mark, is escaped."""
    line = in_one_line(text)
    return f"{'#' * level} {line[:-1]}\\#" if line.endswith("#") else f"{'#' * level} {line}"


def finished(line: str) -> str:
    """Return a line with marks instead of their placeholders.

    Bold and struck text have signs where all readers recognize them: where the text within begins and ends
    with a letter, and no other mark is beside. Elsewhere they are elements.
    """
    line = _SEAM.sub("", line).replace(f"{_CODE_END}{_CODE}", "<!-- -->")  # or the signs would be one
    line = f" {line.replace(_CODE, '').replace(_CODE_END, '')} "
    parts = list(line)
    opened: list[int] = []
    for position, char in enumerate(line):
        if char in _OPEN.values():
            opened.append(position)
        elif char in _NAMES:
            start = opened.pop()
            parts[start], parts[position] = _written(line, start, position)
    return "".join(parts)[1:-1]


def _written(line: str, start: int, end: int) -> tuple[str, str]:
    """Return what begins and ends the formatting between two placeholders of a line."""
    name, around, within = (
        _NAMES[line[start]],
        line[start - 1] + line[end + 1],
        line[start + 1] + line[end - 1],
    )
    if _is_both(line, start, end):
        return "*", "*"
    if name in _SIGNS and _HOLDS_SIGNS.search(line, start, end):
        is_apart = around.isspace()  # punctuation within is recognized only there
        return (_SIGNS[name], _SIGNS[name]) if is_apart else (f"<{name}>", f"</{name}>")
    if name in _SIGNS and not any(char in _NAMES for char in within):
        is_both = around == _OPEN[ITALIC] + _CLOSE[ITALIC] and _is_both(line, start - 1, end + 1)
        if is_both or not (around[0] in _SIGNED_BEFORE or around[1] in _SIGNED_AFTER):
            return _SIGNS[name], _SIGNS[name]
    return f"<{name}>", f"</{name}>"


def _is_both(line: str, start: int, end: int) -> bool:
    """Return whether an italic text is bold as a whole, with no other mark beside or directly within."""
    if line[start] != _OPEN[ITALIC] or line[start + 1] + line[end - 1] != _OPEN[BOLD] + _CLOSE[BOLD]:
        return False
    return not any(line[at] in _NAMES for at in (start - 1, end + 1, start + 2, end - 2))


def escape_start(line: str) -> str:
    """Escape the start of a line that would begin a heading, list, table or quotation."""
    escaped = _LINE_START.sub(r"\\\1", line, count=1) if _LINE_START.match(line) else line
    return _NUMBERED.sub(r"\1\\\2", escaped, count=1) if _NUMBERED.match(escaped) else escaped


def marker_words(marker: int | str | None) -> str:
    """Return the marker of a list's item as words before its text; "" where there is none."""
    if marker is None:
        return ""
    words = f"{marker}." if isinstance(marker, int) else marker
    return f"{words.removesuffix('.')}\\. " if words.endswith(".") else words


def code_span(text: str, *, in_cell: bool) -> str:
    """Return code within a line."""
    code = " ".join(text.translate(_CONTROL).split())
    if not code:
        return ""
    before, after = (" " if char.isspace() else "" for char in (text[0], text[-1]))
    if _ACTIVE_IN_CODE.search(code) or (in_cell and "|" in code):
        return f"{before}<code>{as_entities(code)}</code>{after}"
    ticks = "`" * (_longest_ticks(code) + 1)
    code = f" {code} " if "`" in code else code
    return f"{before}{_CODE}{ticks}{code}{ticks}{_CODE_END}{after}"


def formula(tex: str, *, is_block: bool, in_cell: bool) -> str:
    """Return a formula between dollar signs; as code where some readers could take it for more."""
    written = " ".join(tex.translate(_CONTROL).split()).replace("<", r"\lt ")
    if _ACTIVE_IN_TEX.search(written) or (_AMBIGUOUS_IN_TEX.search(written) and "=" in written):
        return code_span(tex, in_cell=in_cell)
    written = written.replace("|", r"\|") if in_cell else written
    return f"\n\n$${written}$$\n\n" if is_block else f"${written}$"


def code_block(text: str, language: str = "") -> list[str]:
    """Return the lines of a block of code, none for an empty one; its spaces are plain ones."""
    code = text.replace("\xa0", " ").translate(_CONTROL).replace("\r\n", "\n").replace("\r", "\n").strip("\n")
    if not code.strip():
        return []
    if _ACTIVE_IN_CODE.search(code):
        return f"<pre><code>{as_entities(code)}</code></pre>".split("\n")
    fence = "`" * max(3, _longest_ticks(code) + 1)
    return [fence + language, *code.split("\n"), fence]


def _longest_ticks(code: str) -> int:
    return max(map(len, re.findall(r"`+", code)), default=0)


def as_entities(code: str) -> str:
    """Return code in which blank lines and all characters with a meaning in Markdown are entities."""
    return _CODE_SPECIAL.sub(lambda found: "".join(_entity(char) for char in found[0]), code)


def _entity(char: str) -> str:
    return {"<": "&lt;", ">": "&gt;", "&": "&amp;"}.get(char, f"&#{ord(char)};")


def in_html(text: str) -> str:
    """Return a text for an element or attribute of HTML within Markdown, with white space as it is shown."""
    shown = re.sub(r"[ \t\r\n\f]+", " ", text).translate(_CONTROL)
    return _SPECIAL_IN_HTML.sub(lambda found: _entity(found[0]), shown)


def link(text: str, address: str) -> str:
    """Return a link; only its text where the address cannot be followed, or the text has a link."""
    shown = " ".join(text.split())
    if not shown or "](" in shown.replace("![", "") or not _is_link(address):
        return text
    before, after = (" " if char.isspace() else "" for char in (text[0], text[-1]))
    return f"{before}[{shown}]({_destination(address)}){after}"


def image(text: str, address: str) -> str:
    """Return an image on the web or beside the post; only its text where it is neither."""
    alt = _IN_ALT.sub(" ", " ".join(text.translate(_CONTROL).split()))
    alt = _ENTITY.sub("&amp;", alt)
    is_beside = re.fullmatch(r"[\w./-]+", address) is not None
    return f"![{alt}]({_destination(address)})" if is_beside or _is_link(address) else alt


def image_element(text: str, address: str) -> str:
    """Return an image as HTML; only its text where the address is neither on the web nor beside the post."""
    source = target(address) or (address if re.fullmatch(r"[\w./-]+", address) else "")
    return f'<img src="{source}" alt="{in_html(text)}">' if source else in_html(text)


def target(address: str) -> str:
    """Return an address as an attribute's value, "" for one that cannot be followed."""
    return _NOT_IN_TARGET.sub(_encoded, address).replace("&", "&amp;") if _is_link(address) else ""


def _is_link(address: str) -> bool:
    try:
        return urlsplit(address).scheme in _LINK_SCHEMES
    except ValueError:
        return False


def _destination(address: str) -> str:
    """Return an address as a link's target, in angle brackets where it would end early."""
    clean = _NOT_IN_TARGET.sub(_encoded, address)
    if not _is_balanced(clean):
        clean = clean.replace("(", "%28").replace(")", "%29")
    clean = _ENTITY.sub("&amp;", clean)
    return f"<{clean}>" if re.search(r"[()*_]", clean) else clean


def _is_balanced(address: str) -> bool:
    """Return whether the parentheses match: where not, readers differ in where a target ends."""
    depth = 0
    for char in address:
        depth += (char == "(") - (char == ")")
        if depth < 0:
            return False
    return depth == 0


def _encoded(found: re.Match[str]) -> str:
    return f"%{ord(found[0]):02X}" if ord(found[0]) < 128 else ""
