"""What stands between a page's head and foot: the body, or the text, with everything archived in it."""

from bs4 import Tag

from archive.media.queries import ShownMedium
from archive.models import Post
from archive.offline.cards import CARD, asked_of, told_of
from archive.offline.elements import element, holders, words_of
from archive.offline.embedded import Embedded
from archive.offline.pictures import is_inline
from archive.offline.post import plain_post, text_markup
from archive.offline.safe import OWN, make_safe
from archive.offline.style import image_addresses
from archive.offline.svg import DRAWING

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
