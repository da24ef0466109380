"""Addresses as bodies write them."""

import html
from urllib.parse import urljoin, urlsplit

SITE = "https://mp.weixin.qq.com/"
_FOLLOWED = frozenset({"http", "https", "mailto", "tel"})


def clean_address(written: str) -> str:
    """An image's address without the entities some carry twice; "" for what is none on the web."""
    decoded = html.unescape(html.unescape(written)).strip()
    address = f"https:{decoded}" if decoded.startswith("//") else decoded
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


def without_size(address: str) -> str:
    """`…/640?wx_fmt=png` and `…/0?wx_fmt=png` are one picture in two sizes, on whichever host."""
    path = address.partition("?")[0].partition("://")[2].partition("/")[2]
    return path.rpartition("/")[0]
