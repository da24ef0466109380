"""Find the images of a body: in its elements' attributes, by one table, and in styles, by a CSS parser."""

import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

import tinycss2

from archive.domain import entities
from archive.domain.addresses import clean_url
from archive.domain.wechat_elements import (
    COMMON_IMAGE_ATTRIBUTES,
    IMAGE_ATTRIBUTES,
    IMAGE_HOSTS,
    OTHER_ATTRIBUTES,
    PLAYER_ELEMENTS,
    is_custom_element,
)

MAX_CSS = (
    500_000  # characters parsed of one body's styles that name an address; real bodies have under 20,000
)

MAX_NESTING = 8  # brackets in brackets; real values have two

MAX_VALUE = 20_000  # characters of an attribute of a card; a product written as JSON has under 2,000

_MAY_NAME_ADDRESS = re.compile(r"url|image-set|\\", re.IGNORECASE)  # "\" may spell "url" in CSS

_HOLDING_STRINGS = frozenset({"url", "image-set", "-webkit-image-set"})

_WRITTEN_ADDRESS = re.compile(r"""(?:https?:)?//[^\s"'<>()\\]{1,2000}""")


def image_address(name: str, attributes: dict[str, str]) -> str:
    """Return the address of an image element; empty where it gives none on the web."""
    tried = IMAGE_ATTRIBUTES.get(name, ())
    return next(filter(None, (_web(attributes.get(one) or "") for one in tried)), "")


def element_images(name: str, attributes: dict[str, str]) -> Iterator[str]:
    """Yield the addresses of the images that one element shows, except those of its style."""
    if address := image_address(name, attributes):
        yield address
    for common in COMMON_IMAGE_ATTRIBUTES:
        if found := _web(attributes.get(common) or ""):
            yield found
    if is_custom_element(name) and name not in PLAYER_ELEMENTS and not address:
        yield from _card_images(attributes)


def _card_images(attributes: dict[str, str]) -> Iterator[str]:
    """Yield the addresses on WeChat's image hosts in a card whose attributes nobody described."""
    for name, value in attributes.items():
        if name in OTHER_ATTRIBUTES or name == "style" or len(value or "") > MAX_VALUE:
            continue
        written = unquote(entities.unescape(value or "")).replace("\\/", "/")
        for match in _WRITTEN_ADDRESS.finditer(written):
            if _is_image_host(address := _web(match[0])):
                yield address


def _is_image_host(address: str) -> bool:
    try:
        host = urlsplit(address).hostname or ""
    except ValueError:  # a bracket that is never closed
        return False
    return any(host == known or host.endswith(f".{known}") for known in IMAGE_HOSTS)


def _web(written: str) -> str:
    address = clean_url(written)
    return address if address.lower().startswith(("http://", "https://")) else ""


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
            tokens = tinycss2.parse_component_value_list(entities.unescape(style), skip_comments=True)
        except ValueError:  # a number of more digits than Python reads
            return []
        return [address for written in _addresses(tokens) if (address := _web(written))]


def _addresses(tokens: Iterable[Any], holds_address: bool = False, depth: int = 0) -> Iterator[str]:
    """Yield the addresses among CSS tokens; in `url(…)` and `image-set(…)` strings are addresses too."""
    for token in tokens:
        if token.type == "url" or (token.type == "string" and holds_address):
            yield str(token.value)
        elif depth < MAX_NESTING:
            inner = getattr(token, "arguments", None) or getattr(token, "content", None) or ()
            holds = token.type == "function" and token.lower_name in _HOLDING_STRINGS
            yield from _addresses(inner, holds, depth + 1)
