"""Players and cards that only WeChat's scripts draw: each becomes a small neutral card with its words."""

import re
from dataclasses import dataclass
from html import unescape
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from bs4 import BeautifulSoup, Tag

from archive.offline.addresses import clean_address
from archive.offline.safe import OWN

CARD = f"{OWN}-card"
PLAYERS = ("video_iframe", "vote_iframe")  # classes by which a page's script knows what to draw
MAX_WORDS = 500  # characters of a card's line
_ID = f"{OWN}-id"
_POSTER = f"{OWN}-poster"
_TYPE = f"{OWN}-type"


@dataclass(frozen=True)
class _Form:
    """Attributes in which an element carries what its card says, the first that is there counts."""

    label: str
    title: tuple[str, ...] = ()
    detail: tuple[str, ...] = ()
    poster: tuple[str, ...] = ()
    ident: tuple[str, ...] = ()
    type: str = ""


_VOICE = _Form("音频", ("name", "title"), ("author",), ("cover",), ("voice_encode_fileid",), "audio")
_MUSIC = _Form("音乐", ("music_name", "name"), ("singer",), ("albumurl",), ("mid", "musicid"), "audio")
_CHANNEL = _Form("视频号", ("data-desc", "data-nickname"), ("data-nickname",), ("data-url", "data-cover"))
_PROGRAM = _Form(
    "小程序",
    ("data-miniprogram-title", "data-title"),
    ("data-miniprogram-nickname", "data-nickname"),
    ("data-miniprogram-imageurl", "data-imageurl"),
)
_FORMS = {
    "mpvoice": _VOICE,
    "mp-common-mpaudio": _VOICE,
    "qqmusic": _MUSIC,
    "mp-common-qqmusic": _MUSIC,
    "mpvideosnap": _CHANNEL,
    "mp-common-videosnap": _CHANNEL,
    "mp-miniprogram": _PROGRAM,
    "mp-common-miniprogram": _PROGRAM,
    "mp-weapp": _PROGRAM,
    "mpprofile": _Form("公众号", ("data-nickname",), ("data-signature",), ("data-headimg",)),
    "mp-common-profile": _Form("公众号", ("data-nickname",), ("data-signature",), ("data-headimg",)),
    "mp-common-poi": _Form("位置", ("data-name", "data-title"), ("data-address",)),
    "mp-common-product": _Form("商品", ("data-title", "data-name"), (), ("data-cover", "data-headimg")),
}
_VIDEO = _Form("视频", ("data-title", "title"), (), ("data-cover", "poster"), type="video")
_VOTE = _Form("投票", ("data-title",))
_SOUND = _Form("音频", ("data-title", "title"), ("data-author",), type="audio")
_OTHER = _Form(
    "卡片",
    ("data-title", "data-name", "data-nickname", "name", "title"),
    ("data-desc", "data-signature"),
    ("data-cover", "data-headimg"),
)
_NOTHING_SHOWN = frozenset({"mp-style-type", "mp-common-cpsad"})


def put_cards(soup: BeautifulSoup) -> None:
    """Put a card where each player or card stands; words inside stay before it."""
    for tag in soup.find_all(_is_card):
        if tag.decomposed:
            continue
        form = _form(tag)
        card = make_card(
            form.label, _first(tag, form.title), _details(tag, form), form.type, _ident(tag, form)
        )
        card[_POSTER] = clean_address(unquote(_first(tag, form.poster)))
        tag.insert_after(card)
        for inner in tag.find_all(["source", "track"]):
            inner.decompose()
        tag.unwrap()


def _is_card(tag: Tag) -> bool:
    if tag.name in ("iframe", "video", "audio") or tag.name in _FORMS:
        return True
    return tag.get("class") in PLAYERS or (tag.name.startswith("mp-") and tag.name not in _NOTHING_SHOWN)


def _form(tag: Tag) -> _Form:
    if tag.name in _FORMS:
        return _FORMS[tag.name]
    if tag.get("class") == "vote_iframe":
        return _VOTE
    if tag.name == "audio":
        return _SOUND
    return _VIDEO if tag.name in ("iframe", "video", "span") else _OTHER


def _first(tag: Tag, names: tuple[str, ...]) -> str:
    return next((str(tag[name]) for name in names if tag.get(name)), "")


def _details(tag: Tag, form: _Form) -> list[str]:
    title = _first(tag, form.title)
    detail = _first(tag, form.detail)
    address = _played_at(tag) if form in (_VIDEO, _SOUND) else ""
    unit = 1000 if form is _MUSIC else 1  # of music the length is in seconds
    lines = [detail if detail != title else "", duration(tag.get("play_length"), unit), address]
    return [line for line in lines if line]


def _played_at(tag: Tag) -> str:
    """Where a player finds what it plays; WeChat's own page around the player tells nobody anything."""
    source = tag.find("source")
    written = _first(tag, ("data-src", "src")) or (_first(source, ("src",)) if source else "")
    address = clean_address(written)
    return "" if urlsplit(address).path == "/mp/readtemplate" else address


def _ident(tag: Tag, form: _Form) -> str:
    """The id by which the post's media know what is played."""
    known = _first(tag, (*form.ident, "data-mpvid", "vid"))
    if known or form.type != "video":
        return known
    query = urlsplit(clean_address(str(tag.get("data-src") or tag.get("src") or ""))).query
    return next(iter(parse_qs(query).get("vid", [])), "")


def duration(length: Any, unit: int = 1) -> str:
    """Minutes and seconds, as 1:06, of a length in milliseconds, or in `unit` of them; "" where unknown."""
    text = str(length or "")
    if not re.fullmatch(r"[1-9]\d{0,9}", text):
        return ""
    seconds = round(int(text) * unit / 1000)
    return f"{seconds // 60}:{seconds % 60:02d}"


def make_card(label: str, title: str, lines: list[str], medium_type: str = "", ident: str = "") -> Tag:
    """A card; `medium_type` and `ident` say which of the post's media is to be put into it."""
    soup = BeautifulSoup("", "lxml")
    card = soup.new_tag("div", attrs={"class": CARD, _TYPE: medium_type, _ID: ident, _POSTER: ""})
    for name, words in (("label", label), ("title", title), *(("line", line) for line in lines)):
        if words:
            line = soup.new_tag("span", attrs={"class": f"{CARD}-{name}"})
            line.string = unescape(unescape(words)).strip()[:MAX_WORDS]  # titles come escaped twice
            card.append(line)
    return card


def asked_of(card: Tag) -> tuple[str, str, str]:
    """What a card is to show: type and id of a medium, address of a picture; "" for none."""
    return str(card.get(_TYPE, "")), str(card.get(_ID, "")), str(card.get(_POSTER, ""))
