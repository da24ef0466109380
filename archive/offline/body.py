"""What stands between a page's head and foot: the body, or the text, with everything archived in it."""

import html

from bs4 import BeautifulSoup, Tag

from archive.media.queries import ShownMedium
from archive.models import Post
from archive.offline.cards import CARD, asked_of, duration, make_card
from archive.offline.embedded import Embedded
from archive.offline.pictures import is_inline
from archive.offline.plain import plain_body
from archive.offline.safe import OWN, make_safe
from archive.offline.style import image_addresses
from archive.offline.svg import DRAWING
from archive.vocabulary import Kind, Role

MISSING = f"{OWN}-missing"
_PLAYED = (Role.VIDEO, Role.AUDIO)
_LABELS = {"video": "视频", "audio": "音频"}
_MISSING_WORDS = "图片未存档 · image not archived"


def body_markup(post: Post, files: Embedded) -> str:
    """The safe markup of a post's body."""
    body = inner(plain_body(post.html or text_markup(post.text)))
    if not post.html:
        _put_gallery(body, files)
    _put_players(body, files, first=post.kind in (Kind.VIDEO, Kind.AUDIO, Kind.MUSIC))
    _fill(body, files)
    return make_safe(body.decode_contents(), files.sources, files.background)


def inner(soup: BeautifulSoup) -> Tag:
    """The element that holds what was parsed."""
    return soup.body or soup


def text_markup(text: str) -> str:
    """A text by the text rule as HTML: its entities are as served, a carriage return ends a line."""
    lines = html.unescape(text).replace("\n", "\r").split("\r")
    return "".join(f"<p>{html.escape(line) or '<br>'}</p>" for line in lines).removesuffix("<p><br></p>")


def _put_gallery(body: Tag, files: Embedded) -> None:
    """The pictures of a post that has no HTML, above its words."""
    soup = BeautifulSoup("", "lxml")
    pictures = files.media.of_role(Role.IMAGE)
    for place, medium in enumerate(pictures):
        size = {name: str(medium.facts[name]) for name in ("width", "height") if _side(medium, name)}
        paragraph = soup.new_tag("p", attrs={"class": f"{OWN}-picture"})
        paragraph.append(soup.new_tag("img", attrs={"src": medium.url, **(size if len(size) == 2 else {})}))
        body.insert(place, paragraph)


def _side(medium: ShownMedium, name: str) -> bool:
    value = medium.facts.get(name)
    return isinstance(value, int) and 0 < value < 20_000


def _put_players(body: Tag, files: Embedded, *, first: bool) -> None:
    """A card for each video and audio that the body itself does not show."""
    asked = [asked_of(card) for card in body.find_all(class_=CARD)]
    shown = [files.media.find_played(medium_type, ident) for medium_type, ident, _ in asked]
    for place, medium in enumerate(files.media.of_role(*_PLAYED)):
        if medium not in shown:
            card = make_card(_LABELS[medium.type], "", [], medium.type, medium.key)
            body.insert(place if first else len(body.contents), card)


def _fill(body: Tag, files: Embedded) -> None:
    """Put files where they are shown, and a frame where one is missing."""
    for card in body.find_all(class_=CARD):
        _fill_card(card, files)
    for tag in body.find_all(style=lambda style: bool(style and "url" in style.lower())):
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
        image.replace_with(missing(source, why, str(image.get("width", "")), str(image.get("height", ""))))


def missing(address: str, why: str, width: str = "", height: str = "") -> Tag:
    """A frame in the shape of an image that is not there, with its address to be read."""
    soup = BeautifulSoup("", "lxml")
    shape = f"width:{width}px;aspect-ratio:{width} / {height}" if width and height else ""
    frame = soup.new_tag("span", attrs={"class": MISSING, **({"style": shape} if shape else {})})
    for words in (_MISSING_WORDS, why, address):
        line = soup.new_tag("span", attrs={"class": f"{MISSING}-line"})
        line.string = words
        frame.append(line)
    return frame


def _frame_background(tag: Tag, files: Embedded) -> None:
    """An element that showed nothing but a background says so where that is not archived."""
    addresses = image_addresses(str(tag.get("style", "")))
    absent = [address for address in addresses if address and files.background(address) is None]
    if absent and not tag.get_text(strip=True) and tag.find(["img", DRAWING]) is None:
        medium = files.media.find(absent[0])
        tag.append(missing(absent[0], files.put(medium)[1]))


def _fill_card(card: Tag, files: Embedded) -> None:
    medium_type, ident, poster = asked_of(card)
    medium = files.media.find_played(medium_type, ident)
    for name in [name for name in card.attrs if name.startswith(OWN)]:
        del card[name]
    still = files.media.find(poster) or (files.media.poster_of(medium) if medium else None)
    if still is not None:
        card.insert(0, _still(still, files))
    if medium is not None:
        _tell(card, medium)
        _play(card, medium, files)


def _still(still: ShownMedium, files: Embedded) -> Tag:
    soup = BeautifulSoup("", "lxml")
    place, why = files.put(still)
    image = soup.new_tag("img", attrs={"class": f"{CARD}-still", "src": place, "alt": ""})
    return image if place else missing(still.url, why)


def _tell(card: Tag, medium: ShownMedium) -> None:
    """What the page tells of a medium and its card does not say yet."""
    known = card.get_text(" ")
    told = [medium.facts.get("title") or medium.facts.get("name"), duration(medium.facts.get("duration_ms"))]
    for name, words in zip(("title", "line"), told, strict=True):
        if words and str(words) not in known:
            _add(card, name, str(words))


def _play(card: Tag, medium: ShownMedium, files: Embedded) -> None:
    place, why = files.put(medium)
    if place:
        attributes = {"src": place, "controls": "", "preload": "metadata"}
        card.append(BeautifulSoup("", "lxml").new_tag(medium.type, attrs=attributes))
        return
    _add(card, "line", f"未存档 · not archived: {why}")
    if medium.url and medium.url not in card.get_text(" "):
        _add(card, "line", medium.url)


def _add(card: Tag, name: str, words: str) -> None:
    line = BeautifulSoup("", "lxml").new_tag("span", attrs={"class": f"{CARD}-{name}"})
    line.string = words
    card.append(line)
