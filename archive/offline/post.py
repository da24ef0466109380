"""All a reader sees of a post as plain HTML: its body or its text, its gallery, what it plays."""

import html
from typing import Any

from bs4 import Tag

from archive.entities import unescape
from archive.media.queries import ShownMedium
from archive.models import Post
from archive.offline.addresses import clean_address
from archive.offline.cards import CARD, Asked, asked_of, make_card, told_of
from archive.offline.elements import element
from archive.offline.media import PostMedia
from archive.offline.plain import plain_body
from archive.vocabulary import Kind, Role

_PLAYED = {
    "video": ("视频", "videos"),
    "audio": ("音频", "audios"),
}  # in a card; in the facts
_PLAYERS_FIRST = (Kind.VIDEO, Kind.AUDIO, Kind.MUSIC)
_MAX_SIDE = 20_000  # pixels


def plain_post(post: Post, media: PostMedia, text: str) -> Tag:
    """The element that holds it all; `text` is the markup of the post's text, for where it has no HTML."""
    body = _body(post.html or text)
    if not body.get_text(strip=True):  # the page's scripts would have written the words into it
        body.insert(0, *_body(text).contents)
    if not post.html:
        _put_gallery(body, media.of_role(Role.IMAGE))
    _put_players(body, post, media)
    return body


def _body(markup: str) -> Tag:
    soup = plain_body(markup)
    return soup.body or soup


def text_markup(text: str) -> str:
    """A text by the text rule as HTML: its entities are as served, a carriage return ends a line."""
    lines = unescape(text).replace("\n", "\r").split("\r")
    return "".join(f"<p>{html.escape(line) or '<br>'}</p>" for line in lines).removesuffix("<p><br></p>")


def _put_gallery(body: Tag, pictures: list[ShownMedium]) -> None:
    """The pictures of a post that has no HTML, above its words."""
    for place, medium in enumerate(pictures):
        size = {name: str(medium.facts[name]) for name in ("width", "height") if _is_side(medium, name)}
        paragraph = element("p", class_="mparchive-picture")
        paragraph.append(element("img", src=medium.url, **(size if len(size) == 2 else {})))
        body.insert(place, paragraph)


def _is_side(medium: ShownMedium, name: str) -> bool:
    value = medium.facts.get(name)
    return isinstance(value, int) and 0 < value < _MAX_SIDE


def _put_players(body: Tag, post: Post, media: PostMedia) -> None:
    """A card for each video and audio that the body itself does not show."""
    shown = {(asked_of(card).type, asked_of(card).id) for card in body.find_all(class_=CARD)}
    cards = [card for known, card in _players(post, media).items() if known not in shown]
    for place, card in enumerate(cards):
        body.insert(place if post.kind in _PLAYERS_FIRST else len(body.contents), card)


def _players(post: Post, media: PostMedia) -> dict[tuple[str, str], Tag]:
    """By type and id all that the post plays, also what its page gives no address of."""
    cards: dict[tuple[str, str], Tag] = {}
    for medium_type, (label, name) in _PLAYED.items():
        listed = [told for told in post.facts.get(name) or [] if isinstance(told, dict)]
        listed += [medium.facts | {"key": medium.key} for medium in media.shown if medium.type == medium_type]
        for told in listed:
            ident = str(told.get("id") or told.get("key") or "")
            asked = Asked(medium_type, ident, _cover(post, told, media))
            if ident and (medium_type, ident) not in cards:
                cards[medium_type, ident] = _player(label, told, asked)
    return cards


def _player(label: str, told: dict[str, Any], asked: Asked) -> Tag:
    words = told_of(told)
    title = next((line for name, line in words if name == "title"), "")
    lines = [line for name, line in words if name == "line"]
    return make_card(label, title, [*lines, *([] if words else [f"id {asked.id}"])], asked)


def _cover(post: Post, told: dict[str, Any], media: PostMedia) -> str:
    """The still of what a post plays; of a post that does nothing else its cover, where there is no other."""
    own = clean_address(str(told.get("cover") or ""))
    covers = media.of_role(Role.COVER) if post.kind in _PLAYERS_FIRST and not own else []
    return next((cover.url for cover in covers), own)
