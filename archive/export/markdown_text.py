"""Write text as Markdown: what is escaped where, and where formatting marks are put.

Readers of Markdown differ in what they take for HTML, and some ignore a backslash before `<`. So no `<` of a
post is ever written: in text it is an entity, and code with one is written as a `code` element in which every
character that has a meaning in Markdown is an entity.
"""

import re
from urllib.parse import urlsplit

# Placeholders for marks until a line is finished, so that they differ from the text of the post.
BOLD, STRUCK, ITALIC, END_ITALIC = "\x01", "\x02", "\x03", "\x04"

_MARKS = {BOLD: "**", STRUCK: "~~", ITALIC: "<em>", END_ITALIC: "</em>"}

_CONTROL = dict.fromkeys([*range(9), *range(14, 32), 127])  # no text; among them the placeholders

_LINK_SCHEMES = frozenset({"http", "https", "mailto", "tel"})

_SPECIAL = re.compile(r"[\\`*_\[\]{]")

_ENTITY = re.compile(r"&(?=#?\w{1,40};)")

_LINE_START = re.compile(r"([-+>](?=\s|$)|#{1,6}(?=\s|$)|=+\s*$|-{2,}\s*$|>|~{3,}|\||:(?=\s))")

_NUMBERED = re.compile(r"(\d{1,9})([.)])(?=\s|$)")

_BLANK = re.compile(r"[\s\u200b\ufeff]*")

_SEAM = re.compile(rf"(?<=\w)(?:{BOLD}{{2}}|{STRUCK}{{2}})(?=\w)")  # between two adjacent bold texts

_TOKEN = re.compile(r"\\.|&(?:lt|amp);|\w+|.", re.S)

_ACTIVE_IN_CODE = re.compile(r"<|\][(\[:]")  # in readers that do not know this kind of code

_CODE_SPECIAL = re.compile(r"[^\w\s,;/'\"()]|^[\d \t]+|[\r\n](?=\s*[\r\n])", re.M)

_NOT_IN_TARGET = re.compile(r"[\s<>\"'`\\{}|\[\]\x00-\x1f\x7f]")

_IN_ALT = re.compile(r"[`\\*_\[\]<{]")


def escape_text(text: str, *, in_cell: bool) -> str:
    """Escape a text of a post, with white space as a browser shows it."""
    shown = re.sub(r"[ \t\r\n\f]+", " ", text).translate(_CONTROL)
    escaped = _ENTITY.sub("&amp;", _SPECIAL.sub(r"\\\g<0>", shown))
    escaped = escaped.replace("<", "&lt;").replace("~~", r"\~\~")
    return escaped.replace("|", r"\|") if in_cell else escaped


def marked(text: str, mark: str) -> str:
    """Put a text between two marks, in each of its lines."""
    return "\n".join(_marked_line(line, mark) for line in text.split("\n"))


def _marked_line(line: str, mark: str) -> str:
    """Put a line between two marks, without the punctuation at its edges.

    Beside a letter, punctuation would keep readers from recognizing the marks. A line in which they would
    overlap others stays as it is.
    """
    if "](" in line or "`" in line:
        return line
    words = [found.span() for found in _TOKEN.finditer(line) if found[0][0].isalnum() or found[0][0] == "_"]
    if not words:
        return line
    start, end = words[0][0], words[-1][1]
    outside = [char for char in line[:start] + line[end:] if char in _MARKS]
    if outside and (len(outside) != 2 or any(char in _MARKS for char in line[start:end])):
        return line
    return f"{line[:start]}{mark}{line[start:end]}{mark}{line[end:]}"


def italic(text: str) -> str:
    """Put a text between em tags: single stars are ambiguous beside those of bold text."""
    lines = text.strip().split("\n")
    return "\n".join(f"{ITALIC}{line.strip()}{END_ITALIC}" if line.strip() else line for line in lines)


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


def heading(text: str, level: int) -> str:
    """Return a heading; a number sign at its end, which would be taken for a mark, is escaped."""
    line = in_one_line(text)
    return f"{'#' * level} {line[:-1]}\\#" if line.endswith("#") else f"{'#' * level} {line}"


def finished(line: str) -> str:
    """Return a line with marks instead of their placeholders."""
    line = _SEAM.sub("", line)
    for placeholder, mark in _MARKS.items():
        line = line.replace(placeholder, mark)
    return line


def escape_start(line: str) -> str:
    """Escape the start of a line that would begin a heading, list, table or quotation."""
    escaped = _LINE_START.sub(r"\\\1", line, count=1) if _LINE_START.match(line) else line
    return _NUMBERED.sub(r"\1\\\2", escaped, count=1) if _NUMBERED.match(escaped) else escaped


def code_span(text: str, *, in_cell: bool) -> str:
    """Return code within a line."""
    code = " ".join(text.translate(_CONTROL).split())
    if not code:
        return ""
    if _ACTIVE_IN_CODE.search(code) or (in_cell and "|" in code):
        return f"<code>{_as_entities(code)}</code>"
    ticks = "`" * (_longest_ticks(code) + 1)
    return f"{ticks} {code} {ticks}" if "`" in code else f"{ticks}{code}{ticks}"


def code_block(text: str) -> list[str]:
    """Return the lines of a block of code, none for an empty one."""
    code = text.translate(_CONTROL).replace("\r\n", "\n").replace("\r", "\n").strip("\n")
    if not code.strip():
        return []
    if _ACTIVE_IN_CODE.search(code):
        return f"<pre><code>{_as_entities(code)}</code></pre>".split("\n")
    fence = "`" * max(3, _longest_ticks(code) + 1)
    return [fence, *code.split("\n"), fence]


def _longest_ticks(code: str) -> int:
    return max(map(len, re.findall(r"`+", code)), default=0)


def _as_entities(code: str) -> str:
    """Return code in which blank lines and all characters with a meaning in Markdown are entities."""
    return _CODE_SPECIAL.sub(lambda found: "".join(_entity(char) for char in found[0]), code)


def _entity(char: str) -> str:
    entity = f"&#{ord(char)};"
    return f"{entity}\n" if char == "\n" else {"<": "&lt;", ">": "&gt;", "&": "&amp;"}.get(char, entity)


def link(text: str, address: str) -> str:
    """Return a link; only its text where the address cannot be followed, or the text has a link."""
    shown = " ".join(text.split())
    if not shown or "](" in shown.replace("![", "") or not _is_link(address):
        return text
    return f"[{shown}]({_destination(address)})"


def image(text: str, address: str) -> str:
    """Return an image on the web or beside the post; only its text where it is neither."""
    alt = _IN_ALT.sub(" ", " ".join(text.translate(_CONTROL).split()))
    alt = _ENTITY.sub("&amp;", alt)
    is_beside = re.fullmatch(r"[\w./-]+", address) is not None
    return f"![{alt}]({_destination(address)})" if is_beside or _is_link(address) else alt


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
