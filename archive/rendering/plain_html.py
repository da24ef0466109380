"""A body's HTML as any reader's program can show it: what only WeChat's own scripts draw becomes plain HTML.

The result is not safe yet: archive.offline.safe has the last word.
"""

import re

from bs4 import BeautifulSoup, Tag

from archive.rendering.cards import PLAYERS, holders, put_cards, read_html, words_of
from archive.rendering.images import clean_link, put_pictures
from archive.rendering.sanitizer import OWN
from archive.rendering.svg import put_boxes

MAX_DEPTH = 200  # elements within elements; posts have under 60, and parsers' time grows with its square

MAX_MARKS = 12  # of _MARKS within each other; a parser of HTML opens all of them again in each paragraph

_MARKS = frozenset({"a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong",
                    "tt", "u"})  # fmt: skip

_DEAD = ("script", "style", "template", "iframe", "frame", "object", "embed", "applet", "noembed", "noframes",
         "xmp", "plaintext", "textarea", "title", "select", "input", "math", "link", "meta", "base",
         "mp-style-type", "mp-common-cpsad")  # fmt: skip

_WITH_WORDS = frozenset({"template", "xmp", "plaintext", "textarea", "title", "select", "math", "noframes"})

_OF_PAGES = frozenset({"header", "footer", "main", "nav"})  # our page has its own

_HIDDEN = re.compile(r"display\s*:\s*none", re.I)


def plain_body(html: str) -> BeautifulSoup:
    """The body in elements that need no script: images have their address in `src`, players are cards.

    Every word a reader of the page could see is still there, in order.
    """
    soup = read_html(html)
    _flatten(soup)
    _disown(soup)
    _drop_hidden(soup)
    put_cards(soup)
    put_boxes(soup)
    put_pictures(soup)
    _drop_dead(soup)
    _clean_links(soup)
    return soup


def _drop_hidden(soup: BeautifulSoup) -> None:
    """Hidden elements go where they hold no words: spacers, counters, editors' marks."""
    saying = holders(words_of(soup))
    for tag in soup.find_all(style=_HIDDEN):
        if not tag.decomposed and id(tag) not in saying:
            tag.decompose()


def _disown(soup: BeautifulSoup) -> None:
    """No body may look as if a part of it were our own: what is ours carries a name that begins so."""
    for tag in soup.find_all(True):
        if tag.name.startswith(OWN):
            tag.name = "span"
        elif tag.name in _OF_PAGES:
            tag.name = "div"
        for name in [name for name in tag.attrs if name.startswith(OWN)]:
            del tag[name]
        if tag.get("class"):  # others mean something to WeChat's own style sheet only
            tag["class"] = " ".join(name for name in tag.get_attribute_list("class") if name in PLAYERS)


def _drop_dead(soup: BeautifulSoup) -> None:
    for tag in soup.find_all(_DEAD):
        if tag.decomposed:
            continue
        if tag.name in _WITH_WORDS:
            tag.unwrap()
        else:
            tag.decompose()


def _clean_links(soup: BeautifulSoup) -> None:
    for link in soup.find_all("a"):
        href = clean_link(str(link.get("href") or ""))
        link.attrs.pop("href", None)
        if href:
            link["href"] = href


def _flatten(soup: BeautifulSoup) -> None:
    """Of elements below MAX_DEPTH only what they hold stays: words and images, in order. So it is with marks
    below MAX_MARKS.
    """
    open_tags: list[tuple[Tag, int, int]] = [(soup, 0, 0)]
    excess: list[Tag] = []
    while open_tags:
        tag, depth, marks = open_tags.pop()
        marks += tag.name in _MARKS
        if marks > MAX_MARKS and tag.name in _MARKS:
            excess.append(tag)
        inner = [child for child in tag.contents if isinstance(child, Tag)]
        if depth < MAX_DEPTH:
            open_tags += [(child, depth + 1, marks) for child in inner]
        elif inner:
            leaves = [leaf for leaf in tag.descendants if not isinstance(leaf, Tag) or not leaf.contents]
            for leaf in leaves:
                leaf.extract()
            tag.clear()
            tag.extend(leaves)
    for tag in excess:
        tag.unwrap()
