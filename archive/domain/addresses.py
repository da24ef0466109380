"""Addresses of posts on mp.weixin.qq.com: which post one names, and how to write it down.

`chksm` is part of the address to fetch (without it the server asks for verification) but not of the
identity of the post.
"""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit, urlunsplit

from archive.domain.errors import AddressError
from archive.domain.pg_text import storable

HOST = "mp.weixin.qq.com"

_SHORT = re.compile(r"/s/([A-Za-z0-9_-]{10,64})/?")

_BIZ = re.compile(r"[A-Za-z0-9+/=_-]{1,64}")  # base64 of a number; real ones have 16 characters

_MID, _IDX = re.compile(r"[0-9]{1,18}"), re.compile(r"[0-9]{1,3}")  # they fit a 64-bit column

MAX_LENGTH = 2048  # bytes, for an entry of a Postgres index holds 2700; real ones stay under 400

# Of the reader's own session. They are no part of a post's address, so they are not even sent.
SESSION_NAMES = frozenset(
    {
        "access_token",
        "appmsg_token",
        "exportkey",
        "key",
        "pass_ticket",
        "token",
        "uin",
        "wap_sid2",
        "wxtoken",
        "wxuin",
    }
)


@dataclass(frozen=True, slots=True)
class Address:
    """One address of a post. Either biz, mid and idx are known, or the short link's token is."""

    url: str
    biz: str = ""
    mid: str = ""
    idx: str = ""
    sn: str = ""
    chksm: str = ""
    token: str = ""

    @property
    def aid(self) -> str | None:
        """`<mid>_<idx>`, the dedupe key within the account; None while only a short link is known."""
        return f"{self.mid}_{self.idx}" if self.mid else None

    @property
    def key(self) -> str:
        """What makes two addresses one: the post's identity where it is known, else the short token."""
        return f"{self.biz}:{self.mid}:{self.idx}" if self.mid else f"s/{self.token}"

    @property
    def fetch_url(self) -> str:
        """The https address to ask the server for: everything it was given with, without the fragment."""
        parts = urlsplit(self.url)
        query = f"?{parts.query}" if parts.query else ""
        return f"https://{HOST}{parts.path}{query}"


def canonical_url(biz: str, mid: str, idx: str, sn: str, chksm: str = "") -> str:
    """The address as the dump writes it; `chksm` only where it is known."""
    tail = f"&chksm={chksm}" if chksm else ""
    return f"http://{HOST}/s?__biz={biz}&mid={mid}&idx={idx}&sn={sn}{tail}#rd"


def parse_address(text: str) -> Address:
    """Read one address; raises AddressError saying in a sentence what is wrong with it."""
    url = text.strip().replace("&amp;", "&")
    length = len(url.encode("utf-8", "surrogatepass"))
    if length > MAX_LENGTH:
        raise AddressError(f"address of {length} bytes, at most {MAX_LENGTH} are taken")
    if storable(url) != url:  # what is stored in its place might be no address
        raise AddressError(f"{url[:120]!a} holds a character that no address has")
    parts = _split(url)
    short = _SHORT.fullmatch(parts.path)
    if short:
        return Address(url=url, token=short[1])
    if parts.path not in ("/s", "/mp/appmsg/show"):
        raise AddressError(f"{url[:120]} is not the address of a post (…/s?__biz=… or …/s/…)")
    return _long(url, dict(parse_qsl(parts.query, keep_blank_values=True)))


def without_session(url: str) -> str:
    """The address without the reader's session parameters; otherwise the very same characters."""
    parts = urlsplit(url)
    kept = [
        piece for piece in parts.query.split("&") if unquote(piece.partition("=")[0]) not in SESSION_NAMES
    ]
    return urlunsplit(parts._replace(query="&".join(kept)))


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise AddressError(f"{url[:120]} is not an address") from None
    if parts.scheme not in ("http", "https"):
        raise AddressError(f"{url[:120]} is not an http(s) address")
    if parts.hostname != HOST:
        raise AddressError(f"{url[:120]} is on host {parts.hostname!r}; only {HOST} is archived")
    if port is not None or parts.username is not None:
        raise AddressError(f"{url[:120]} names a port or a user; give the plain {HOST} address")
    return parts


def _long(url: str, query: dict[str, str]) -> Address:
    biz = query.get("__biz", "")
    mid = query.get("mid") or query.get("appmsgid", "")
    idx = query.get("idx") or query.get("itemidx", "")
    if not (_BIZ.fullmatch(biz) and _MID.fullmatch(mid) and _IDX.fullmatch(idx)):
        raise AddressError(f"{url[:120]} lacks __biz, mid or idx; copy the whole address of the post")
    return Address(url, biz, mid, idx, query.get("sn", ""), query.get("chksm", ""))


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


# Only with the semicolon: `&region=1` is a parameter, not ®ion=1.
_ENTITY = re.compile(r"&(?:[A-Za-z][A-Za-z0-9]{1,31}|#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6});")

_BREAKS = re.compile(r"[\t\r\n]")


def clean_url(url: str) -> str:
    """An address without the entities that some lists carry twice; scheme-less ones become https."""
    decoded = _BREAKS.sub("", _decoded(_decoded(url))).strip()
    return f"https:{decoded}" if decoded.startswith("//") else decoded


def _decoded(text: str) -> str:
    return _ENTITY.sub(lambda found: html.unescape(found[0]), text) if "&" in text else text
