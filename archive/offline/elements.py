"""The tree of a body: read, and elements that we put into it ourselves."""

from collections.abc import Iterable
from typing import Any

from bs4 import BeautifulSoup, Tag
from bs4.element import Comment, PageElement


class Element(Tag):
    """An element that finds its children near where it found the last one.

    The library's own search begins at the first child, which makes every change of a body with many
    siblings take time by the square of their number. Changes come in the order of the document.
    """

    _near = 0  # where the last child was found

    def index(self, element: PageElement) -> int:
        """The place of a child, by identity. Raises ValueError where it is no child."""
        contents = self.contents
        low = high = min(self._near, len(contents) - 1)
        while low >= 0 or high < len(contents):
            if low >= 0 and contents[low] is element:
                self._near = low
                return low
            if high < len(contents) and contents[high] is element:
                self._near = high
                return high
            low -= 1
            high += 1
        raise ValueError("not a child of this element")


_CLASSES: dict[Any, Any] = {Tag: Element}
_MAKER = BeautifulSoup("", "lxml", element_classes=_CLASSES)  # its elements may stand in any tree


def read_html(markup: str) -> BeautifulSoup:
    """The tree of a markup, whose elements can be moved in time that does not grow with their siblings."""
    return BeautifulSoup(markup, "lxml", element_classes=_CLASSES)


def holders(held: Iterable[PageElement]) -> set[int]:
    """The ids of the elements that hold any of these, directly or deeper."""
    known: set[int] = set()
    for one in held:
        above = one.parent
        while above is not None and id(above) not in known:
            known.add(id(above))
            above = above.parent
    return known


def words_of(tree: Tag) -> Iterable[PageElement]:
    """The texts of a tree that say something."""
    return (one for one in tree.descendants if _says_something(one))


def _says_something(one: PageElement) -> bool:
    return not isinstance(one, (Tag, Comment)) and bool(str(one).strip())


def element(name: str, words: str = "", **attributes: str) -> Tag:
    """A new element; `class_` is its class."""
    made = _MAKER.new_tag(name, attrs={key.rstrip("_"): value for key, value in attributes.items()})
    if words:
        made.string = words
    return made
