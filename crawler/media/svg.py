"""Whether an SVG only draws: no script, no page inside, nothing from outside. Pure: no I/O, no clock."""

import re
from collections.abc import Iterator

import tinycss2
from lxml import etree

from crawler.media.content import NotMedium

MAX_SVG_BYTES = 8 * 1024 * 1024  # of text; drawings in posts have some kB

MAX_ELEMENTS = 200_000

MAX_SIDE = 100_000  # pixels; a size beyond it says nothing

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
    """Whether the bytes claim to be an SVG."""
    return bool(_START.match(body[:4096].removeprefix(b"\xef\xbb\xbf")))


def svg_size(body: bytes) -> tuple[int | None, int | None]:
    """Width and height in pixels where it tells; raises NotMedium when it does more than draw."""
    root = _parsed(body)
    for number, element in enumerate(root.iter()):
        if number >= MAX_ELEMENTS:
            raise NotMedium(f"an SVG of more than {MAX_ELEMENTS} elements")
        _check(element)
    return _size(root)


def _parsed(body: bytes) -> etree._Element:
    if len(body) > MAX_SVG_BYTES:
        raise NotMedium(f"an SVG of more than {MAX_SVG_BYTES} bytes")
    if b"<!ENTITY" in body:
        raise NotMedium("an SVG with entities of its own")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise NotMedium(f"an SVG that is broken ({str(error)[:120]})") from None
    if root.tag not in (f"{_SVG}svg", "svg"):
        raise NotMedium("an SVG that is none")
    encoding = root.getroottree().docinfo.encoding or "UTF-8"
    if encoding.upper() not in _ENCODINGS:  # in a rare one a browser may read something else than we do
        raise NotMedium(f"an SVG in {encoding[:20]}")
    if any(isinstance(one, etree._ProcessingInstruction) for one in _around(root)):
        raise NotMedium("an SVG with a processing instruction")
    return root


def _around(root: etree._Element) -> Iterator[object]:
    yield from root.itersiblings(preceding=True)
    yield from root.itersiblings()


def _check(element: etree._Element) -> None:
    if isinstance(element, etree._Comment):
        return
    if not isinstance(element.tag, str):  # entities and processing instructions
        raise NotMedium("an SVG with an entity or a processing instruction")
    name = etree.QName(element).localname.lower()
    if name in _ACTIVE:
        raise NotMedium(f"an SVG with a <{name}>")
    if name == "style":
        _check_style("".join(map(str, element.itertext())))
    for attribute, value in element.items():
        _check_attribute(etree.QName(attribute).localname.lower(), str(value))


def _check_attribute(name: str, value: str) -> None:
    bare = _BLANKS.sub("", value).lower()
    if name.startswith("on"):
        raise NotMedium(f"an SVG with an event handler ({name[:40]})")
    if "javascript:" in bare or "vbscript:" in bare or "data:text" in bare:
        raise NotMedium(f"an SVG with a script in {name[:40]}")
    if name in ("href", "src") and bare and not _INSIDE.match(bare):
        raise NotMedium("an SVG that refers to something outside of it")
    if name == "attributename" and bare.endswith("href"):
        raise NotMedium("an SVG that animates an address")
    if name != "d":  # a path's numbers are long, and no style
        _check_style(value)


def _check_style(css: str) -> None:
    """Styles and the attributes that may hold them name nothing outside, however it is written."""
    if "(" not in css and "@" not in css and "\\" not in css:
        return
    read = tinycss2.parse_component_value_list(css, skip_comments=True)
    for node in _nodes(read):
        if node.type == "url":
            _check_target(node.value)
        elif node.type == "function" and node.lower_name in ("url", "src", "image", "image-set"):
            for argument in node.arguments:
                if argument.type == "string":
                    _check_target(argument.value)
        elif node.type == "at-keyword" and node.lower_value == "import":
            raise NotMedium("an SVG that refers to something outside of it")


def _nodes(nodes: list[tinycss2.ast.Node]) -> Iterator[tinycss2.ast.Node]:
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(getattr(node, "arguments", None) or getattr(node, "content", None) or ())


def _check_target(address: str) -> None:
    if not _INSIDE.match(_BLANKS.sub("", address)):
        raise NotMedium("an SVG that refers to something outside of it")


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
