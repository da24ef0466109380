"""Whatever a post says, its Markdown does nothing in the programs that people read Markdown with."""

import re
from collections.abc import Callable

import cmarkgfm
import commonmark
import markdown
import mistune
import pytest
from bs4 import BeautifulSoup
from cmarkgfm.cmark import Options
from markdown_it import MarkdownIt
from marko.ext.gfm import gfm

from archive.export.markdown import render_markdown
from tests.archive.export.hostile_markdown import BODIES
from tests.archive.rendering.hostile import ASKING, PRETENDING, RUNNING
from tests.archive.rendering.making import post, shown

# each as it lets HTML through
READERS: dict[str, Callable[[str], str]] = {
    "Python-Markdown": markdown.markdown,
    "Python-Markdown with extensions": lambda text: markdown.markdown(
        text, extensions=["extra", "toc", "sane_lists", "nl2br", "admonition", "meta"]
    ),
    "mistune": lambda text: str(
        mistune.create_markdown(
            escape=False, plugins=["table", "strikethrough", "url", "footnotes", "abbr", "def_list", "math"]
        )(text)
    ),
    "markdown-it": MarkdownIt("commonmark").enable(["table", "strikethrough"]).render,
    "commonmark": commonmark.commonmark,
    "cmark-gfm": lambda text: cmarkgfm.github_flavored_markdown_to_html(text, Options.CMARK_OPT_UNSAFE),
    "marko": gfm.convert,
}
ALLOWED = frozenset({
    "html", "body", "p", "h1", "h2", "h3", "h4", "h5", "h6", "em", "strong", "del", "code", "pre", "br", "hr",
    "a", "img", "ul", "ol", "li", "blockquote", "table", "thead", "tbody", "tr", "th", "td", "dl", "dt", "dd",
    "s", "div", "sup", "sub", "ins", "mark", "tfoot", "caption", "section", "abbr", "span",
})  # fmt: skip
ATTRIBUTES = frozenset(
    {"href", "src", "alt", "title", "align", "style", "class", "start", "id", "colspan", "rowspan"}
)
SCHEMES = ("http://", "https://", "mailto:", "tel:", "images/", "#")


def acting(rendered: str) -> list[str]:
    """Return what in a page of HTML acts, or is not what we write."""
    found = []
    for tag in BeautifulSoup(rendered, "html5lib").find_all(True):
        if tag.name not in ALLOWED | {"head"}:
            found.append(tag.name)
        found += [f"{tag.name} {name}" for name in tag.attrs if name not in ATTRIBUTES]
        addresses = [str(tag[name]) for name in ("href", "src") if tag.has_attr(name)]
        found += [one for one in addresses if one and not one.startswith(SCHEMES)]
        style = str(tag.get("style", ""))
        found += [style] if style.replace(" ", "").rstrip(";") not in _ALIGNED else []
    return found


_ALIGNED = {"", "text-align:left", "text-align:right", "text-align:center"}


def test_there_are_many_hostile_bodies() -> None:
    assert len(BODIES) >= 90


@pytest.mark.slow
@pytest.mark.parametrize("reader", READERS)
def test_hostile_bodies_do_nothing_in(reader: str) -> None:
    done = {}
    for name, body in (BODIES | RUNNING | ASKING | PRETENDING).items():
        text = render_markdown(shown(post(body, title=f"<b onclick=x>{name}"))).content.decode()
        rest = text.removeprefix("---\n").partition("\n---\n")[2]
        if found := acting(READERS[reader](rest)):
            done[name] = (found, rest)
    assert done == {}


def test_a_reader_that_is_given_such_a_body_as_it_is_would_act() -> None:
    assert acting(READERS["Python-Markdown"]("a <img src=x onerror=alert(1)> [x](javascript:alert(1))"))


@pytest.mark.slow
def test_no_image_holds_what_ends_a_tag() -> None:
    """Showdown, which needs JavaScript, would read the words after a ">" in an image as its attributes."""
    images = 0
    for body in (BODIES | RUNNING | ASKING | PRETENDING).values():
        text = render_markdown(shown(post(body))).content.decode()
        for found in re.finditer(r"!\[([^\]]*)\]\((<?)([^)]*?)>?\)", text):
            images += 1
            assert ">" not in found[1] + found[3], text
    assert images > 20


@pytest.mark.slow
@pytest.mark.parametrize("reader", ["markdown-it", "cmark-gfm", "commonmark", "marko", "mistune"])
def test_every_word_of_them_is_read(reader: str) -> None:
    for body in BODIES.values():
        text = render_markdown(shown(post(body))).content.decode()
        rest = text.removeprefix("---\n").partition("\n---\n")[2]
        read = BeautifulSoup(READERS[reader](rest), "html5lib").get_text()
        said = BeautifulSoup(body, "html5lib").get_text()
        rest_read = iter("".join(read.split()))
        missing = [char for char in "".join(said.split()) if char.isalnum() and char not in rest_read]
        assert not missing, (body, rest, read)
