"""Reads values from WeChat's inline scripts: a JavaScript parser gives the tree, literals are evaluated.

Only what a page writes down as a value is read (strings, numbers, lists, objects, `a || b`, `'1' * 1`,
`JsDecode('…')`, `htmlDecode("…")`, `'…'.html(false)`, `[…].slice(0, 20)`); nothing
is executed. What is not such a value is UNKNOWN, never a guess.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from time import thread_time
from typing import Any, Final, NamedTuple

from tree_sitter import Language, Node, Parser, Point, Tree
from tree_sitter_javascript import language

from archive.domain.text import unescape

MAX_SCRIPT = 4 * 1024 * 1024  # bytes; the largest real state script seen has 0.4 MB

MAX_BRACKETS = 100_000  # opening ones, which is what a syntax tree's memory grows with; real ones have 5,000

# Signs and spaces in all scripts of a page whose values are read: they bound the number of tokens. For each
# the syntax tree takes up to 0.9 kB and 15 microseconds. Real pages have up to 125,000.
MAX_SIGNS = 300_000

# Of processor time for one script: after many syntax errors tree-sitter's time and memory (250 MB a second)
# grow with the square of the script's length. The largest real script takes 0.1 seconds.
MAX_SECONDS = 1.0

_WORD_BYTES = bytes(code for code in range(256) if code >= 0x80 or chr(code).isalnum() or code in b"_$")

MAX_DEPTH = 40  # levels of nesting; real state has under 10


class _Place(NamedTuple):
    """The script that a node stands in, and how many levels deep its value is looked for."""

    script: bytes
    depth: int = 0

    def deeper(self) -> "_Place":
        """One level further in."""
        return _Place(self.script, self.depth + 1)


class Decoded(str):
    """A string whose entities the page's own script has decoded already."""

    __slots__ = ()


class _Unknown:
    def __repr__(self) -> str:
        return "UNKNOWN"

    def __bool__(self) -> bool:
        return False


UNKNOWN: Final = _Unknown()

_LANGUAGE = Language(language())

_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|u\{([0-9a-fA-F]{1,6})\}|(\r\n|[\s\S]))")

_SIMPLE = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "v": "\v", "0": "\0", "\n": "", "\r\n": ""}

# JsDecode as every page of 2025-11 and later defines it, in its order
_JS_DECODE = (
    (r"\x5c", "\\"), (r"\x0d", "\r"), (r"\x22", '"'), (r"\x26", "&"),
    (r"\x27", "'"), (r"\x3c", "<"), (r"\x3e", ">"), (r"\x0a", "\n"),
)  # fmt: skip

_BREAK = re.compile(r"<br\s*+/?\s*+>")


def signs_in(script: bytes) -> int:
    """How many bytes of a script are neither letters nor digits."""
    return len(script.translate(None, _WORD_BYTES))


def assignments(script: bytes, wanted: frozenset[str]) -> Iterator[tuple[str, Any]]:
    """Yield (name, value) for each `var name = …` and `x.name = …` whose name is wanted, in order.

    `name` is as written (`biz`, `window.biz`, `d.biz`); values that are no plain values are left out.
    An object comes as a LazyObject.
    """
    if len(script) > MAX_SCRIPT or signs_in(script) > MAX_SIGNS:
        return
    if sum(map(script.count, (b"{", b"[", b"("))) > MAX_BRACKETS:
        return
    tree, at = _parsed(script), _Place(script)
    for target, value in _targets(tree.root_node) if tree else ():
        name = _text(target, at)
        if name.rpartition(".")[2] in wanted:
            result = LazyObject(value, at) if value.type == "object" else evaluate(value, at)
            if result is not UNKNOWN:
                yield name, result


def _parsed(script: bytes) -> Tree | None:
    """Return the syntax tree; None where building it takes longer than MAX_SECONDS."""
    until = thread_time() + MAX_SECONDS

    def read(offset: int, _: Point) -> memoryview:
        return memoryview(script)[offset:]

    def is_late(_offset: int, _has_error: bool) -> bool:
        return thread_time() > until

    try:
        return Parser(_LANGUAGE).parse(read, progress_callback=is_late)
    except ValueError:  # it was stopped
        return None


class LazyObject(Mapping[str, Any]):
    """An object of the page's state whose values are only evaluated when asked for.

    `cgiDataNew` has 140 keys and the body among them; most pages are read without most of it.
    """

    def __init__(self, node: Node, at: _Place) -> None:
        self._at = at
        self._nodes = dict(_pairs(node, at))
        self._values: dict[str, Any] = {}

    def __getitem__(self, key: str) -> Any:
        """Return the value. Raises KeyError where there is none or it is no plain value."""
        if key not in self._values:
            self._values[key] = evaluate(self._nodes[key], self._at)
        if self._values[key] is UNKNOWN:
            raise KeyError(key)
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the keys that have a plain value."""
        return (key for key in self._nodes if self.get(key, UNKNOWN) is not UNKNOWN)

    def __len__(self) -> int:
        """How many keys have a plain value."""
        return sum(1 for _ in self)

    def __bool__(self) -> bool:
        """Tell whether any key has a plain value, without evaluating all of them."""
        return any(True for _ in self)


_BODIES = frozenset({"program", "statement_block", "try_statement", "if_statement", "else_clause",
                     "variable_declaration", "lexical_declaration", "expression_statement",
                     "parenthesized_expression", "sequence_expression", "ERROR"})  # fmt: skip


def _targets(root: Node) -> Iterator[tuple[Node, Node]]:
    """Yield the assignments that run with the script, also in blocks and in functions called on the spot."""
    stack = [root]
    while stack:
        node = stack.pop()
        if node.type in ("variable_declarator", "assignment_expression"):
            target, value = node.named_children[0], node.named_children[-1]
            while value.type == "assignment_expression":  # window.msg_title = window.title = '…'
                value = value.named_children[-1]
            if value is not target:
                yield target, value
                if value.type == "call_expression":  # var set = (function () { … })()
                    stack.extend(_called_body(value))
        elif node.type == "call_expression":
            stack.extend(_called_body(node))
        elif node.type in _BODIES:
            stack.extend(reversed(node.named_children))


_AROUND_CALLEE = frozenset({"parenthesized_expression", "call_expression"})  # (function () { … })()()


def _called_body(call: Node) -> list[Node]:
    callee = call.named_children[0]
    while callee.type in _AROUND_CALLEE and callee.named_children:
        callee = callee.named_children[0]
    body = callee.child_by_field_name("body") if "function" in callee.type else None
    return [body] if body else []


def evaluate(node: Node, at: _Place) -> Any:
    """Return the value of a literal expression, or UNKNOWN."""
    reader = _READERS.get(node.type)
    return reader(node, at.deeper()) if reader and at.depth < MAX_DEPTH else UNKNOWN


def _text(node: Node, at: _Place) -> str:
    return at.script[node.start_byte : node.end_byte].decode("utf-8", "replace")


def unescape_js(literal: str) -> str:
    """Return the value of the inside of a JavaScript string literal."""
    if "\\" not in literal:
        return literal
    joined = _ESCAPE.sub(_unescaped, literal)
    return joined.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _unescaped(match: re.Match[str]) -> str:
    digits = match[1] or match[2] or match[3]
    if digits:
        code = int(digits, 16)
        return chr(code) if code <= 0x10FFFF else "\ufffd"
    return _SIMPLE.get(match[4], match[4])


def _string(node: Node, at: _Place) -> Any:
    return unescape_js(_text(node, at)[1:-1])


def _template(node: Node, at: _Place) -> Any:
    if any(child.type == "template_substitution" for child in node.named_children):
        return UNKNOWN
    return unescape_js(_text(node, at)[1:-1])


def _number(node: Node, at: _Place) -> Any:
    return _to_number(_text(node, at))


def _to_number(value: Any) -> Any:
    """JavaScript's Number() for what pages multiply by one."""
    if isinstance(value, bool | int | float):
        return value + 0
    text = value.strip() if isinstance(value, str) else "?"
    if re.fullmatch(r"-?\d{1,30}", text):
        return int(text)
    if re.fullmatch(r"-?\d{1,30}\.\d{1,30}", text):
        return float(text)
    return 0 if text == "" else UNKNOWN


def _array(node: Node, at: _Place) -> Any:
    items = [evaluate(child, at) for child in node.named_children if child.type != "comment"]
    return [None if item is UNKNOWN else item for item in items]


def _object(node: Node, at: _Place) -> Any:
    values = ((key, evaluate(value, at)) for key, value in _pairs(node, at))
    return {key: value for key, value in values if value is not UNKNOWN}


def _pairs(node: Node, at: _Place) -> Iterator[tuple[str, Node]]:
    for pair in node.named_children:
        if pair.type == "pair" and len(pair.named_children) >= 2:
            yield unescape_js(_text(pair.named_children[0], at).strip("\"'")), pair.named_children[-1]


def _binary(node: Node, at: _Place) -> Any:
    if len(node.named_children) != 2 or (operator := node.child_by_field_name("operator")) is None:
        return UNKNOWN
    left = evaluate(node.named_children[0], at)
    match operator.type:
        case "||":
            return left or evaluate(node.named_children[1], at)
        case "&&" if not left and left is not UNKNOWN:
            return left
    return _arithmetic(operator.type, left, evaluate(node.named_children[1], at))


def _arithmetic(operator: str, left: Any, right: Any) -> Any:
    if left is UNKNOWN or right is UNKNOWN:
        return UNKNOWN
    if operator in ("===", "=="):
        return left == right
    if operator == "+" and isinstance(left, str) and isinstance(right, str):
        return left + right
    if operator == "*" and right == 1:
        return _to_number(left)
    return UNKNOWN


def _ternary(node: Node, at: _Place) -> Any:
    condition, yes, no = (node.child_by_field_name(n) for n in ("condition", "consequence", "alternative"))
    if condition is None or yes is None or no is None:
        return UNKNOWN
    value = evaluate(condition, at)
    return UNKNOWN if value is UNKNOWN else evaluate(yes if value else no, at)


def _inner(node: Node, at: _Place) -> Any:
    return evaluate(node.named_children[0], at) if len(node.named_children) == 1 else UNKNOWN


def _call(node: Node, at: _Place) -> Any:
    function, arguments = node.child_by_field_name("function"), node.child_by_field_name("arguments")
    if function is None or arguments is None:
        return UNKNOWN
    if function.type == "member_expression":
        return _method(function, arguments, at)
    first = evaluate(arguments.named_children[0], at) if arguments.named_children else UNKNOWN
    decoder = _DECODERS.get(_text(function, at))
    return decoder(first) if decoder and isinstance(first, str) else UNKNOWN


def _method(member: Node, arguments: Node, at: _Place) -> Any:
    """`'…'.html(false)` decodes entities; `"…".replace(…)` is only ever used to lay a text out."""
    subject, name = member.child_by_field_name("object"), member.child_by_field_name("property")
    value = evaluate(subject, at) if subject else UNKNOWN
    if isinstance(value, list) and name and _text(name, at) == "slice":
        return _slice(value, [evaluate(bound, at) for bound in arguments.named_children])
    if not isinstance(value, str) or name is None:
        return UNKNOWN
    match _text(name, at):
        case "html":
            return Decoded(unescape(value))
        case "replace" | "trim" | "toString":
            return value
    return UNKNOWN


def _slice(items: list[Any], bounds: list[Any]) -> Any:
    """Part of a list, between two places written down as whole numbers."""
    if len(bounds) > 2 or not all(type(bound) is int for bound in bounds):
        return UNKNOWN
    start, end = [*bounds, None, None][:2]
    return items[start:end]


def js_decode(value: str) -> str:
    """WeChat's own JsDecode, applied to a value the JavaScript reader has already unescaped."""
    for written, meant in _JS_DECODE:
        value = value.replace(written, meant)
    return value


def html_decode(value: str) -> str:
    """WeChat's own htmlDecode: entities, and `<br>` as a line break."""
    return Decoded(unescape(_BREAK.sub("\n", value)))


_DECODERS: dict[str, Callable[[str], str]] = {
    "JsDecode": js_decode,
    "htmlDecode": html_decode,
}

_CONSTANTS = {"true": True, "false": False, "null": None}

_READERS: dict[str, Callable[[Node, _Place], Any]] = {
    "string": _string,
    "template_string": _template,
    "number": _number,
    "array": _array,
    "object": _object,
    "binary_expression": _binary,
    "ternary_expression": _ternary,
    "parenthesized_expression": _inner,
    "call_expression": _call,
    **dict.fromkeys(_CONSTANTS, lambda node, at: _CONSTANTS[node.type]),
}
