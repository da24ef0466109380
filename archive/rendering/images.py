"""Images and links of a body: their addresses cleaned, and compared with those of archived files."""

import re
from urllib.parse import SplitResult, urljoin, urlsplit

from bs4 import BeautifulSoup, Tag

from archive.domain.addresses import clean_url

SITE = "https://mp.weixin.qq.com/"

_HOSTS_WITH_SIZES = ("qpic.cn", "qlogo.cn")

_LINK_SCHEMES = frozenset({"http", "https", "mailto", "tel"})


def clean_address(written: str) -> str:
    """Clean an image's address as the parser does; "" for what is no address on the web."""
    address = clean_url(written)
    return address if address.lower().startswith(("http://", "https://")) else ""


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
    return address.partition("#")[0].partition("://")[2]


def without_size(address: str) -> str:
    """Remove the size: `…/640?wx_fmt=png` and `…/0?wx_fmt=png` are one image; "" for other hosts."""
    host, _, path = without_scheme(address).partition("?")[0].partition("/")
    return path.rpartition("/")[0] if host.endswith(_HOSTS_WITH_SIZES) else ""


MAX_SIDE = 20_000  # pixels; a claim of more is ignored

MAX_INLINE = 1024 * 1024  # characters of an image written into the body itself

_INLINE = re.compile(r"data:image/(?:png|jpeg|jpg|gif|webp|bmp);base64,[A-Za-z0-9+/=\s]{1,1048576}", re.I)

_SOURCES = ("data-src", "src", "data-backsrc", "data-croporisrc", "data-original")


def normalize_images(soup: BeautifulSoup) -> None:
    """Give each image its address in `src` and its size; remove images without an address."""
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
    """Return whether an image is a harmless data: address, written into the body itself."""
    return len(source) <= MAX_INLINE and bool(_INLINE.fullmatch(source))


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
