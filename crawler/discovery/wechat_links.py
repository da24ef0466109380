"""Finding the addresses of posts in what others write. Pure."""

import re
from urllib.parse import parse_qsl, urlsplit

from archive.address import HOST, parse_address
from archive.errors import AddressError

MAX_LINKS = 1000  # of one text
_LINK = re.compile(rf"https?://{re.escape(HOST)}/(?:s[/?]|mp/appmsg/show\?)[^\s\"'<>\\\],）】」，。、；]+")
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
    for match in _LINK.finditer(text.replace("\\/", "/")):
        url = _END.split(_AMPERSAND.sub("&", match[0]), maxsplit=1)[0].rstrip(".,;:!?)")
        if is_post(url):
            found[url] = None
            if len(found) >= MAX_LINKS:
                break
    return list(found)


def embedded(url: str) -> str:
    """The address of a post that another address carries as a parameter; empty where it carries none."""
    try:
        values = [value for _, value in parse_qsl(urlsplit(url).query, max_num_fields=50)]
    except ValueError:
        return ""
    return next((value for value in values if is_post(value)), "")
