"""Addresses as bodies write them."""

import re
from urllib.parse import SplitResult, urljoin, urlsplit

from bs4 import BeautifulSoup, Tag

from archive.domain.addresses import clean_url

SITE = "https://mp.weixin.qq.com/"

_SCALING = ("qpic.cn", "qlogo.cn")

_FOLLOWED = frozenset({"http", "https", "mailto", "tel"})


def clean_address(written: str) -> str:
    """An image's address, as reading a page cleans it; "" for what is none on the web."""
    address = clean_url(written)
    return address if address.lower().startswith(("http://", "https://")) else ""


def clean_link(written: str) -> str:
    """What a reader may follow; "" for anchors of the page, scripts and the like."""
    link = written.strip()
    if not link or link.startswith("#"):
        return ""
    try:
        whole = urljoin(SITE, link)
        return whole if urlsplit(whole).scheme in _FOLLOWED else ""
    except ValueError:
        return ""


def parts_of(address: str) -> SplitResult:
    """The parts of an address, all empty where it is none."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")


def without_scheme(address: str) -> str:
    """http and https lead to the same image, and a fragment to no other."""
    return address.partition("#")[0].partition("://")[2]


def without_size(address: str) -> str:
    """`…/640?wx_fmt=png` and `…/0?wx_fmt=png` are one picture in two sizes; "" of hosts without sizes."""
    host, _, path = without_scheme(address).partition("?")[0].partition("/")
    return path.rpartition("/")[0] if host.endswith(_SCALING) else ""


MAX_SIDE = 20_000  # pixels; what claims more is not believed

MAX_INLINE = 1024 * 1024  # characters of an image written into the body itself

_INLINE = re.compile(r"data:image/(?:png|jpeg|jpg|gif|webp|bmp);base64,[A-Za-z0-9+/=\s]{1,1048576}", re.I)

_SOURCES = ("data-src", "src", "data-backsrc", "data-croporisrc", "data-original")


def put_pictures(soup: BeautifulSoup) -> None:
    """Give each image its address in `src`, and its size; an image without an address goes."""
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
    found = next(filter(None, map(clean_address, written)), "")
    return found or next((inline for inline in written if is_inline(inline)), "")


def is_inline(source: str) -> bool:
    """Whether an image is written into the body itself, and harmless."""
    return len(source) <= MAX_INLINE and bool(_INLINE.fullmatch(source))


def size_of(image: Tag) -> dict[str, str]:
    """Width and height in pixels, where the page tells both."""
    width = _number(image.get("data-w")) or _number(image.get("width"))
    ratio = _number(image.get("data-ratio"))
    height = width * ratio if ratio else _number(image.get("height"))
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE):
        return {}
    return {"width": str(round(width)), "height": str(round(height))}


def _number(written: object) -> float:
    text = str(written or "").strip().removesuffix("px")
    return float(text) if re.fullmatch(r"\d{1,9}(?:\.\d{1,20})?", text) else 0
