"""Cards: what stands for a player, a mini-program or another widget that only WeChat's scripts draw."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote

from bs4 import BeautifulSoup, Tag

from archive.domain.addresses import clean_web_url
from archive.domain.text import unescape
from archive.rendering.images import new_element, split_address
from archive.rendering.sanitizer import OWN

CARD = f"{OWN}-card"

PLAYER_CLASSES = ("video_iframe", "vote_iframe")  # by which a page's script knows what to draw

MAX_LINE = 500  # characters of a card's line

MAX_PRODUCT = 100_000  # characters of a product's data; real ones have under 5,000

_ID, _POSTER, _TYPE = f"{OWN}-id", f"{OWN}-poster", f"{OWN}-type"  # attributes of a card


@dataclass(frozen=True)
class _Widget:
    """A kind of widget: its label, and the attributes with its data, of which the first present counts."""

    label: str
    title: tuple[str, ...] = ()
    detail: tuple[str, ...] = ()
    poster: tuple[str, ...] = ()
    ident: tuple[str, ...] = ()
    type: str = ""


_VOICE = _Widget(
    "音频", ("name", "title"), ("author",), ("cover", "data-cover"), ("voice_encode_fileid",), "audio"
)

_MUSIC = _Widget(
    "音乐", ("music_name", "name"), ("singer",), ("albumurl", "cover"), ("musicid", "otherid", "mid"), "audio"
)

_CHANNEL = _Widget(
    "视频号",
    ("data-desc", "data-intro", "data-nickname"),
    ("data-nickname",),
    ("data-url", "data-cover"),
    ("data-id", "data-noticeid"),
    "video",
)

_PROGRAM = _Widget(
    "小程序",
    ("data-miniprogram-title", "data-title"),
    ("data-miniprogram-nickname", "data-nickname"),
    ("data-miniprogram-imageurl", "data-imageurl"),
)

_WIDGETS = {
    "mpvoice": _VOICE,
    "mp-common-mpaudio": _VOICE,
    "qqmusic": _MUSIC,
    "mp-common-qqmusic": _MUSIC,
    "mpvideosnap": _CHANNEL,
    "mp-common-videosnap": _CHANNEL,
    "mp-miniprogram": _PROGRAM,
    "mp-common-miniprogram": _PROGRAM,
    "mp-weapp": _PROGRAM,
    "mpprofile": _Widget("公众号", ("data-nickname",), ("data-signature",), ("data-headimg",)),
    "mp-common-profile": _Widget("公众号", ("data-nickname",), ("data-signature",), ("data-headimg",)),
    "mp-common-article-card": _Widget("文章", ("data-title",), ("data-author",), ("data-cover",)),
    "mp-common-redpacketcover": _Widget(
        "红包封面", ("data-title",), (), ("data-receiveimg", "data-coverurl")
    ),
    "mp-common-qa": _Widget("问答", ("data-question",), ("data-answer",)),
    "mp-common-search": _Widget("搜索", ("data-keyword",)),
    "mp-common-poi": _Widget("位置", ("data-name", "data-title"), ("data-address",)),
    "mp-common-product": _Widget(
        "商品",
        ("data-title", "data-name"),
        (),
        ("data-product-imageurl", "data-cover", "data-imageurl", "data-headimg"),
    ),
}

_VIDEO = _Widget("视频", ("data-title", "title"), (), ("data-cover", "poster"), type="video")

_VOTE = _Widget("投票", ("data-title",))

_SOUND = _Widget("音频", ("data-title", "title"), ("data-author",), type="audio")

_OTHER = _Widget(
    "卡片",
    ("data-title", "data-name", "data-nickname", "name", "title"),
    ("data-desc", "data-signature"),
    ("data-cover", "data-coverurl", "data-imageurl", "data-headimg"),
)

# Marks of WeChat's editor and of the end of a paid post's preview, which show nothing themselves.
_INVISIBLE = frozenset({"mp-style-type", "mp-common-cpsad", "mp-common-clscontext", "mp-pay-preview-filter"})


def insert_cards(soup: BeautifulSoup) -> None:
    """Insert a card after each widget, and remove the widget but for the text in it.

    A widget that plays the same as one before is a part of it: scripts put frames into frames.
    """
    shown: set[tuple[str, str]] = set()
    for tag in soup.find_all(_is_card):
        if tag.decomposed:
            continue
        if tag.name == "mp-common-sticker" and tag.get("data-emoji_url"):
            tag.insert_after(new_element("img", src=str(tag["data-emoji_url"])))
            tag.unwrap()
            continue
        card = _card(tag)
        medium = card_medium(card)
        if not medium.id or (medium.type, medium.id) not in shown:
            tag.insert_after(card)
        shown.add((medium.type, medium.id))
        for inner in tag.find_all(["source", "track"]):
            inner.decompose()
        tag.unwrap()


def _card(tag: Tag) -> Tag:
    widget = _widget(tag)
    poster = clean_web_url(unquote(_first(tag, widget.poster)))
    title, lines = _first(tag, widget.title) or _product_title(tag), _details(tag, widget)
    return make_card(widget.label, title, lines, CardMedium(widget.type, _ident(tag, widget), poster))


def _is_card(tag: Tag) -> bool:
    if tag.name in ("iframe", "video", "audio") or tag.name in _WIDGETS:
        return True
    return tag.get("class") in PLAYER_CLASSES or (tag.name.startswith("mp-") and tag.name not in _INVISIBLE)


def _widget(tag: Tag) -> _Widget:
    if tag.name in _WIDGETS:
        return _WIDGETS[tag.name]
    if tag.get("class") == "vote_iframe":
        return _VOTE
    if tag.name == "audio":
        return _SOUND
    return _VIDEO if tag.name in ("iframe", "video", "span") else _OTHER


def _first(tag: Tag, names: tuple[str, ...]) -> str:
    return next((str(tag[name]) for name in names if tag.get(name)), "")


def _product_title(tag: Tag) -> str:
    """Return the title in the data of a product, which are JSON, as in an address."""
    try:
        data = json.loads(unquote(str(tag.get("data-windowproduct") or ""))[:MAX_PRODUCT])
    except (ValueError, RecursionError):
        return ""
    title = (data.get("title") or data.get("name")) if isinstance(data, dict) else ""
    return title if isinstance(title, str) else ""


def _details(tag: Tag, widget: _Widget) -> list[str]:
    title = _first(tag, widget.title)
    detail = _first(tag, widget.detail)
    address = _played_address(tag) if widget in (_VIDEO, _SOUND) else ""
    unit = 1000 if widget is _MUSIC else 1  # of music the length is in seconds
    intro = _first(tag, ("data-intro",)) if widget is _CHANNEL else ""  # of a live show its time
    lines = [
        intro if intro != title else "",
        detail if detail != title else "",
        format_duration(tag.get("play_length"), unit),
        address,
    ]
    return [line for line in lines if line]


def _played_address(tag: Tag) -> str:
    """Return the address of what a player plays, except WeChat's own page around the player."""
    source = tag.find("source")
    written = _first(tag, ("data-src", "src")) or (_first(source, ("src",)) if source else "")
    address = clean_web_url(written)
    return "" if split_address(address).path == "/mp/readtemplate" else address


def _ident(tag: Tag, widget: _Widget) -> str:
    """Return the id by which the post's media know what is played."""
    known = _first(tag, (*widget.ident, "data-mpvid", "vid"))
    if known or widget.type != "video":
        return known
    query = split_address(clean_web_url(str(tag.get("data-src") or tag.get("src") or ""))).query
    return next(iter(parse_qs(query).get("vid", [])), "")


def format_duration(length: Any, unit: int = 1) -> str:
    """Format a length, in milliseconds times `unit`, as minutes and seconds like 1:06; "" if unknown."""
    text = str(length or "")
    if not re.fullmatch(r"[1-9]\d{0,9}", text):
        return ""
    seconds = round(int(text) * unit / 1000)
    return f"{seconds // 60}:{seconds % 60:02d}"


def described_lines(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the title, author and length in a medium's metadata, each with its class in a card."""
    seconds = facts.get("duration")
    length = format_duration(facts.get("duration_ms")) or format_duration(seconds, 1000)
    lines = [
        ("title", facts.get("title") or facts.get("name")),
        ("line", facts.get("author")),
        ("line", length),
    ]
    return [(name, text) for name, text in lines if isinstance(text, str) and text]


@dataclass(frozen=True)
class CardMedium:
    """What a card shows: the medium of a type and id, and the still at an address; "" for none."""

    type: str = ""
    id: str = ""
    poster: str = ""


def make_card(label: str, title: str, lines: Sequence[str], medium: CardMedium) -> Tag:
    """Return a card with a label, a title and further lines."""
    card = new_element("div", class_=CARD)
    card.attrs |= {_TYPE: medium.type, _ID: medium.id, _POSTER: medium.poster}
    for name, text in (("label", label), ("title", title), *(("line", line) for line in lines)):
        if text:
            plain = unescape(unescape(text)).strip()[:MAX_LINE]  # titles come escaped twice
            card.append(new_element("span", plain, class_=f"{CARD}-{name}"))
    return card


def card_medium(card: Tag) -> CardMedium:
    """Return what a card shows."""
    return CardMedium(str(card.get(_TYPE, "")), str(card.get(_ID, "")), str(card.get(_POSTER, "")))
