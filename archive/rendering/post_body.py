"""Render the body of a post: its HTML or text, its gallery, and what it plays."""

from html import escape
from typing import Any

from bs4 import Tag

from archive.db.models import Post
from archive.domain.addresses import clean_web_url
from archive.domain.outcomes import Kind, Role
from archive.domain.text import unescape
from archive.rendering.cards import CARD, CardMedium, card_medium, described_lines, make_card
from archive.rendering.images import ancestor_ids, emoji_words, is_inline, new_element, texts_in
from archive.rendering.media import EmbeddedFiles, PostMedia
from archive.rendering.plain_html import plain_body
from archive.rendering.sanitizer import OWN, image_addresses, make_safe
from archive.rendering.svg import DRAWING
from archive.repository.media import ShownMedium

_PLAYABLE = {
    "video": ("视频", "videos"),
    "audio": ("音频", "audios"),
}  # label of a card, name in the metadata

_CARDS_FIRST = (Kind.VIDEO, Kind.AUDIO, Kind.MUSIC)

_MAX_SIDE = 20_000  # pixels


def plain_post(post: Post, media: PostMedia, text: str) -> Tag:
    """Return an element with all that a post shows; `text` is the markup for a post without HTML.

    The result is not safe yet.
    """
    body = _body(post.html or text)
    if not body.get_text(strip=True):  # its scripts would have written the text into it
        body.insert(0, *_body(text).contents)
    if not post.html:
        _insert_gallery(body, media.of_role(Role.IMAGE))
    _insert_players(body, post, media)
    return body


def _body(markup: str) -> Tag:
    soup = plain_body(markup)
    return soup.body or soup


def text_markup(text: str) -> str:
    """Return a stored text as HTML; its entities are as served, and a carriage return ends a line."""
    lines = unescape(text).replace("\n", "\r").split("\r")
    return "".join(f"<p>{escape(line) or '<br>'}</p>" for line in lines).removesuffix("<p><br></p>")


def _insert_gallery(body: Tag, images: list[ShownMedium]) -> None:
    """Insert the images of a post without HTML above its text."""
    for position, medium in enumerate(images):
        size = {name: str(medium.facts[name]) for name in ("width", "height") if _is_length(medium, name)}
        paragraph = new_element("p", class_="mparchive-picture")
        paragraph.append(new_element("img", src=medium.url, **(size if len(size) == 2 else {})))
        body.insert(position, paragraph)


def _is_length(medium: ShownMedium, name: str) -> bool:
    value = medium.facts.get(name)
    return isinstance(value, int) and 0 < value < _MAX_SIDE


def _insert_players(body: Tag, post: Post, media: PostMedia) -> None:
    """Insert a card for each video and audio that the body itself does not show."""
    in_body = [card_medium(card) for card in body.find_all(class_=CARD)]
    shown = {(medium.type, medium.id) for medium in in_body}
    cards = [card for key, card in _player_cards(post, media).items() if key not in shown]
    for position, card in enumerate(cards):
        body.insert(position if post.kind in _CARDS_FIRST else len(body.contents), card)


def _player_cards(post: Post, media: PostMedia) -> dict[tuple[str, str], Tag]:
    """Return cards by type and id for all that a post plays, also without a known address."""
    cards: dict[tuple[str, str], Tag] = {}
    for medium_type, (label, name) in _PLAYABLE.items():
        listed = [facts for facts in post.page_metadata.get(name) or [] if isinstance(facts, dict)]
        listed += [medium.facts | {"key": medium.key} for medium in media.shown if medium.type == medium_type]
        for facts in listed:
            ident = str(facts.get("id") or facts.get("key") or "")
            shown = CardMedium(medium_type, ident, _still_address(post, facts, media))
            if ident and (medium_type, ident) not in cards:
                cards[medium_type, ident] = _player_card(label, facts, shown)
    return cards


def _player_card(label: str, facts: dict[str, Any], medium: CardMedium) -> Tag:
    described = described_lines(facts)
    title = next((line for name, line in described if name == "title"), "")
    lines = [line for name, line in described if name == "line"]
    return make_card(label, title, [*lines, *([] if described else [f"id {medium.id}"])], medium)


def _still_address(post: Post, facts: dict[str, Any], media: PostMedia) -> str:
    """Return the still of a medium; the cover of a post that only plays, where there is no other."""
    own = clean_web_url(str(facts.get("cover") or ""))
    covers = media.of_role(Role.COVER) if post.kind in _CARDS_FIRST and not own else []
    return next((cover.url for cover in covers), own)


MISSING_CLASS = f"{OWN}-missing"

_NOT_ARCHIVED = "图片未存档 · image not archived"


def render_body(post: Post, files: EmbeddedFiles) -> str:
    """Return the safe markup of a post's body, with files embedded."""
    body = plain_post(post, files.media, text_markup(post.text))
    _embed_files(body, files)
    return make_safe(body.decode_contents(), files.sources, files.background)


def _embed_files(body: Tag, files: EmbeddedFiles) -> None:
    """Embed files where they are shown, and put a frame where one is missing."""
    for card in body.find_all(class_=CARD):
        _embed_in_card(card, files)
    filled = ancestor_ids([*texts_in(body), *body.find_all(["img", DRAWING])])
    for tag in body.find_all(style=lambda style: bool(style and "url" in style.lower())):
        if id(tag) not in filled:
            _frame_background(tag, files)
    for drawing in body.find_all(DRAWING):
        drawing.name, drawing["src"] = "img", files.sources.put(str(drawing["src"]))
        drawing["alt"] = str(drawing.get("alt", ""))
    for image in body.find_all("img"):
        _embed_image(image, files)


def _embed_image(image: Tag, files: EmbeddedFiles) -> None:
    source = str(image.get("src", ""))
    if source.startswith(f"{OWN}:"):  # embedded already
        return
    if is_inline(source):
        image["src"] = files.sources.put("".join(source.split()))
        return
    medium = files.media.find(source)
    placeholder, why = files.put(medium)
    if placeholder and medium and medium.file:
        image["src"] = placeholder
        if medium.file.width and medium.file.height:
            image["width"], image["height"] = str(medium.file.width), str(medium.file.height)
    elif words := emoji_words(image):
        image.replace_with(words)
    else:
        _replace_by_frame(image, source, why)


def _replace_by_frame(image: Tag, address: str, why: str) -> None:
    """Turn an image that is not archived into a frame of its shape, which shows its address."""
    width, height = image.get("width"), image.get("height")
    image.name, image.attrs = "span", {"class": MISSING_CLASS}
    if width and height:
        image["style"] = f"width:{width}px;aspect-ratio:{width} / {height}"
    image.extend(
        new_element("span", line, class_=f"{MISSING_CLASS}-line") for line in (_NOT_ARCHIVED, why, address)
    )


def _frame_background(tag: Tag, files: EmbeddedFiles) -> None:
    """Put a frame into an element that shows only a background that is not archived."""
    addresses = image_addresses(str(tag.get("style", "")))
    absent = [address for address in addresses if address and files.background(address) is None]
    if absent:
        medium = files.media.find(absent[0])
        image = new_element("img")
        _replace_by_frame(image, clean_web_url(absent[0]) or absent[0], files.put(medium)[1])
        tag.append(image)


def _embed_in_card(card: Tag, files: EmbeddedFiles) -> None:
    shown = card_medium(card)
    medium = files.media.find_played(shown.type, shown.id)
    for name in [name for name in card.attrs if name.startswith(OWN)]:
        del card[name]
    still = files.media.find_still(shown.poster, shown.id)
    if still is not None:
        card.insert(0, _still(still, files))
    if medium is not None:
        _describe(card, medium)
        _play(card, medium, files)


def _still(still: ShownMedium, files: EmbeddedFiles) -> Tag:
    placeholder, why = files.put(still)
    image = new_element("img", class_=f"{CARD}-still", src=placeholder, alt="")
    if not placeholder:
        _replace_by_frame(image, still.url, why)
    return image


def _describe(card: Tag, medium: ShownMedium) -> None:
    """Add the title, author and length that the card does not show yet."""
    known = card.get_text(" ")
    for name, text in described_lines(medium.facts):
        if text not in known:
            _add_line(card, name, text)


def _play(card: Tag, medium: ShownMedium, files: EmbeddedFiles) -> None:
    placeholder, why = files.put(medium)
    if placeholder:
        card.append(new_element(medium.type, src=placeholder, controls="", preload="metadata"))
        return
    _add_line(card, "line", f"未存档 · not archived: {why}")
    if medium.url and medium.url not in card.get_text(" "):
        _add_line(card, "line", medium.url)


def _add_line(card: Tag, name: str, text: str) -> None:
    card.append(new_element("span", text, class_=f"{CARD}-{name}"))
