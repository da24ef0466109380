"""Finds the elements of a body that show or link to something, in one walk without building a tree.

A tree of what strangers write has its costs: libxml2 builds none deeper than 256 levels, and takes minutes
over an element of 100,000 attributes. Its events come in the time it takes to read the markup.
"""

from contextlib import suppress
from dataclasses import dataclass, field

from lxml import etree

from crawler.parse.body_images import StyleImages, element_images
from crawler.parse.script_state import MAX_WORDS, words

MAX_ELEMENTS = 200_000  # of one body; a page of more tags is none of WeChat's (tokens.MAX_TAGS)

_NAMES = frozenset({
    "a", "img", "image", "iframe", "video", "audio", "source", "svg", "mpvoice", "qqmusic",
    "mp-common-mpaudio", "mp-common-qqmusic", "mp-common-videosnap", "mpvideosnap", "mp-common-poi",
    "mp-common-profile", "mpprofile",
})  # fmt: skip

_MARKS = (  # attributes that count on elements of any name
    "data-miniprogram-appid", "data-miniprogram-applink", "data-mpvid", "data-lazy-bgimg",
)  # fmt: skip

_UNSEEN = frozenset({"script", "style"})


@dataclass(slots=True)
class Element:
    """One element: its attributes, and of a link also the words and the first image in it."""

    name: str
    attributes: dict[str, str]
    image: dict[str, str] = field(default_factory=dict)
    _pieces: list[str] = field(default_factory=list)
    _length: int = 0

    def get(self, *names: str) -> str:
        """Return the first of these attributes that is not empty."""
        return next((value for name in names if (value := self.attributes.get(name))), "")

    @property
    def words(self) -> str:
        """What a reader sees of it, on one line."""
        return words("".join(self._pieces))

    def add(self, text: str) -> None:
        """Take in text that stands inside, as long as there is room."""
        if self._length <= 2 * MAX_WORDS:
            self._pieces.append(text[: 2 * MAX_WORDS])
            self._length += len(text)


@dataclass(slots=True)
class BodyElements:
    """What a body holds besides words: elements, and the addresses of its images, both in order."""

    elements: list[Element] = field(default_factory=list)
    images: list[str] = field(default_factory=list)


class _Walk:
    """What libxml2 tells of the markup, in order."""

    def __init__(self) -> None:
        self.found = BodyElements()
        self._styles = StyleImages()
        self._sheet: list[str] | None = None  # the open <style>
        self._links: list[Element] = []  # the open ones
        self._unseen = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._unseen += tag in _UNSEEN
        self._sheet = [] if tag == "style" else self._sheet
        shown = dict.fromkeys(element_images(tag, attributes))
        self._take_images([*shown, *self._styles.find(attributes.get("style") or "")])
        if tag in _NAMES or any(mark in attributes for mark in _MARKS):
            self._take(Element(tag, dict(attributes)))

    def _take_images(self, addresses: list[str]) -> None:
        if addresses and len(self.found.images) < MAX_ELEMENTS:
            self.found.images += addresses

    def _take(self, element: Element) -> None:
        if len(self.found.elements) < MAX_ELEMENTS:
            self.found.elements.append(element)
        if element.name == "a":
            self._links.append(element)
        elif element.name == "img" and self._links and not self._links[-1].image:
            self._links[-1].image = element.attributes

    def end(self, tag: str) -> None:
        self._unseen -= tag in _UNSEEN
        if tag == "style" and self._sheet is not None:
            self._take_images(self._styles.find("".join(self._sheet)))
            self._sheet = None
        if tag == "a" and self._links:
            self._links.pop()

    def data(self, text: str) -> None:
        if self._sheet is not None:
            self._sheet.append(text)
        if self._links and not self._unseen:
            self._links[-1].add(text)

    def close(self) -> BodyElements:
        return self.found


def find_elements(markup: str) -> BodyElements:
    """Return the elements that show or link to something, in order; what cannot be parsed ends the search."""
    walk = _Walk()
    served = markup.replace("\0", "\ufffd").encode("utf-8", "replace")
    if b"<" in served:
        # The stubs allow for bytes and ask for comments; libxml2 gives neither to such a target.
        parser = etree.HTMLParser(target=walk, encoding="utf-8")  # type: ignore[arg-type]
        with suppress(etree.XMLSyntaxError, etree.ParserError):
            parser.feed(served)
            parser.close()
    return walk.found
