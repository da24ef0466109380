"""Words as Markdown: what is escaped where, and how marks stand around words. Pure.

Readers of Markdown differ in what they take for HTML, and some ignore a backslash before `<`. So no `<` of a
post is ever written: in words it is an entity, and code that holds one is written as an element of our own
in which everything that means something to Markdown is an entity.
"""

import re
from urllib.parse import urlsplit

# Stand for marks until a line is finished, so that marks are told from what the post says.
BOLD, STRUCK, SLANTED, UPRIGHT = "\x01", "\x02", "\x03", "\x04"

_MARKS = {BOLD: "**", STRUCK: "~~", SLANTED: "<em>", UPRIGHT: "</em>"}

_CONTROL = dict.fromkeys([*range(9), *range(14, 32), 127])  # no words; among them what stands for marks

_FOLLOWED = frozenset({"http", "https", "mailto", "tel"})

_SPECIAL = re.compile(r"[\\`*_\[\]{]")

_ENTITY = re.compile(r"&(?=#?\w{1,40};)")

_LINE_START = re.compile(r"([-+>](?=\s|$)|#{1,6}(?=\s|$)|=+\s*$|-{2,}\s*$|>|~{3,}|\||:(?=\s))")

_NUMBERED = re.compile(r"(\d{1,9})([.)])(?=\s|$)")

_BLANK = re.compile(r"[\s\u200b\ufeff]*")

_SEAM = re.compile(rf"(?<=\w)(?:{BOLD}{{2}}|{STRUCK}{{2}})(?=\w)")  # between bold words and the next

_TOKEN = re.compile(r"\\.|&(?:lt|amp);|\w+|.", re.S)

_ACTS_IN_CODE = re.compile(r"<|\][(\[:]")  # for readers that do not know this kind of code

_CODE_SPECIAL = re.compile(r"[^\w\s,;/'\"()]|^[\d \t]+|[\r\n](?=\s*[\r\n])", re.M)

_NOT_IN_TARGET = re.compile(r"[\s<>\"'`\\{}|\[\]\x00-\x1f\x7f]")

_IN_ALT = re.compile(r"[`\\*_\[\]<{]")


def words_escaped(text: str, *, in_cell: bool) -> str:
    """Words of a post, white space as a browser shows it."""
    words = re.sub(r"[ \t\r\n\f]+", " ", text).translate(_CONTROL)
    escaped = _ENTITY.sub("&amp;", _SPECIAL.sub(r"\\\g<0>", words))
    escaped = escaped.replace("<", "&lt;").replace("~~", r"\~\~")
    return escaped.replace("|", r"\|") if in_cell else escaped


def marked(text: str, mark: str) -> str:
    """Words between two marks, in each line of them."""
    return "\n".join(_marked_line(line, mark) for line in text.split("\n"))


def _marked_line(line: str, mark: str) -> str:
    """Punctuation at the edges of the words stays outside: beside a letter it would keep the marks from
    being read as such. No marks where they would overlap others.
    """
    if "](" in line or "`" in line:
        return line
    cores = [found.span() for found in _TOKEN.finditer(line) if found[0][0].isalnum() or found[0][0] == "_"]
    if not cores:
        return line
    start, end = cores[0][0], cores[-1][1]
    outside = [char for char in line[:start] + line[end:] if char in _MARKS]
    if outside and (len(outside) != 2 or any(char in _MARKS for char in line[start:end])):
        return line
    return f"{line[:start]}{mark}{line[start:end]}{mark}{line[end:]}"


def slanted(text: str) -> str:
    """In tags: a single star means something else beside two of bold words."""
    lines = text.strip().split("\n")
    return "\n".join(f"{SLANTED}{line.strip()}{UPRIGHT}" if line.strip() else line for line in lines)


def paragraphs(text: str) -> list[list[str]]:
    """The paragraphs of words whose lines end in a line feed: parted where a line is blank."""
    found: list[list[str]] = [[]]
    for line in text.split("\n"):
        if _BLANK.fullmatch(line):
            found.append([])
        else:
            found[-1].append(finished(start_escaped(line.strip())))
    return [[*(f"{line}  " for line in lines[:-1]), lines[-1]] for lines in found if lines]


def in_one_line(text: str) -> str:
    """Words that must stand in one line."""
    return finished(" ".join(text.split()))


def heading(text: str, level: int) -> str:
    """A heading; a number sign at its end would be taken for a mark."""
    words = in_one_line(text)
    return f"{'#' * level} {words[:-1]}\\#" if words.endswith("#") else f"{'#' * level} {words}"


def finished(line: str) -> str:
    """A line with the marks themselves."""
    whole = _SEAM.sub("", line)
    for stands_for, mark in _MARKS.items():
        whole = whole.replace(stands_for, mark)
    return whole


def start_escaped(line: str) -> str:
    """A line that would begin a heading, list, table or quotation and is none."""
    escaped = _LINE_START.sub(r"\\\1", line, count=1) if _LINE_START.match(line) else line
    return _NUMBERED.sub(r"\1\\\2", escaped, count=1) if _NUMBERED.match(escaped) else escaped


def code_span(text: str, *, in_cell: bool) -> str:
    """Code within a line."""
    code = " ".join(text.translate(_CONTROL).split())
    if not code:
        return ""
    if _ACTS_IN_CODE.search(code) or (in_cell and "|" in code):
        return f"<code>{_as_entities(code)}</code>"
    ticks = "`" * (_longest_ticks(code) + 1)
    return f"{ticks} {code} {ticks}" if "`" in code else f"{ticks}{code}{ticks}"


def code_block(text: str) -> list[str]:
    """The lines of a block of code; [] where there is nothing in it."""
    code = text.translate(_CONTROL).replace("\r\n", "\n").replace("\r", "\n").strip("\n")
    if not code.strip():
        return []
    if _ACTS_IN_CODE.search(code):
        return f"<pre><code>{_as_entities(code)}</code></pre>".split("\n")
    fence = "`" * max(3, _longest_ticks(code) + 1)
    return [fence, *code.split("\n"), fence]


def _longest_ticks(code: str) -> int:
    return max(map(len, re.findall(r"`+", code)), default=0)


def _as_entities(code: str) -> str:
    """Code without a blank line, and without anything that means something at a line's start or in it."""
    return _CODE_SPECIAL.sub(lambda found: "".join(_entity(char) for char in found[0]), code)


def _entity(char: str) -> str:
    kept = f"&#{ord(char)};"
    return f"{kept}\n" if char == "\n" else {"<": "&lt;", ">": "&gt;", "&": "&amp;"}.get(char, kept)


def link(words: str, address: str) -> str:
    """Words that lead somewhere; only words where the address is none to follow, or they hold a link."""
    shown = " ".join(words.split())
    if not shown or "](" in shown.replace("![", "") or not _is_followed(address):
        return words
    return f"[{shown}]({_destination(address)})"


def image(words: str, address: str) -> str:
    """An image on the web or beside the post; only its words where it is neither."""
    alt = _IN_ALT.sub(" ", " ".join(words.translate(_CONTROL).split()))
    alt = _ENTITY.sub("&amp;", alt)
    is_beside = re.fullmatch(r"[\w./-]+", address) is not None
    return f"![{alt}]({_destination(address)})" if is_beside or _is_followed(address) else alt


def _is_followed(address: str) -> bool:
    try:
        return urlsplit(address).scheme in _FOLLOWED
    except ValueError:
        return False


def _destination(address: str) -> str:
    """An address as a link's target: in angle brackets where it would end early."""
    clean = _NOT_IN_TARGET.sub(_encoded, address)
    if not _is_balanced(clean):
        clean = clean.replace("(", "%28").replace(")", "%29")
    clean = _ENTITY.sub("&amp;", clean)
    return f"<{clean}>" if re.search(r"[()*_]", clean) else clean


def _is_balanced(address: str) -> bool:
    """Whether each parenthesis has its other half: where not, readers differ in where a target ends."""
    depth = 0
    for char in address:
        depth += (char == "(") - (char == ")")
        if depth < 0:
            return False
    return depth == 0


def _encoded(found: re.Match[str]) -> str:
    return f"%{ord(found[0]):02X}" if ord(found[0]) < 128 else ""
