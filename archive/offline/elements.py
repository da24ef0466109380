"""Elements that we put into a body ourselves."""

from bs4 import BeautifulSoup, Tag

_MAKER = BeautifulSoup("", "lxml")  # makes elements of HTML; they belong to it no more than to any other


def element(name: str, words: str = "", **attributes: str) -> Tag:
    """A new element; `class_` is its class."""
    made = _MAKER.new_tag(name, attrs={key.rstrip("_"): value for key, value in attributes.items()})
    if words:
        made.string = words
    return made
