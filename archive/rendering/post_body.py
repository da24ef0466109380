"""All a reader sees of a post as plain HTML: its body or its text, its gallery, what it plays."""

import html
from typing import Any

from bs4 import Tag

from archive.db.models import Post
from archive.domain.entities import unescape
from archive.domain.outcomes import Kind, Role
from archive.rendering.cards import CARD, Asked, asked_of, element, holders, make_card, told_of, words_of
from archive.rendering.images import clean_address, is_inline
from archive.rendering.media import Embedded, PostMedia
from archive.rendering.plain_html import plain_body
from archive.rendering.sanitizer import OWN, image_addresses, make_safe
from archive.rendering.svg import DRAWING
from archive.repository.media import ShownMedium

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


MISSING = f"{OWN}-missing"

_MISSING_WORDS = "图片未存档 · image not archived"


def body_markup(post: Post, files: Embedded) -> str:
    """The safe markup of a post's body."""
    body = plain_post(post, files.media, text_markup(post.text))
    _fill(body, files)
    return make_safe(body.decode_contents(), files.sources, files.background)


def _fill(body: Tag, files: Embedded) -> None:
    """Put files where they are shown, and a frame where one is missing."""
    for card in body.find_all(class_=CARD):
        _fill_card(card, files)
    filled = holders([*words_of(body), *body.find_all(["img", DRAWING])])
    for tag in body.find_all(style=lambda style: bool(style and "url" in style.lower())):
        if id(tag) not in filled:
            _frame_background(tag, files)
    for drawing in body.find_all(DRAWING):
        drawing.name, drawing["src"] = "img", files.sources.put(str(drawing["src"]))
        drawing["alt"] = ""
    for image in body.find_all("img"):
        _fill_image(image, files)


def _fill_image(image: Tag, files: Embedded) -> None:
    source = str(image.get("src", ""))
    if source.startswith(f"{OWN}:"):  # put there by a step before
        return
    if is_inline(source):
        image["src"] = files.sources.put("".join(source.split()))
        return
    medium = files.media.find(source)
    place, why = files.put(medium)
    if place and medium and medium.file:
        image["src"] = place
        if medium.file.width and medium.file.height:
            image["width"], image["height"] = str(medium.file.width), str(medium.file.height)
    else:
        _frame(image, source, why)


def _frame(image: Tag, address: str, why: str) -> None:
    """Make of an image that is not there a frame in its shape, with its address to be read."""
    width, height = image.get("width"), image.get("height")
    image.name, image.attrs = "span", {"class": MISSING}
    if width and height:
        image["style"] = f"width:{width}px;aspect-ratio:{width} / {height}"
    image.extend(element("span", words, class_=f"{MISSING}-line") for words in (_MISSING_WORDS, why, address))


def _frame_background(tag: Tag, files: Embedded) -> None:
    """An element that showed nothing but a background says so where that is not archived."""
    addresses = image_addresses(str(tag.get("style", "")))
    absent = [address for address in addresses if address and files.background(address) is None]
    if absent:
        medium = files.media.find(absent[0])
        image = element("img")
        _frame(image, absent[0], files.put(medium)[1])
        tag.append(image)


def _fill_card(card: Tag, files: Embedded) -> None:
    asked = asked_of(card)
    medium = files.media.find_played(asked.type, asked.id)
    for name in [name for name in card.attrs if name.startswith(OWN)]:
        del card[name]
    still = files.media.find_still(asked.poster, asked.id)
    if still is not None:
        card.insert(0, _still(still, files))
    if medium is not None:
        _tell(card, medium)
        _play(card, medium, files)


def _still(still: ShownMedium, files: Embedded) -> Tag:
    place, why = files.put(still)
    image = element("img", class_=f"{CARD}-still", src=place, alt="")
    if not place:
        _frame(image, still.url, why)
    return image


def _tell(card: Tag, medium: ShownMedium) -> None:
    """What the page tells of a medium and its card does not say yet."""
    known = card.get_text(" ")
    for name, words in told_of(medium.facts):
        if words not in known:
            _add(card, name, words)


def _play(card: Tag, medium: ShownMedium, files: Embedded) -> None:
    place, why = files.put(medium)
    if place:
        card.append(element(medium.type, src=place, controls="", preload="metadata"))
        return
    _add(card, "line", f"未存档 · not archived: {why}")
    if medium.url and medium.url not in card.get_text(" "):
        _add(card, "line", medium.url)


def _add(card: Tag, name: str, words: str) -> None:
    card.append(element("span", words, class_=f"{CARD}-{name}"))
