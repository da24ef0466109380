"""Checks that an SVG only draws: no script, no embedded page, nothing external. No I/O, no clock."""

import re
from collections.abc import Iterator

import tinycss2
from lxml import etree

from crawler.media.content import NotMedium

MAX_SVG_BYTES = 8 * 1024 * 1024  # drawings in posts have some kB

MAX_ELEMENTS = 200_000

MAX_SIDE = 100_000  # pixels; a larger size is ignored

_SVG = "http://www.w3.org/2000/svg"

_XLINK = "http://www.w3.org/1999/xlink"

_XML = "http://www.w3.org/XML/1998/namespace"

# Of drawing programs. Browsers ignore elements and attributes of these namespaces.
_EDITORS = (
    "http://www.inkscape.org/namespaces/inkscape",
    "http://sodipodi.sourceforge.net/DTD/sodipodi-0.dtd",
    "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "http://creativecommons.org/ns#",
    "http://web.resource.org/cc/",
    "http://purl.org/dc/",
    "adobe:ns:meta/",
    "http://ns.adobe.com/",
    "http://www.bohemiancoding.com/sketch/",
    "http://www.figma.com/",
    "http://www.serif.com/",
    "http://www.corel.com/",
    "http://vectornator.io",
    "https://boxy-svg.com",
)


def _names(text: str) -> frozenset[str]:
    """Return the names in a text, separated by white space."""
    return frozenset(text.split())


_ELEMENTS = _names(
    """
    svg g defs symbol use switch a title desc metadata view style image path rect circle ellipse line
    polyline polygon text tspan textPath tref linearGradient radialGradient meshgradient stop pattern
    clipPath mask marker filter feBlend feColorMatrix feComponentTransfer feComposite feConvolveMatrix
    feDiffuseLighting feDisplacementMap feDistantLight feDropShadow feFlood feFuncA feFuncB feFuncG
    feFuncR feGaussianBlur feImage feMerge feMergeNode feMorphology feOffset fePointLight
    feSpecularLighting feSpotLight feTile feTurbulence animate animateColor animateMotion
    animateTransform mpath set font font-face font-face-src font-face-name glyph missing-glyph hkern
    vkern
    """
)

# What may hold CSS: presentation attributes, and the values of animations.
_STYLES = _names(
    """
    style alignment-baseline backdrop-filter background background-color baseline-shift clip clip-path
    clip-rule color color-interpolation color-interpolation-filters color-profile color-rendering cursor
    direction display dominant-baseline enable-background fill fill-opacity fill-rule filter flood-color
    flood-opacity font font-family font-feature-settings font-kerning font-size font-size-adjust
    font-stretch font-style font-variant font-variant-caps font-variant-ligatures font-weight
    glyph-orientation-horizontal glyph-orientation-vertical image-rendering isolation kerning
    letter-spacing lighting-color line-height marker marker-end marker-mid marker-start mask mask-type
    mix-blend-mode opacity overflow paint-order pointer-events shape-rendering stop-color stop-opacity
    stroke stroke-dasharray stroke-dashoffset stroke-linecap stroke-linejoin stroke-miterlimit
    stroke-opacity stroke-width text-align text-anchor text-decoration text-orientation text-rendering
    text-transform transform transform-origin unicode-bidi vector-effect visibility white-space
    will-change word-spacing writing-mode x-height from to by values
    """
)

_ATTRIBUTES = _STYLES | _names(
    """
    accumulate additive alphabetic amplitude arabic-form ascent attributeName attributeType azimuth
    baseFrequency baseProfile bbox begin bias calcMode cap-height class clipPathUnits contentScriptType
    contentStyleType cx cy d descent diffuseConstant divisor dur dx dy edgeMode elevation end exponent
    externalResourcesRequired filterRes filterUnits focusable fr fx fy g1 g2 glyph-name glyphRef
    gradientTransform gradientUnits hanging height horiz-adv-x horiz-origin-x horiz-origin-y href id
    ideographic in in2 intercept k k1 k2 k3 k4 kernelMatrix kernelUnitLength keyPoints keySplines
    keyTimes lang lengthAdjust limitingConeAngle markerHeight markerUnits markerWidth maskContentUnits
    maskUnits mathematical max media method min mode name numOctaves offset operator order orient
    orientation origin overline-position overline-thickness p-id panose-1 path pathLength
    patternContentUnits patternTransform patternUnits points pointsAtX pointsAtY pointsAtZ preserveAlpha
    preserveAspectRatio primitiveUnits r radius refX refY repeatCount repeatDur requiredExtensions
    requiredFeatures restart result role rotate rx ry scale seed slope space spacing specularConstant
    specularExponent spreadMethod startOffset stdDeviation stemh stemv stitchTiles
    strikethrough-position strikethrough-thickness string surfaceScale systemLanguage t tabindex
    tableValues target targetX targetY textLength title type u1 u2 underline-position
    underline-thickness unicode unicode-range units-per-em v-alphabetic v-hanging v-ideographic
    v-mathematical version vert-adv-y vert-origin-x vert-origin-y viewBox viewTarget width widths x x1
    x2 xChannelSelector y y1 y2 yChannelSelector z zoomAndPan
    """
)

_LABELS = ("data-", "aria-")  # attributes that begin so have no effect

_QUALIFIED = {
    _XLINK: frozenset({"href", "title", "type", "role", "arcrole", "show", "actuate"}),
    _XML: frozenset({"space", "lang", "id"}),
}

_WITH_IMAGES = frozenset({"image", "feImage"})  # whose address may be an image within the address

# CSS functions that neither load nor insert anything; url() is checked on its own.
_FUNCTIONS = _names(
    """
    rgb rgba hsl hsla hwb lab lch oklab oklch color color-mix light-dark icc-color device-cmyk calc min
    max clamp round mod rem abs sign sin cos tan asin acos atan atan2 pow sqrt hypot log exp var env
    matrix matrix3d translate translatex translatey translatez translate3d scale scalex scaley scalez
    scale3d rotate rotatex rotatey rotatez rotate3d skew skewx skewy perspective inset circle ellipse
    polygon path rect xywh ray blur brightness contrast drop-shadow grayscale hue-rotate invert opacity
    saturate sepia linear-gradient radial-gradient conic-gradient repeating-linear-gradient
    repeating-radial-gradient repeating-conic-gradient cubic-bezier steps linear local format not is
    where has nth-child nth-last-child nth-of-type nth-last-of-type lang dir
    """
)

_RULES = frozenset({"charset", "media", "supports", "layer", "keyframes", "-webkit-keyframes", "font-face"})

# The document types of SVG itself, which no browser loads; any other may declare attributes and entities.
_DOCTYPE = re.compile(
    rb"""<!DOCTYPE\s+svg(?:\s+PUBLIC\s+(["'])-//W3C//DTD\ SVG\ [\w./ ]{1,40}\1
    \s*(["'])https?://www\.w3\.org/[\w./-]{1,100}\2)?\s*>""",
    re.VERBOSE,
)

_ENCODINGS = ("UTF-8", "US-ASCII", "ASCII")

_EMBEDDED = re.compile(r"data:image/(?:png|jpeg|jpg|gif|webp);base64,", re.IGNORECASE)

_BLANKS = re.compile(r"[\x00-\x20\x7f]+")

_START = re.compile(
    rb"(?:<\?[^>]*>|<!--.*?-->|<!DOCTYPE[^>\[]*(?:\[.*?\]\s*)?>|\s+)*+<(?:\w+:)?svg[\s>/]", re.S | re.I
)

_NUMBER = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(?:px)?\s*")


def is_svg(body: bytes) -> bool:
    """Tell whether the bytes begin as an SVG does."""
    return bool(_START.match(body[:4096].removeprefix(b"\xef\xbb\xbf")))


def svg_size(body: bytes) -> tuple[int | None, int | None]:
    """Return width and height in pixels where given. Raises NotMedium when it does more than draw.

    Elements, attributes and CSS that are not known to be harmless are refused.
    """
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
    if body.count(b"<!DOCTYPE") != len(_DOCTYPE.findall(body)):
        raise NotMedium("crawler.svg.document_type")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise NotMedium("crawler.svg.broken", error=str(error)[:120]) from None
    if root.tag not in (f"{{{_SVG}}}svg", "svg"):
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
    name = etree.QName(element)
    if (name.namespace or "").startswith(_EDITORS):
        return
    if name.namespace not in (None, _SVG) or name.localname not in _ELEMENTS:
        raise NotMedium("crawler.svg.active_element", element=name.localname[:40])
    if name.localname == "style":
        _check_style(_own_text(element))
    for attribute, value in element.items():
        _check_attribute(name.localname, etree.QName(attribute), str(value))


def _own_text(element: etree._Element) -> str:
    """Return the text of an element as browsers read a style: without that of comments and elements in it."""
    return (element.text or "") + "".join(child.tail or "" for child in element)


def _check_attribute(element: str, attribute: etree.QName, value: str) -> None:
    name = attribute.localname
    if attribute.namespace:
        if attribute.namespace.startswith(_EDITORS):
            return
        known = name in _QUALIFIED.get(attribute.namespace, ())
    else:
        known = name in _ATTRIBUTES or name.startswith(_LABELS)
    if not known:
        event = name.lower().startswith("on")
        code = "crawler.svg.event_handler" if event else "crawler.svg.attribute"
        raise NotMedium(code, attribute=name[:40])
    if name == "href":
        _check_target(value, embedded=element in _WITH_IMAGES)
    elif name == "attributeName":
        _check_animated(value.strip())
    elif name in _STYLES:
        _check_style(value)


def _check_animated(name: str) -> None:
    if name in ("href", "style") or name not in _ATTRIBUTES:
        raise NotMedium("crawler.svg.animated_address")


def _check_target(address: str, *, embedded: bool = False) -> None:
    """Raise NotMedium unless an address is a part of the same file, or an image where one may be embedded."""
    bare = _BLANKS.sub("", address)
    if bare and not bare.startswith("#") and not (embedded and _EMBEDDED.match(bare)):
        if bare.lower().startswith(("javascript:", "vbscript:", "data:text")):
            raise NotMedium("crawler.svg.script", attribute="href")
        raise NotMedium("crawler.svg.external")


def _check_style(css: str) -> None:
    """Raise NotMedium when CSS loads something, or uses what is not known to be harmless."""
    if "(" not in css and "@" not in css and "\\" not in css:
        return
    parsed = tinycss2.parse_component_value_list(css, skip_comments=True)
    for node in _nodes(parsed):
        if node.type == "url":
            _check_target(node.value)
        elif node.type == "function" and node.lower_name == "url":
            _check_target("".join(one.value for one in node.arguments if one.type == "string"))
        elif node.type == "function" and node.lower_name not in _FUNCTIONS:
            raise NotMedium("crawler.svg.style", rule=f"{node.lower_name[:40]}()")
        elif node.type == "at-keyword" and node.lower_value not in _RULES:
            raise NotMedium("crawler.svg.style", rule=f"@{node.lower_value[:40]}")
        elif node.type == "error" and node.kind in ("bad-url", "bad-string"):
            raise NotMedium("crawler.svg.style", rule=node.kind)


def _nodes(nodes: list[tinycss2.ast.Node]) -> Iterator[tinycss2.ast.Node]:
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(getattr(node, "arguments", None) or getattr(node, "content", None) or ())


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
