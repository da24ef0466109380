"""Parse addresses of posts on mp.weixin.qq.com.

`chksm` is part of the address to fetch (without it the server asks for verification) but not of the
identity of the post.
"""

import html
import re
import unicodedata
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from archive.domain.errors import AddressError
from archive.domain.text import UNSTORABLE

HOST = "mp.weixin.qq.com"

_SHORT = re.compile(r"/s/([A-Za-z0-9_-]{10,64})/?")

_BIZ = re.compile(r"[A-Za-z0-9+/=_-]{1,64}")  # base64 of a number; real ones have 16 characters

_MID, _IDX = re.compile(r"[0-9]{1,18}"), re.compile(r"[0-9]{1,3}")  # they fit a 64-bit column

MAX_ADDRESS_BYTES = 2048  # bytes, for an entry of a Postgres index holds 2700; real ones stay under 400

# Parameters of the reader's own session: not part of a post's address, so they are not even sent.
SESSION_NAMES = frozenset(
    {
        "access_token",
        "appmsg_token",
        "data_ticket",
        "exportkey",
        "exportkey_token",
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
class PostAddress:
    """An address of a post. Either biz, mid and idx are known, or the short link's token is."""

    url: str
    biz: str = ""
    mid: str = ""
    idx: str = ""
    sn: str = ""
    chksm: str = ""
    token: str = ""

    @property
    def aid(self) -> str | None:
        """Return `<mid>_<idx>`, unique within the account; None while only a short link is known."""
        return f"{self.mid}_{self.idx}" if self.mid else None

    @property
    def key(self) -> str:
        """Return what equal addresses share: the post's identity where known, else the short link's token."""
        return f"{self.biz}:{self.mid}:{self.idx}" if self.mid else f"s/{self.token}"

    @property
    def is_bare(self) -> bool:
        """Tell whether this is a long address without chksm: the server asks for verification there."""
        return bool(self.mid) and not self.chksm

    @property
    def fetch_url(self) -> str:
        """Return the https URL to fetch: all that was given, without the fragment."""
        parts = urlsplit(self.url)
        query = f"?{parts.query}" if parts.query else ""
        return f"https://{HOST}{parts.path}{query}"


_LONG_KEY = re.compile(r"([^:]+):([0-9]+):([0-9]+)")

_PLAIN_MID, _PLAIN_IDX = re.compile(r"0|[1-9][0-9]{0,17}"), re.compile(r"0|[1-9][0-9]{0,2}")


class AddressColumns(NamedTuple):
    """What identifies an address, as the columns of its row hold it; the key of the row is the way back.

    Exactly one of `mid` (with `biz` and `idx`), `short_token` and `other_key` is there. `other_key` is a key
    that the other columns cannot hold: its numbers begin with zeros.
    """

    biz: str | None = None
    mid: int | None = None
    idx: int | None = None
    short_token: str | None = None
    other_key: str | None = None

    @classmethod
    def of_key(cls, key: str) -> "AddressColumns":
        """Take the key of an address apart."""
        long = _LONG_KEY.fullmatch(key)
        if long and _PLAIN_MID.fullmatch(long[2]) and _PLAIN_IDX.fullmatch(long[3]):
            return cls(biz=long[1], mid=int(long[2]), idx=int(long[3]))
        if long or not key.startswith("s/"):
            return cls(biz=long[1] if long else None, other_key=key)
        return cls(short_token=key.removeprefix("s/"))


@dataclass(frozen=True, slots=True)
class PostId:
    """What identifies a post: its account, and within it the message and the position."""

    biz: str
    mid: str
    idx: str

    @classmethod
    def of(cls, biz: str, aid: str) -> "PostId":
        """Return the identity of a post by its account and `<mid>_<idx>`."""
        mid, _, idx = aid.partition("_")
        return cls(biz, mid, idx)

    @classmethod
    def of_key(cls, key: str) -> "PostId | None":
        """Return the identity that an address key names; None for that of a short link."""
        biz, _, rest = key.partition(":")
        mid, _, idx = rest.partition(":")
        return cls(biz, mid, idx) if mid and idx else None

    def is_same(self, other: "PostId") -> bool:
        """Tell whether both are one post, with or without the padding of biz and zeros before the numbers."""
        return self._plain() == other._plain()

    def _plain(self) -> tuple[str, str, str]:
        biz = self.biz.rstrip("=").replace("-", "+").replace("_", "/")
        return biz, self.mid.lstrip("0"), self.idx.lstrip("0")

    def __str__(self) -> str:
        return f"{self.biz} {self.mid}_{self.idx}"


def post_key(biz: str, aid: str) -> str:
    """Return the key of the long addresses of a post, by its account and `<mid>_<idx>`."""
    return f"{biz}:{aid.replace('_', ':')}"


def canonical_url(biz: str, mid: str, idx: str, sn: str, chksm: str = "") -> str:
    """Return the URL as the dump writes it; `chksm` only where it is known."""
    tail = f"&chksm={chksm}" if chksm else ""
    return f"http://{HOST}/s?__biz={biz}&mid={mid}&idx={idx}&sn={sn}{tail}#rd"


def parse_address(text: str) -> PostAddress:
    """Parse an address of a post, without its reader's session. Raises AddressError."""
    url = without_session(text.strip().replace("&amp;", "&"))
    length = len(url.encode("utf-8", "surrogatepass"))
    if length > MAX_ADDRESS_BYTES:
        raise AddressError("archive.address.too_long", length=length, limit=MAX_ADDRESS_BYTES)
    if UNSTORABLE.search(url):  # what is stored in its place might be no address
        raise AddressError("archive.address.bad_character", url=ascii(_quoted(url)))
    parts = _split(url)
    short = _SHORT.fullmatch(parts.path)
    if short:
        return PostAddress(url=url, token=short[1])
    if parts.path not in ("/s", "/mp/appmsg/show"):
        raise AddressError("archive.address.not_a_post", url=_quoted(url))
    return _long(url, dict(parse_qsl(parts.query, keep_blank_values=True)))


_SEPARATOR = re.compile(r"(&(?:amp;)+|[?&;#])")

# A parameter of an address that is itself a parameter, encoded once or more often.
_NESTED = re.compile(
    rf"(%(?:25)*(?:26|3F|3B|23)(?:amp%(?:25)*3B)?(?:{'|'.join(sorted(SESSION_NAMES))})(?:%(?:25)*3D|=))"
    r"(?:(?!%(?:25)*(?:26|23))[^&#])+",
    re.IGNORECASE,
)

_MAX_ENCODED = 3  # times that the name of a parameter may be percent-encoded

_LONGEST_NAME = 200  # characters before "="; with invisible ones in between

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_]+")  # blanks, invisible characters

_USER = re.compile(r"//[^/?#]*@")

_ANY_SECRET = re.compile(rf"\b(?:{'|'.join(sorted(SESSION_NAMES))})=[^\s&#;,]*", re.IGNORECASE)


def without_session(url: str) -> str:
    """Remove the reader's session parameters from a URL, also from its fragment; keep other characters.

    `parse_address` applies it to every address that enters: the secrets are in nothing that is made of it.
    """
    first, *rest = _SEPARATOR.split(url)
    kept, lost = [first], ""
    for separator, piece in zip(rest[::2], rest[1::2], strict=True):
        begins = lost if lost and separator != "#" else separator  # `?` of a first parameter that is removed
        lost = ""
        if _is_session(piece):
            lost = begins if begins in ("?", "#") else ""
        else:
            kept += [begins, _NESTED.sub(r"\1", piece)]
    return "".join(kept)


def _is_session(piece: str) -> bool:
    if "=" not in piece and "%" not in piece:
        return False
    for _ in range(_MAX_ENCODED):
        piece = unquote(piece)
    name = unicodedata.normalize("NFKC", piece.partition("=")[0].partition("[")[0][:_LONGEST_NAME])
    return _NOT_IN_NAMES.sub("", name).lower() in SESSION_NAMES


def public_part(url: str) -> str:
    """Return an address for messages, without user, query and fragment, which may hold secrets."""
    return re.split(r"[?#]", re.sub(r"//.*@", "//", url), maxsplit=1)[0]


def _quoted(url: str) -> str:
    """Return the beginning of what is no address for a message, without user, password and session."""
    return _ANY_SECRET.sub("", _USER.sub("//", url))[:120]


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise AddressError("archive.address.not_an_address", url=_quoted(url)) from None
    if parts.scheme not in ("http", "https"):
        raise AddressError("archive.address.not_http", url=_quoted(url))
    if parts.hostname != HOST:
        raise AddressError("archive.address.other_host", url=_quoted(url), host=parts.hostname, expected=HOST)
    if port is not None or parts.username is not None:
        raise AddressError("archive.address.port_or_user", url=_quoted(url), expected=HOST)
    return parts


def _long(url: str, query: dict[str, str]) -> PostAddress:
    biz = query.get("__biz", "")
    mid = query.get("mid") or query.get("appmsgid", "")
    idx = query.get("idx") or query.get("itemidx", "")
    if not (_BIZ.fullmatch(biz) and _MID.fullmatch(mid) and _IDX.fullmatch(idx)):
        raise AddressError("archive.address.incomplete", url=_quoted(url))
    return PostAddress(url, biz, mid, idx, query.get("sn", ""), query.get("chksm", ""))


def is_post(url: str) -> bool:
    """Tell whether this is the address of a post on mp.weixin.qq.com."""
    try:
        parse_address(url)
    except AddressError:
        return False
    return True


# Only with the semicolon: `&region=1` is a parameter, not ®ion=1.
_ENTITY = re.compile(r"&(?:[A-Za-z][A-Za-z0-9]{1,31}|#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6});")

_BREAKS = re.compile(r"[\t\r\n]")

_OURS = re.compile(rf"https?://{re.escape(HOST)}(?=[:/?#]|$)", re.IGNORECASE)


def clean_url(url: str) -> str:
    """Decode entities, which some lists encode twice, and give an address without scheme https.

    An address of WeChat loses its reader's session.
    """
    decoded = _BREAKS.sub("", _decoded(_decoded(url))).strip()
    whole = f"https:{decoded}" if decoded.startswith("//") else decoded
    return without_session(whole) if _OURS.match(whole) else whole


def clean_web_url(url: str) -> str:
    """Return the address as `clean_url` does; empty for what is no http(s) address."""
    address = clean_url(url)
    return address if address.lower().startswith(("http://", "https://")) else ""


def _decoded(text: str) -> str:
    return _ENTITY.sub(lambda found: html.unescape(found[0]), text) if "&" in text else text


MAX_STYLE_SHEETS = 32  # of one page; real pages have up to 19

# Finds the style sheets that a page loads from WeChat's own hosts for them, without `https:`. An address
# names one version: WeChat writes a hash into it. The bounds keep the time in proportion to a page's length.
_STYLE_SHEET = re.compile(
    r"""<link\b(?=[^<>]{0,500}?(?<![\w-])rel=["']?stylesheet\b)[^<>]{0,500}?(?<![\w-])href=["']?"""
    r"""(?:https?:)?(//res[0-9]?\.wx\.qq\.com/[A-Za-z0-9._~%!$()*+,;=:@?/-]{1,500})"""
    r"""(?=["'>]|\s[^<>"']{0,500}[=>])""",  # a quoted address with a space in it is none
    re.IGNORECASE,
)


def style_sheet_addresses(markup: str) -> list[str]:
    """Return the addresses of the style sheets that a page loads from WeChat's own hosts, each once."""
    return [f"https:{found}" for found in dict.fromkeys(_STYLE_SHEET.findall(markup))]
