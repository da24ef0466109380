"""Making a body safe: an allow-list of tags, attributes and styles, by an HTML5 parser.

What comes out is put into pages as it is: this is always the last step.
"""

import nh3

from archive.offline.style import Image, safe_style

OWN = "mparchive"  # scheme of what only our own steps may put into src; prefix of our classes
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
_WITH_CONTENT = {"script", "style"}  # go with what they hold; of any other tag that goes, the words stay
_LOADED = frozenset({"src", "poster"})


class Sources:
    """Addresses that our own steps put into a body, to be known from those that stood there before."""

    def __init__(self) -> None:
        self._addresses: dict[str, str] = {}
        self._known: set[str] = set()

    def put(self, address: str) -> str:
        """What stands for an address in src or poster until the body is made safe."""
        stands_for = f"{OWN}:{len(self._addresses)}"
        self._addresses[stands_for] = address
        self._known.add(address)
        return stands_for

    def __contains__(self, address: object) -> bool:
        return address in self._known

    def get(self, stands_for: str) -> str | None:
        """The address for what `put` answered; None for anything else."""
        return self._addresses.get(stands_for)


def make_safe(markup: str, sources: Sources, background: Image) -> str:
    """The markup with nothing in it that acts or loads: only `sources` are left in src and poster.

    `background` gives the CSS for the address of a style's image; None drops it.
    """
    styles: dict[str, str] = {}

    def attribute(tag: str, name: str, value: str) -> str | None:
        try:
            return kept(name, value)
        except Exception:  # the library would let pass what this raises about
            return None

    def kept(name: str, value: str) -> str | None:
        if name == "style":
            if value not in styles:
                styles[value] = safe_style(value, background)
            return styles[value] or None
        if name in _LOADED:
            return sources.get(value)
        if name == "class":
            return value if value.startswith(f"{OWN}-") else None
        return None if name == "href" and value.startswith(f"{OWN}:") else value

    return nh3.clean(
        markup,
        tags=_TAGS,
        clean_content_tags=_WITH_CONTENT,
        attributes=_ATTRIBUTES,
        attribute_filter=attribute,
        url_schemes=_SCHEMES | {OWN},
        url_relative=lambda address: address if address in sources else None,
        link_rel="noopener noreferrer nofollow",
    )
