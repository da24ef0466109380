"""Checks that an SVG only draws: no script, no embedded page, nothing external. No I/O, no clock."""

import re
from collections.abc import Iterator

import tinycss2
from lxml import etree

from crawler.media.content import NotMedium

MAX_SVG_BYTES = 8 * 1024 * 1024  # drawings in posts have some kB

MAX_ELEMENTS = 200_000

MAX_SIDE = 100_000  # pixels; a larger size is ignored

_SVG = "{http://www.w3.org/2000/svg}"

_ACTIVE = frozenset(
    {"script", "foreignobject", "iframe", "object", "embed", "handler", "listener", "audio", "video"}
)

_ENCODINGS = ("UTF-8", "US-ASCII", "ASCII")

_INSIDE = re.compile(r"#|data:image/(?:png|jpeg|gif|webp);base64,", re.IGNORECASE)

_BLANKS = re.compile(r"[\x00-\x20\x7f]+")

_START = re.compile(
    rb"(?:<\?[^>]*>|<!--.*?-->|<!DOCTYPE[^>\[]*(?:\[.*?\]\s*)?>|\s+)*+<(?:\w+:)?svg[\s>/]", re.S | re.I
)

_NUMBER = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(?:px)?\s*")


def is_svg(body: bytes) -> bool:
    """Tell whether the bytes begin as an SVG does."""
    return bool(_START.match(body[:4096].removeprefix(b"\xef\xbb\xbf")))


def svg_size(body: bytes) -> tuple[int | None, int | None]:
    """Return width and height in pixels where given. Raises NotMedium when it does more than draw."""
    root = _parsed(body)
    for number, element in enumerate(root.iter()):
        if number >= MAX_ELEMENTS:
            raise NotMedium("crawler.svg.too_many_elements", limit=MAX_ELEMENTS)
        _check(element)
    return _size(root)


def _parsed(body: bytes) -> etree._Element:
    if len(body) > MAX_SVG_BYTES:
        raise NotMedium("crawler.svg.too_large", limit=MAX_SVG_BYTES)
    if b"<!ENTITY" in body:
        raise NotMedium("crawler.svg.entities")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise NotMedium("crawler.svg.broken", error=str(error)[:120]) from None
    if root.tag not in (f"{_SVG}svg", "svg"):
        raise NotMedium("crawler.svg.other_root")
    encoding = root.getroottree().docinfo.encoding or "UTF-8"
    if encoding.upper() not in _ENCODINGS:  # with a rare one a browser may understand something else
        raise NotMedium("crawler.svg.encoding", encoding=encoding[:20])
    if any(isinstance(one, etree._ProcessingInstruction) for one in _siblings(root)):
        raise NotMedium("crawler.svg.processing_instruction")
    return root


def _siblings(root: etree._Element) -> Iterator[object]:
    yield from root.itersiblings(preceding=True)
    yield from root.itersiblings()


def _check(element: etree._Element) -> None:
    if isinstance(element, etree._Comment):
        return
    if not isinstance(element.tag, str):  # entities and processing instructions
        raise NotMedium("crawler.svg.processing_instruction")
    name = etree.QName(element).localname.lower()
    if name in _ACTIVE:
        raise NotMedium("crawler.svg.active_element", element=name[:40])
    if name == "style":
        _check_style("".join(map(str, element.itertext())))
    for attribute, value in element.items():
        _check_attribute(etree.QName(attribute).localname.lower(), str(value))


def _check_attribute(name: str, value: str) -> None:
    bare = _BLANKS.sub("", value).lower()
    if name.startswith("on"):
        raise NotMedium("crawler.svg.event_handler", attribute=name[:40])
    if "javascript:" in bare or "vbscript:" in bare or "data:text" in bare:
        raise NotMedium("crawler.svg.script", attribute=name[:40])
    if name in ("href", "src") and bare and not _INSIDE.match(bare):
        raise NotMedium("crawler.svg.external")
    if name == "attributename" and bare.endswith("href"):
        raise NotMedium("crawler.svg.animated_address")
    if name != "d":  # a path's numbers are long, and no style
        _check_style(value)


def _check_style(css: str) -> None:
    """Raise NotMedium when a style, or an attribute that may hold one, refers to something external."""
    if "(" not in css and "@" not in css and "\\" not in css:
        return
    parsed = tinycss2.parse_component_value_list(css, skip_comments=True)
    for node in _nodes(parsed):
        if node.type == "url":
            _check_target(node.value)
        elif node.type == "function" and node.lower_name in ("url", "src", "image", "image-set"):
            for argument in node.arguments:
                if argument.type == "string":
                    _check_target(argument.value)
        elif node.type == "at-keyword" and node.lower_value == "import":
            raise NotMedium("crawler.svg.external")


def _nodes(nodes: list[tinycss2.ast.Node]) -> Iterator[tinycss2.ast.Node]:
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(getattr(node, "arguments", None) or getattr(node, "content", None) or ())


def _check_target(address: str) -> None:
    if not _INSIDE.match(_BLANKS.sub("", address)):
        raise NotMedium("crawler.svg.external")


def _size(root: etree._Element) -> tuple[int | None, int | None]:
    sides = [_NUMBER.fullmatch(root.get(name, "")) for name in ("width", "height")]
    if all(sides):
        return _pixels(float(sides[0][1])), _pixels(float(sides[1][1]))  # type: ignore[index]  # both are there
    box = root.get("viewBox", "").replace(",", " ").split()
    if len(box) == 4 and all(_NUMBER.fullmatch(side) for side in box[2:]):
        return _pixels(float(box[2])), _pixels(float(box[3]))
    return None, None


def _pixels(side: float) -> int | None:
    return round(side) if 0 < side <= MAX_SIDE else None
