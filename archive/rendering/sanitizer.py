"""Make markup safe: only harmless elements, attributes and styles stay, and nothing is loaded."""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import nh3
import tinycss2
from tinycss2.serializer import serialize_identifier

MAX_STYLE = 20_000  # characters of one attribute; real ones have under 2,000

MAX_NESTING = 8  # nested brackets; real values have two

MIN_OPACITY = 0.1  # below it text cannot be read: the page's own scripts would have shown it

ImageCss = Callable[[str], str | None]  # the CSS for an image's address

_SIDES = ("top", "right", "bottom", "left")

_CORNERS = ("top-left", "top-right", "bottom-right", "bottom-left")

_PROPERTIES = frozenset({
    "color", "font", "font-family", "font-size", "font-style", "font-variant", "font-weight", "font-stretch",
    "letter-spacing", "line-height", "word-spacing", "text-align", "text-align-last", "text-indent",
    "text-decoration", "text-decoration-line", "text-decoration-color", "text-decoration-style",
    "text-decoration-thickness", "text-underline-offset", "text-emphasis", "text-shadow", "text-transform",
    "white-space", "word-break", "word-wrap", "overflow-wrap", "line-break", "vertical-align", "direction",
    "writing-mode", "text-orientation", "-webkit-text-stroke", "-webkit-text-stroke-width",
    "-webkit-text-stroke-color", "-webkit-text-fill-color",
    "background", "background-color", "background-image", "background-repeat", "background-size",
    "background-position", "background-position-x", "background-position-y", "background-clip",
    "-webkit-background-clip", "background-origin", "background-blend-mode",
    "border", "border-width", "border-style", "border-color", "border-radius", "border-collapse",
    "border-spacing", "border-image", "border-image-slice", "border-image-width", "border-image-repeat",
    "border-image-source", "box-shadow", "outline", "outline-width", "outline-style", "outline-color",
    *(f"border-{side}{part}" for side in _SIDES for part in ("", "-width", "-style", "-color")),
    *(f"border-{corner}-radius" for corner in _CORNERS),
    "margin", "padding", *(f"{space}-{side}" for space in ("margin", "padding") for side in _SIDES),
    "width", "height", "min-width", "min-height", "max-width", "max-height", "box-sizing", "aspect-ratio",
    "display", "float", "clear", "overflow", "overflow-x", "overflow-y", "position", *_SIDES, "z-index",
    "flex", "flex-basis", "flex-direction", "flex-flow", "flex-grow", "flex-shrink", "flex-wrap", "order",
    "align-items", "align-self", "align-content", "justify-content", "justify-items", "justify-self",
    "place-items", "place-content", "gap", "row-gap", "column-gap", "grid", "grid-area", "grid-column",
    "grid-row", "grid-template", "grid-template-columns", "grid-template-rows", "grid-auto-flow",
    "column-count", "columns", "object-fit", "object-position", "opacity", "transform", "transform-origin",
    "transform-style", "perspective", "rotate", "scale", "translate", "mix-blend-mode", "isolation",
    "list-style", "list-style-type", "list-style-position", "table-layout", "caption-side", "empty-cells",
})  # fmt: skip

_FUNCTIONS = frozenset({
    "rgb", "rgba", "hsl", "hsla", "calc", "min", "max", "clamp", "linear-gradient", "radial-gradient",
    "conic-gradient", "repeating-linear-gradient", "repeating-radial-gradient", "translate", "translatex",
    "translatey", "translatez", "translate3d", "rotate", "rotatex", "rotatey", "rotatez", "rotate3d",
    "scale", "scalex", "scaley", "scale3d", "skew", "skewx", "skewy", "matrix", "matrix3d", "perspective",
    "repeat", "minmax", "fit-content",
})  # fmt: skip

_PLAIN = frozenset({"ident", "number", "percentage", "dimension", "hash", "string", "whitespace"})

_LITERALS = frozenset(",/+-*")

_POSITIONS = frozenset({"relative", "absolute", "static"})  # fixed and sticky would cover the page's own text


class _UnsafeValue(Exception):
    """A value has a part that is not allowed."""


def safe_style(style: str, image: ImageCss) -> str:
    """Return the harmless declarations of a style; `image` gives the CSS for an image, None for nothing.

    Declarations that hide text are removed as well: there is no script to show it again.
    """
    if len(style) > MAX_STYLE:
        return ""
    safe: dict[str, str] = {}
    for declaration in _declarations(style):
        if declaration.type == "declaration" and declaration.lower_name in _PROPERTIES:
            value = _safe_value(declaration.value, image)
            if value and not _hides_text(declaration.lower_name, value):
                safe[declaration.lower_name] = value + ("!important" if declaration.important else "")
    return ";".join(f"{name}:{value}" for name, value in _without_clipping(safe).items())


def _declarations(style: str) -> list[Any]:
    try:
        return list(tinycss2.parse_blocks_contents(style, skip_comments=True, skip_whitespace=True))
    except ValueError:  # a number of more digits than Python reads
        return []


def image_addresses(style: str) -> list[str]:
    """Return the addresses of a style's images, in order."""
    addresses: dict[str, None] = {}
    safe_style(style, addresses.setdefault)
    return list(addresses)


def _safe_value(tokens: Iterable[Any], image: ImageCss) -> str:
    try:
        parts = [_safe_token(token, image, 0) for token in tokens]
    except _UnsafeValue:
        return ""
    while parts and parts[-1].isspace():  # not strip(): a value may end in an escaped space
        parts.pop()
    return "".join(parts).lstrip()


def _safe_token(token: Any, image: ImageCss, depth: int) -> str:
    if token.type in _PLAIN or (token.type == "literal" and token.value in _LITERALS):
        return str(token.serialize())
    if token.type == "comment":
        return " "
    if (address := _url_of(token)) is not None:
        return image(address) or "none"
    if depth < MAX_NESTING and token.type == "function" and token.lower_name in _FUNCTIONS:
        inner = "".join(_safe_token(part, image, depth + 1) for part in token.arguments)
        return f"{serialize_identifier(token.lower_name)}({inner})"
    if 0 < depth < MAX_NESTING and token.type == "() block":
        return "(" + "".join(_safe_token(part, image, depth + 1) for part in token.content) + ")"
    raise _UnsafeValue


def _url_of(token: Any) -> str | None:
    """Return the address of url(…), with or without quotes; None for another token."""
    if token.type == "url":
        return str(token.value)
    if token.type == "function" and token.lower_name == "url":
        inner = [part for part in token.arguments if part.type not in ("whitespace", "comment")]
        return str(inner[0].value) if len(inner) == 1 and inner[0].type == "string" else ""
    return None


def _hides_text(name: str, value: str) -> bool:
    match name:
        case "display":
            return value.lower() == "none"
        case "position":
            return value.lower() not in _POSITIONS
        case "opacity":
            return _fraction(value) < MIN_OPACITY
    return False


def _fraction(value: str) -> float:
    try:
        return float(value.removesuffix("%")) / (100 if value.endswith("%") else 1)
    except ValueError:
        return 1


def _without_clipping(style: dict[str, str]) -> dict[str, str]:
    """Remove a height of zero that clips the content: WeChat's scripts would open it at a touch."""
    clips = "hidden" in style.get("overflow", "") + style.get("overflow-y", "")
    removed = [name for name in ("height", "max-height") if clips and _is_zero(style.get(name, ""))]
    return {name: value for name, value in style.items() if name not in removed}


def _is_zero(value: str) -> bool:
    return value.removesuffix("!important").rstrip("%pxremvhw") in ("0", "0.0")


OWN = "mparchive"  # scheme of placeholders that only we may put into src; prefix of our classes

_TAGS = {
    "a", "abbr", "address", "article", "aside", "audio", "b", "bdi", "bdo", "big", "blockquote", "br",
    "caption", "center", "cite", "code", "col", "colgroup", "dd", "del", "dfn", "div", "dl", "dt", "em",
    "figcaption", "figure", "font", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img",
    "ins", "kbd", "li", "mark", "ol", "p", "pre", "q", "rb", "rp", "rt", "rtc", "ruby", "s",
    "samp", "section", "small", "span", "strike", "strong", "sub", "sup", "table", "tbody", "td", "tfoot",
    "th", "thead", "time", "tr", "tt", "u", "ul", "var", "video", "wbr",
}  # fmt: skip

_CELL = {"colspan", "rowspan", "width", "height", "align", "valign", "bgcolor"}

_ATTRIBUTES = {
    "*": {"style", "class", "dir", "lang", "title", "align"},
    "a": {"href"},
    "img": {"src", "alt", "width", "height"},
    "audio": {"src", "controls", "preload"},
    "video": {"src", "controls", "preload", "poster"},
    "font": {"color", "size", "face"},
    "ol": {"start", "type", "reversed"},
    "ul": {"type"},
    "li": {"value", "type"},
    "table": {"width", "border", "cellpadding", "cellspacing", "bgcolor"},
    "tr": {"bgcolor", "valign"},
    "td": _CELL,
    "th": _CELL,
    "col": {"span", "width"},
    "colgroup": {"span", "width"},
}

_SCHEMES = {"http", "https", "mailto", "tel"}

_REMOVED_WITH_CONTENT = {"script", "style"}  # of other tags that are removed, the content stays

_LOADING = frozenset({"src", "poster"})


class Sources:
    """Placeholders for the addresses that we put into a body, so that they differ from those of the body."""

    def __init__(self) -> None:
        self._addresses: dict[str, str] = {}
        self._known: set[str] = set()

    def put(self, address: str) -> str:
        """Return the placeholder for an address, for src or poster, until the body is made safe."""
        placeholder = f"{OWN}:{len(self._addresses)}"
        self._addresses[placeholder] = address
        self._known.add(address)
        return placeholder

    def __contains__(self, address: object) -> bool:
        return address in self._known

    def get(self, placeholder: str) -> str | None:
        """Return the address of a placeholder; None for anything else."""
        return self._addresses.get(placeholder)


@lru_cache(maxsize=1000)
def loses_words(name: str) -> bool:
    """Return whether the sanitizer removes an element together with its words, as it does with SVG."""
    return name not in _TAGS and not nh3.clean(f"<{name}>x</{name}>", tags=_TAGS)


def make_safe(markup: str, sources: Sources, background: ImageCss) -> str:
    """Return markup in which nothing runs or loads: in src and poster only `sources` stay.

    `background` gives the CSS for the address of a style's image; None removes it.
    """
    styles: dict[str, str] = {}

    def filter_attribute(tag: str, name: str, value: str) -> str | None:
        try:
            return safe_attribute(name, value)
        except Exception:  # nh3 keeps an attribute whose filter raises
            return None

    def safe_attribute(name: str, value: str) -> str | None:
        if name == "style":
            if value not in styles:
                styles[value] = safe_style(value, background)
            return styles[value] or None
        if name in _LOADING:
            return sources.get(value)
        if name == "class":
            return value if value.startswith(f"{OWN}-") else None
        return None if name == "href" and value.startswith(f"{OWN}:") else value

    return nh3.clean(
        markup,
        tags=_TAGS,
        clean_content_tags=_REMOVED_WITH_CONTENT,
        attributes=_ATTRIBUTES,
        attribute_filter=filter_attribute,
        url_schemes=_SCHEMES | {OWN},
        url_relative=lambda address: address if address in sources else None,
        link_rel="noopener noreferrer nofollow",
    )
