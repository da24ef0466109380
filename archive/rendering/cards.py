"""The tree of a body: read, and elements that we put into it ourselves."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote

from bs4 import BeautifulSoup, Tag
from bs4.element import Comment, PageElement

from archive.domain.entities import unescape
from archive.rendering.images import clean_address, parts_of
from archive.rendering.sanitizer import OWN


class Element(Tag):
    """An element that finds its children near where it found the last one.

    The library's own search begins at the first child, which makes every change of a body with many
    siblings take time by the square of their number. Changes come in the order of the document.
    """

    _near = 0  # where the last child was found

    def index(self, element: PageElement) -> int:
        """The place of a child, by identity. Raises ValueError where it is no child."""
        contents = self.contents
        low = high = min(self._near, len(contents) - 1)
        while low >= 0 or high < len(contents):
            if low >= 0 and contents[low] is element:
                self._near = low
                return low
            if high < len(contents) and contents[high] is element:
                self._near = high
                return high
            low -= 1
            high += 1
        raise ValueError("not a child of this element")


_CLASSES: dict[Any, Any] = {Tag: Element}

_MAKER = BeautifulSoup("", "lxml", element_classes=_CLASSES)  # its elements may stand in any tree


def read_html(markup: str) -> BeautifulSoup:
    """The tree of a markup, whose elements can be moved in time that does not grow with their siblings."""
    return BeautifulSoup(markup, "lxml", element_classes=_CLASSES)


def holders(held: Iterable[PageElement]) -> set[int]:
    """The ids of the elements that hold any of these, directly or deeper."""
    known: set[int] = set()
    for one in held:
        above = one.parent
        while above is not None and id(above) not in known:
            known.add(id(above))
            above = above.parent
    return known


def words_of(tree: Tag) -> Iterable[PageElement]:
    """The texts of a tree that say something."""
    return (one for one in tree.descendants if _says_something(one))


def _says_something(one: PageElement) -> bool:
    return not isinstance(one, (Tag, Comment)) and bool(str(one).strip())


def element(name: str, words: str = "", **attributes: str) -> Tag:
    """A new element; `class_` is its class."""
    made = _MAKER.new_tag(name, attrs={key.rstrip("_"): value for key, value in attributes.items()})
    if words:
        made.string = words
    return made


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

_MUSIC = _Form(
    "音乐", ("music_name", "name"), ("singer",), ("albumurl",), ("musicid", "otherid", "mid"), "audio"
)

_CHANNEL = _Form(
    "视频号",
    ("data-desc", "data-intro", "data-nickname"),
    ("data-nickname",),
    ("data-url", "data-cover"),
    ("data-id", "data-noticeid"),
    "video",
)

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
    """Put a card where each player or card stands; words inside stay before it.

    What plays the same once more is a part of the player before: scripts put frames into frames.
    """
    shown: set[tuple[str, str]] = set()
    for tag in soup.find_all(_is_card):
        if tag.decomposed:
            continue
        card = _card(tag)
        asked = asked_of(card)
        if not asked.id or (asked.type, asked.id) not in shown:
            tag.insert_after(card)
        shown.add((asked.type, asked.id))
        for inner in tag.find_all(["source", "track"]):
            inner.decompose()
        tag.unwrap()


def _card(tag: Tag) -> Tag:
    form = _form(tag)
    poster = clean_address(unquote(_first(tag, form.poster)))
    title, lines = _first(tag, form.title), _details(tag, form)
    return make_card(form.label, title, lines, Asked(form.type, _ident(tag, form), poster))


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
    return "" if parts_of(address).path == "/mp/readtemplate" else address


def _ident(tag: Tag, form: _Form) -> str:
    """The id by which the post's media know what is played."""
    known = _first(tag, (*form.ident, "data-mpvid", "vid"))
    if known or form.type != "video":
        return known
    query = parts_of(clean_address(str(tag.get("data-src") or tag.get("src") or ""))).query
    return next(iter(parse_qs(query).get("vid", [])), "")


def duration(length: Any, unit: int = 1) -> str:
    """Minutes and seconds, as 1:06, of a length in milliseconds, or in `unit` of them; "" where unknown."""
    text = str(length or "")
    if not re.fullmatch(r"[1-9]\d{0,9}", text):
        return ""
    seconds = round(int(text) * unit / 1000)
    return f"{seconds // 60}:{seconds % 60:02d}"


def told_of(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a page tells of what it plays: title, author and length, each with what it is in a card."""
    seconds = facts.get("duration")
    length = duration(facts.get("duration_ms")) or duration(seconds, 1000)
    told = [
        ("title", facts.get("title") or facts.get("name")),
        ("line", facts.get("author")),
        ("line", length),
    ]
    return [(name, words) for name, words in told if isinstance(words, str) and words]


@dataclass(frozen=True)
class Asked:
    """What a card is to show: the medium of this type and id, the still at this address; "" for none."""

    type: str = ""
    id: str = ""
    poster: str = ""


def make_card(label: str, title: str, lines: Sequence[str], asked: Asked) -> Tag:
    """A card with these words."""
    card = element("div", class_=CARD)
    card.attrs |= {_TYPE: asked.type, _ID: asked.id, _POSTER: asked.poster}
    for name, words in (("label", label), ("title", title), *(("line", line) for line in lines)):
        if words:
            plain = unescape(unescape(words)).strip()[:MAX_WORDS]  # titles come escaped twice
            card.append(element("span", plain, class_=f"{CARD}-{name}"))
    return card


def asked_of(card: Tag) -> Asked:
    """What a card is to show."""
    return Asked(str(card.get(_TYPE, "")), str(card.get(_ID, "")), str(card.get(_POSTER, "")))
