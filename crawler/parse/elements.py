"""Finds the elements of a body that show or link to something, in one walk without building a tree.

A tree of what strangers write has its costs: libxml2 builds none deeper than 256 levels, and takes minutes
over an element of 100,000 attributes. Its events come in the time it takes to read the markup.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

import tinycss2
from lxml import etree

from archive.domain.addresses import clean_web_url
from archive.domain.text import unescape
from crawler.parse.script_state import MAX_WORDS, words

# By element, in the order in which they are tried: the first that is a web address is the image.
IMAGE_ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "img": ("data-src", "src", "data-backsrc", "data-croporisrc", "data-original", "srcset", "data-srcset"),
    "image": ("xlink:href", "href", "data-src"),  # of a drawing
    "feimage": ("xlink:href", "href"),
    "source": ("srcset", "data-srcset"),  # of a picture
    "video": ("poster",),
    "mp-common-sticker": ("data-emoji_url",),
    "mp-common-product": ("data-product-imageurl", "data-cover", "data-imageurl", "data-headimg"),
    "mp-common-redpacketcover": ("data-receiveimg", "data-coverurl"),
}

# Attributes that hold an image on elements of any name.
COMMON_IMAGE_ATTRIBUTES = (
    "data-lazy-bgimg", "data-product-imageurl", "data-miniprogram-imageurl", "data-emoji_url",
)  # fmt: skip

_ON_ANY_ELEMENT = frozenset({"background", *COMMON_IMAGE_ATTRIBUTES})

# Elements whose images are no images of the text: players, with the covers of what they play, elements that
# show nothing, and those that have an address for another purpose.
NO_IMAGES = frozenset({
    "mpvoice", "qqmusic", "mp-common-mpaudio", "mp-common-videosnap", "mpvideosnap", "mp-common-qqmusic",
    "mp-style-type", "mp-common-cpsad", "script", "style", "iframe", "audio",
})  # fmt: skip

# Addresses of images that are no part of the post: portraits of accounts, and what its editor remembers
# (an image before it was cropped, or compressed; the still that an editing tool has put in).
OTHER_ATTRIBUTES = frozenset({
    "data-headimg", "data-headimgurl", "data-croporisrc", "data-backsrc", "data-oversubscription-url",
    "data-before-oversubscription-url", "data-wxurl",
})  # fmt: skip

_NO_IMAGE_ATTRIBUTES = OTHER_ATTRIBUTES | {"style", "href", "xlink:href", "alt", "title"}

_SETS = frozenset({"srcset", "data-srcset"})  # attributes with several addresses of one image

IMAGE_HOSTS = ("qpic.cn", "qlogo.cn")  # WeChat's, with their subdomains

_VIDEO_HOSTS = frozenset({"mpvideo.qpic.cn"})

MAX_CSS = (
    500_000  # characters parsed of one body's styles that name an address; real bodies have under 20,000
)

MAX_NESTING = 8  # brackets in brackets; real values have two

MAX_VALUE = 20_000  # characters of an attribute; a product written as JSON has under 2,000

_MAY_NAME_ADDRESS = re.compile(r"url|image-set|\\", re.IGNORECASE)  # "\" may spell "url" in CSS

_HOLDING_STRINGS = frozenset({"url", "image-set", "-webkit-image-set"})

_MAY_NAME_HOST = re.compile(r"qpic\.cn|qlogo\.cn", re.IGNORECASE)

_WRITTEN_ADDRESS = re.compile(r"""(?:https?:)?//[^\s"'<>()\[\]{}|,;\\]{1,2000}""", re.IGNORECASE)

_ESCAPE = re.compile(r"\\(?:u00|x)([2-7][0-9a-fA-F])|\\(?=/)")  # of JSON and JavaScript


def sizeless_path(url: str) -> str:
    """`…/640?wx_fmt=png` and `…/0?wx_fmt=png` are one picture in two sizes."""
    return url.partition("?")[0].rpartition("/")[0].partition("://")[2]


def image_address(name: str, attributes: dict[str, str]) -> str:
    """Return the address of an image element; empty where it gives none on the web."""
    for attribute in IMAGE_ATTRIBUTES.get(name, ()):
        value = attributes.get(attribute) or ""
        written = value.split(maxsplit=1)[:1] if attribute in _SETS else [value]
        if address := next(map(clean_web_url, written), "").rstrip("," if attribute in _SETS else ""):
            return address
    return ""


def element_images(name: str, attributes: dict[str, str]) -> Iterator[str]:
    """Yield the addresses of the images that one element shows, except those of its style.

    Those on WeChat's image hosts are found in attributes of any name as well, once in one size.
    """
    known = [address] if (address := image_address(name, attributes)) else []
    for attribute, value in attributes.items():
        if attribute in _ON_ANY_ELEMENT and value and (address := clean_web_url(value)):
            known.append(address)
    yield from known
    hosted = [] if name in NO_IMAGES else list(_hosted_images(attributes))
    if hosted:
        pictures = {sizeless_path(address) for address in known}
        yield from (url for url in hosted if sizeless_path(url) not in pictures)


def _hosted_images(attributes: dict[str, str]) -> Iterator[str]:
    """Yield the addresses on WeChat's image hosts in attributes, which may be lists, JSON or encoded."""
    for name, value in attributes.items():
        if not value or name in _NO_IMAGE_ATTRIBUTES or len(value) > MAX_VALUE:
            continue
        if _MAY_NAME_HOST.search(value):
            for match in _WRITTEN_ADDRESS.finditer(_decoded(value)):
                if _is_image_host(address := clean_web_url(match[0])):
                    yield address


def _decoded(value: str) -> str:
    """Return a value without the escapes of HTML, addresses and scripts, in which values may be wrapped."""
    written = unquote(unescape(value))
    return unescape(_ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else "", written))


def _is_image_host(address: str) -> bool:
    try:
        host = urlsplit(address).hostname or ""
    except ValueError:  # a bracket that is never closed
        return False
    is_known = any(host == known or host.endswith(f".{known}") for known in IMAGE_HOSTS)
    return is_known and host not in _VIDEO_HOSTS


class StyleImages:
    """The addresses of the images in the styles of one body, within MAX_CSS characters in all."""

    def __init__(self) -> None:
        self._characters_left = MAX_CSS

    def find(self, style: str) -> list[str]:
        """Return the addresses in a style attribute or a style sheet, in order."""
        if not _MAY_NAME_ADDRESS.search(style):
            return []
        self._characters_left -= len(style)
        if self._characters_left < 0:
            return []
        try:
            tokens = tinycss2.parse_component_value_list(unescape(style), skip_comments=True)
        except ValueError:  # a number of more digits than Python reads
            return []
        return [address for written in _addresses(tokens) if (address := clean_web_url(written))]


def _addresses(tokens: Iterable[Any], holds_address: bool = False, depth: int = 0) -> Iterator[str]:
    """Yield the addresses among CSS tokens; in `url(…)` and `image-set(…)` strings are addresses too."""
    for token in tokens:
        if token.type == "url" or (token.type == "string" and holds_address):
            yield str(token.value)
        elif depth < MAX_NESTING:
            inner = getattr(token, "arguments", None) or getattr(token, "content", None) or ()
            holds = token.type == "function" and token.lower_name in _HOLDING_STRINGS
            yield from _addresses(inner, holds, depth + 1)


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
