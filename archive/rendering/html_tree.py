"""Read HTML into a tree that is cheap to change, and create elements for it."""

from collections.abc import Iterable
from typing import Any

from bs4 import BeautifulSoup, Tag
from bs4.element import Comment, PageElement


class FastIndexTag(Tag):
    """An element that searches its children near the one it found last.

    Beautiful Soup searches from the first child, so that changes to a body with many siblings would take
    time by the square of their number. Changes are made in the order of the document.
    """

    _last_index = 0  # of the child found last

    def index(self, element: PageElement) -> int:
        """Return the index of a child, by identity. Raises ValueError where it is no child."""
        contents = self.contents
        low = high = min(self._last_index, len(contents) - 1)
        while low >= 0 or high < len(contents):
            if low >= 0 and contents[low] is element:
                self._last_index = low
                return low
            if high < len(contents) and contents[high] is element:
                self._last_index = high
                return high
            low -= 1
            high += 1
        raise ValueError("not a child of this element")


_CLASSES: dict[Any, Any] = {Tag: FastIndexTag}

_FACTORY = BeautifulSoup("", "lxml", element_classes=_CLASSES)  # its elements may be put into any tree


def parse_html(markup: str) -> BeautifulSoup:
    """Return the tree of a markup, whose elements are cheap to move."""
    return BeautifulSoup(markup, "lxml", element_classes=_CLASSES)


def ancestor_ids(elements: Iterable[PageElement]) -> set[int]:
    """Return the id() of every ancestor of these elements."""
    known: set[int] = set()
    for element in elements:
        ancestor = element.parent
        while ancestor is not None and id(ancestor) not in known:
            known.add(id(ancestor))
            ancestor = ancestor.parent
    return known


def texts_in(tree: Tag) -> Iterable[PageElement]:
    """Yield the texts of a tree, without comments and white space."""
    return (node for node in tree.descendants if not isinstance(node, (Tag, Comment)) and str(node).strip())


def new_element(name: str, text: str = "", **attributes: str) -> Tag:
    """Return a new element; `class_` is its class."""
    element = _FACTORY.new_tag(name, attrs={key.rstrip("_"): value for key, value in attributes.items()})
    if text:
        element.string = text
    return element
