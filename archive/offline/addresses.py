"""Addresses as bodies write them."""

from urllib.parse import SplitResult, urljoin, urlsplit

from archive.web_address import clean_url

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
