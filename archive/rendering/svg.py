"""Replace inline SVG: layouts become boxes with their content, drawings become images of harmless shapes."""

import base64
import re
from xml.sax.saxutils import quoteattr

from bs4 import BeautifulSoup, Tag

from archive.rendering.images import ancestor_ids, new_element
from archive.rendering.sanitizer import OWN

DRAWING = f"{OWN}-drawing"  # the element of an image that was made from a drawing

MAX_DRAWING = 200_000  # characters; an ornament has under 20,000

_GROUPS = frozenset({"g", "a", "switch"})

_CONTENT_TAGS = ["foreignobject", "image", "text"]

_SHAPES = {
    name.lower(): name
    for name in ("g", "path", "rect", "circle", "ellipse", "line", "polyline", "polygon", "defs",
                 "linearGradient", "radialGradient", "stop", "clipPath", "use")
}  # fmt: skip

_VISIBLE_SHAPES = frozenset({"path", "rect", "circle", "ellipse", "line", "polyline", "polygon"})

_ATTRIBUTES = {
    name.lower(): name
    for name in ("d", "x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "rx", "ry", "width", "height", "fx",
                 "fy", "points", "fill", "fill-opacity", "fill-rule", "stroke", "stroke-width", "offset",
                 "stroke-linecap", "stroke-linejoin", "stroke-miterlimit", "stroke-dasharray", "opacity",
                 "stroke-opacity", "transform", "clip-path", "clip-rule", "stop-color", "stop-opacity", "id",
                 "gradientUnits", "gradientTransform", "clipPathUnits", "spreadMethod")
}  # fmt: skip

_VALUE = re.compile(r"[\w\s.,;:#%()+\-]*")

_REFERENCE = re.compile(r"url\(#[\w-]+\)")

_VIEW = re.compile(r"\s*(-?[\d.]+)[\s,]+(-?[\d.]+)[\s,]+(\d[\d.]*)[\s,]+(\d[\d.]*)\s*")

_NUMBER = re.compile(r"\d{1,9}(?:\.\d{1,9})?")

_LENGTH = re.compile(r"\d[\d.]{0,9}(?:px|%|em|rem|ex|ch|pt|vw)?")


def replace_drawings(soup: BeautifulSoup) -> None:
    """Replace each SVG, outer ones before those within."""
    drawings = soup.find_all("svg")
    content = soup.find_all(_CONTENT_TAGS)
    with_content, layouts = ancestor_ids(content), ancestor_ids([*content, *drawings])
    for svg in drawings:
        if svg.decomposed:
            continue
        if id(svg) in with_content or "url(" in str(svg.get("style", "")):
            _make_box(svg, layouts)
        else:
            _make_image(svg)


def _make_box(svg: Tag, layouts: set[int]) -> None:
    style = f"{_size_style(svg)}{svg.get('style', '')}"
    for tag in svg.find_all(True, recursive=False):
        _keep_content(tag, layouts)
    svg.name, svg.attrs = "div", {"style": style}


def _keep_content(tag: Tag, layouts: set[int]) -> None:
    """Keep HTML, images and text within an SVG or its groups; remove shapes and animations."""
    match tag.name:
        case "foreignobject":
            tag.name, tag.attrs = "div", {"style": str(tag.get("style", ""))}
        case "image":
            source = tag.get("xlink:href") or tag.get("href") or tag.get("data-src") or ""
            for inner in tag.find_all(True, recursive=False):
                _keep_content(inner, layouts)
            for child in tag.contents[::-1]:  # an image has no content: move it behind
                tag.insert_after(child)
            tag.name, tag.attrs = "img", {"src": str(source)}
        case "text":
            _make_words(tag)
        case "svg":
            pass
        case _ if id(tag) not in layouts and tag.name not in _GROUPS:
            tag.decompose()
        case _:
            for inner in tag.find_all(True, recursive=False):
                _keep_content(inner, layouts)
            tag.unwrap()


def _make_words(text: Tag) -> None:
    """Turn a text, and those within it, into words; each that has a place of its own begins a line."""
    if isinstance(text.next_sibling, Tag):
        text.insert_after("\n")
    for part in text.find_all("tspan"):
        is_first = not any(str(before).strip() for before in part.previous_siblings)
        if not is_first and (part.has_attr("x") or part.has_attr("dy")):
            part.insert_before(new_element("br"), "\n")
    for part in [text, *text.find_all(["tspan", "textpath", "tref"])]:
        part.name, part.attrs = "span", {}


def _size_style(svg: Tag) -> str:
    """Return the CSS of an SVG's size: its width, else the full width, and its view's aspect ratio."""
    width = str(svg.get("width", "")).strip()
    width = f"{width}px" if _NUMBER.fullmatch(width) else width
    found = _VIEW.fullmatch(str(svg.get("viewbox", "")))
    ratio = f"aspect-ratio:{found[3]} / {found[4]};" if found else ""
    size = width if _LENGTH.fullmatch(width) else "100%"
    return f"display:inline-block;vertical-align:top;width:{size};{ratio}"


def _make_image(svg: Tag) -> None:
    """Turn a drawing into an image, in which no script runs and nothing is loaded."""
    glyphs = {str(path["id"]) for path in svg.find_all("path", id=True)}
    if any(name not in glyphs for name in map(_glyph_name, svg.find_all("use")) if name):
        svg.decompose()  # drawn with what stands elsewhere
        return
    drawing = "".join(_shapes(tag) for tag in svg.find_all(True, recursive=False))
    view = _VIEW.fullmatch(str(svg.get("viewbox", "")))
    if not drawing or not view or len(drawing) > MAX_DRAWING or svg.find(list(_VISIBLE_SHAPES)) is None:
        svg.decompose()
        return
    box = " ".join(view.groups())
    fill = str(svg.get("fill", ""))
    paint = f" fill={quoteattr(fill)}" if fill and _is_safe(fill) else ""
    picture = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}"{paint}>{drawing}</svg>'
    source = "data:image/svg+xml;base64," + base64.b64encode(picture.encode()).decode()
    style = f"{_size_style(svg)}{svg.get('style', '')}"
    svg.name, svg.attrs = DRAWING, {"src": source, "style": style}
    svg.clear()


def _shapes(tag: Tag) -> str:
    name = _SHAPES.get(tag.name)
    if name is None or (name == "use" and not _glyph_name(tag)):
        return ""
    kept = "".join(
        f" {_ATTRIBUTES[attribute]}={quoteattr(str(value))}"
        for attribute, value in tag.attrs.items()
        if attribute in _ATTRIBUTES and _is_safe(str(value))
    )
    glyph = _glyph_name(tag)
    kept += f' href="#{glyph}"' if glyph else ""
    inner = "".join(_shapes(child) for child in tag.find_all(True, recursive=False))
    return f"<{name}{kept}>{inner}</{name}>"


def _glyph_name(tag: Tag) -> str:
    """Return the id of the path that is drawn again, as formulas do with letters; "" for other elements."""
    written = str(tag.get("href") or tag.get("xlink:href") or "") if tag.name == "use" else ""
    return written[1:] if re.fullmatch(r"#[\w-]{1,100}", written) else ""


def _is_safe(value: str) -> bool:
    without = _REFERENCE.sub("", value)
    return "url" not in without.lower() and bool(_VALUE.fullmatch(without))
