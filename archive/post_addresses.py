"""Finding the addresses of posts in what others write. Pure."""

import re
from collections.abc import Iterator
from itertools import islice
from urllib.parse import parse_qsl, urlsplit

from archive.address import HOST, parse_address
from archive.errors import AddressError

MAX_LINKS = 1000  # of one text
# What ends an address: space, quotes, brackets, and whatever Chinese goes on behind it without a space.
_REST = r"[^\s\"'<>\\\],\u2013-\u2026\u2e80-\uffff]+"
_LINK = re.compile(rf"https?://{re.escape(HOST)}/(?:s[/?]|mp/appmsg/show\?){_REST}")
_ANY = re.compile(rf"https?://{_REST}", re.IGNORECASE)
_AMPERSAND = re.compile(r"&(?:amp;)+")
_END = re.compile(r"&(?:quot|apos|lt|gt|nbsp|#\d+|#x[0-9a-fA-F]+);")  # none of them is part of an address


def is_post(url: str) -> bool:
    """Whether this is the address of a post on mp.weixin.qq.com."""
    try:
        parse_address(url)
    except AddressError:
        return False
    return True


def in_text(text: str) -> list[str]:
    r"""The addresses of posts in a text, its HTML or JSON (http:\/\/…&amp;…), each once, in order."""
    found: dict[str, None] = {}
    for url in _found(_LINK, text):
        if is_post(url):
            found[url] = None
            if len(found) >= MAX_LINKS:
                break
    return list(found)


def others_in_text(text: str) -> list[str]:
    """The http(s) addresses that `in_text` leaves out, each once, in order; none that holds a post's."""
    urls = dict.fromkeys(islice(_found(_ANY, text), MAX_LINKS))
    return [url for url in urls if not in_text(url)]


def without_addresses(text: str) -> str:
    """What a text says beside its addresses, in one line."""
    return " ".join(_ANY.sub(" ", text.replace("\\/", "/")).split())


def _found(pattern: re.Pattern[str], text: str) -> Iterator[str]:
    for match in pattern.finditer(text.replace("\\/", "/")):
        yield _END.split(_AMPERSAND.sub("&", match[0]), maxsplit=1)[0].rstrip(".,;:!?)")


def embedded(url: str) -> str:
    """The address of a post that another address carries as a parameter; empty where it carries none."""
    try:
        values = [value for _, value in parse_qsl(urlsplit(url).query, max_num_fields=50)]
    except ValueError:
        return ""
    return next((value for value in values if is_post(value)), "")
