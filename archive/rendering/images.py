"""Images and links of a body: their addresses cleaned, and compared with those of archived files."""

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

from bs4 import BeautifulSoup, Tag
from bs4.element import Comment, PageElement

from archive.domain.addresses import clean_web_url
from archive.domain.text import unescape

SITE = "https://mp.weixin.qq.com/"

_HOSTS_WITH_SIZES = ("qpic.cn", "qlogo.cn")

_LINK_SCHEMES = frozenset({"http", "https", "mailto", "tel"})


def clean_link(written: str) -> str:
    """Return a link that a reader may follow; "" for anchors of the page, scripts and the like."""
    link = written.strip()
    if not link or link.startswith("#"):
        return ""
    try:
        whole = urljoin(SITE, link)
        return whole if urlsplit(whole).scheme in _LINK_SCHEMES else ""
    except ValueError:
        return ""


def split_address(address: str) -> SplitResult:
    """Return the parts of an address, all empty where it is not valid."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")


def without_scheme(address: str) -> str:
    """Remove the scheme and the fragment, which make no difference to an image."""
    before, slashes, rest = address.partition("#")[0].partition("//")
    return rest if slashes and before in ("", "http:", "https:") else ""


def without_size(address: str) -> str:
    """Remove the size: `…/640?wx_fmt=png` and `…/0?wx_fmt=png` are one image; "" for other hosts."""
    host, _, path = without_scheme(address).partition("?")[0].partition("/")
    return path.rpartition("/")[0] if host.endswith(_HOSTS_WITH_SIZES) else ""


MAX_SIDE = 20_000  # pixels; a claim of more is ignored

MAX_INLINE = 1024 * 1024  # characters of an image written into the body itself

_INLINE = re.compile(r"data:image/(?:png|jpeg|jpg|gif|webp|bmp);base64,[A-Za-z0-9+/=\s]{1,1048576}", re.I)

_EMOJI_HOST = "res.wx.qq.com"

_EMOJI = re.compile(r"\[\S{1,20}\]")

_SOURCES = ("data-src", "src", "data-backsrc", "data-croporisrc", "data-original")

_SETS = ("srcset", "data-srcset")  # several sizes of one image


def normalize_images(soup: BeautifulSoup) -> None:
    """Give each image its address in `src` and its size; remove images without an address."""
    _complete_pictures(soup)
    _style_backgrounds(soup)
    for image in soup.find_all("img"):
        if image.decomposed:
            continue
        source = _source(image)
        if not source:
            image.decompose()
            continue
        kept = {"src": source, **size_of(image)}
        kept |= {name: str(image[name]) for name in ("alt", "style", "title") if image.get(name)}
        image.attrs.clear()
        image.attrs.update(kept)


def _source(image: Tag) -> str:
    written = [str(image[name]) for name in _SOURCES if image.get(name)]
    written += [_first_of_set(str(image[name])) for name in _SETS if image.get(name)]
    found = next(filter(None, map(clean_web_url, written)), "")
    return found or next((inline for inline in written if is_inline(inline)), "")


def _first_of_set(written: str) -> str:
    """Return the first address of a set of sizes, as `a.png 1x, b.png 2x`."""
    return next(iter(written.split()), "").rstrip(",")


def _complete_pictures(soup: BeautifulSoup) -> None:
    """Give the image of a `picture` without an address that of the first source."""
    for picture in soup.find_all("picture"):
        image, source = picture.find("img"), picture.find("source")
        if image is not None and source is not None and not _source(image):
            image["srcset"] = str(source.get("srcset") or source.get("data-srcset") or "")


def _style_backgrounds(soup: BeautifulSoup) -> None:
    """Write the background images that attributes give as styles, which are shown.

    Entities in styles are decoded: some editors escape the quotes around an address twice.
    """
    for tag in soup.find_all(style=lambda style: bool(style and "&" in style)):
        tag["style"] = unescape(str(tag["style"]))
    for name in ("background", "data-lazy-bgimg"):
        for tag in soup.find_all(lambda one, name=name: bool(one.get(name))):
            address = re.sub(r"[\s\"'()\\]", "", clean_web_url(str(tag[name])))
            if address and "background" not in str(tag.get("style", "")).replace("background-color", ""):
                style = str(tag.get("style", "")).rstrip("; ")
                tag["style"] = f"{style};background-image:url({address})".lstrip(";")


def is_inline(source: str) -> bool:
    """Return whether an image is a harmless data: address, written into the body itself."""
    return len(source) <= MAX_INLINE and bool(_INLINE.fullmatch(source))


def emoji_words(image: Tag) -> str:
    """Return the words that stand for an emoji of WeChat, as [微笑]; "" for other images."""
    words = str(image.get("alt") or "")
    return (
        words
        if split_address(str(image.get("src"))).hostname == _EMOJI_HOST and _EMOJI.fullmatch(words)
        else ""
    )


def size_of(image: Tag) -> dict[str, str]:
    """Return width and height in pixels, where the page has both."""
    width = _number(image.get("data-w")) or _number(image.get("width"))
    ratio = _number(image.get("data-ratio"))
    height = width * ratio if ratio else _number(image.get("height"))
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE):
        return {}
    return {"width": str(round(width)), "height": str(round(height))}


def _number(written: object) -> float:
    text = str(written or "").strip().removesuffix("px")
    return float(text) if re.fullmatch(r"\d{1,9}(?:\.\d{1,20})?", text) else 0


class FastIndexTag(Tag):
    """An element that searches its children near the one it found last.

    Beautiful Soup searches from the first child, so that changes to a body with many siblings would take
    time by the square of their number. Changes are made in the order of the document.
    """

    _last_index = 0  # of the child found last

    def index(self, element: PageElement) -> int:
        """Return the index of a child, by identity. Raises ValueError where it is no child."""
        contents = self.contents
        low = high = min(self._last_index, len(contents) - 1)
        while low >= 0 or high < len(contents):
            if low >= 0 and contents[low] is element:
                self._last_index = low
                return low
            if high < len(contents) and contents[high] is element:
                self._last_index = high
                return high
            low -= 1
            high += 1
        raise ValueError("not a child of this element")


_CLASSES: dict[Any, Any] = {Tag: FastIndexTag}

_FACTORY = BeautifulSoup("", "lxml", element_classes=_CLASSES)  # its elements may be put into any tree


def parse_html(markup: str) -> BeautifulSoup:
    """Return the tree of a markup, whose elements are cheap to move."""
    return BeautifulSoup(markup, "lxml", element_classes=_CLASSES)


def ancestor_ids(elements: Iterable[PageElement]) -> set[int]:
    """Return the id() of every ancestor of these elements."""
    known: set[int] = set()
    for element in elements:
        ancestor = element.parent
        while ancestor is not None and id(ancestor) not in known:
            known.add(id(ancestor))
            ancestor = ancestor.parent
    return known


def texts_in(tree: Tag) -> Iterable[PageElement]:
    """Yield the texts of a tree, without comments and white space."""
    return (node for node in tree.descendants if not isinstance(node, (Tag, Comment)) and str(node).strip())


def new_element(name: str, text: str = "", **attributes: str) -> Tag:
    """Return a new element; `class_` is its class."""
    element = _FACTORY.new_tag(name, attrs={key.rstrip("_"): value for key, value in attributes.items()})
    if text:
        element.string = text
    return element
