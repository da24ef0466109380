"""Drawings become images of harmless shapes; layouts become boxes that keep their content."""

import base64

import pytest
from bs4 import BeautifulSoup

from archive.rendering.images import parse_html
from archive.rendering.svg import DRAWING, MAX_DRAWING, replace_drawings


def replaced(markup: str) -> BeautifulSoup:
    soup = parse_html(markup)
    replace_drawings(soup)
    assert soup.find("svg") is None
    return soup


def drawing(markup: str) -> str:
    (image,) = replaced(markup).find_all(DRAWING)
    head, _, encoded = str(image["src"]).partition(",")
    assert head == "data:image/svg+xml;base64"
    return base64.b64decode(encoded).decode()


def test_a_drawing_keeps_its_shapes_and_colours_and_nothing_else() -> None:
    made = drawing(
        '<svg viewBox="0 0 10 20" fill="red" onload="x()"><g transform="scale(2)"><path d="M0 0L1 1"'
        ' onclick="x()" fill="url(#a)" style="x"/></g><script>x()</script>'
        '<linearGradient id="a" gradientUnits="userSpaceOnUse"><stop offset="0"/></linearGradient>'
        '<use href="https://x.example/a.svg#b"/><animate attributeName="x"/></svg>'
    )
    assert made == (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 20" fill="red"><g transform="scale(2)">'
        '<path d="M0 0L1 1" fill="url(#a)"></path></g>'
        '<linearGradient id="a" gradientUnits="userSpaceOnUse"><stop offset="0"></stop></linearGradient>'
        "</svg>"
    )


@pytest.mark.parametrize(
    "value",
    [
        "url(https://x.example/a)",
        "URL(x)",
        "url(#a) url(//x)",
        "x:'y'",
        "a&quot;b",
        "javascript@x",
        "&lt;b&gt;",
    ],
)
def test_values_that_load_or_quote_something_go(value: str) -> None:
    made = drawing(f'<svg viewBox="0 0 1 1"><path d="M0 0" fill="{value}"/></svg>')
    assert '<path d="M0 0"></path>' in made


@pytest.mark.parametrize(
    "markup",
    [
        "<svg><path d='M0 0'/></svg>",
        "<svg viewBox='x'><path d='M0 0'/></svg>",
        "<svg viewBox='0 0 1 1'></svg>",
        "<svg viewBox='0 0 1 1'><g><defs></defs></g></svg>",
        f"<svg viewBox='0 0 1 1'><path d='{'M0 0' * (MAX_DRAWING // 4)}'/></svg>",
    ],
)
def test_a_drawing_without_a_view_or_a_visible_shape_or_too_large_goes(markup: str) -> None:
    assert replaced(f"<p>字{markup}</p>").p.decode_contents() == "字"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("attributes", "style"),
    [
        ('width="30" viewBox="0 0 3 4"', "width:30px;aspect-ratio:3 / 4;"),
        ('width="2em" viewBox="0 0 3 4"', "width:2em;aspect-ratio:3 / 4;"),
        ('width="x;y" viewBox="0,0 3,4" style="color:red"', "width:100%;aspect-ratio:3 / 4;color:red"),
    ],
)
def test_a_drawing_keeps_its_size(attributes: str, style: str) -> None:
    (image,) = replaced(f"<svg {attributes}><path d='M0 0'/></svg>").find_all(DRAWING)
    assert image["style"] == f"display:inline-block;vertical-align:top;{style}"


def test_a_layout_becomes_a_box_with_its_words_and_images() -> None:
    soup = replaced(
        '<svg viewBox="0 0 3 4"><g><foreignObject style="color:red"><p>一</p></foreignObject></g>'
        '<animate/><rect/><text>二</text><image xlink:href="https://x.example/a"><title>三</title></image></svg>'
    )
    assert soup.get_text().startswith("一二")
    assert [str(image["src"]) for image in soup.find_all("img")] == ["https://x.example/a"]
    assert soup.find("rect") is None
    assert soup.find(style="color:red") is not None


def test_a_drawing_within_a_layout_is_replaced_too() -> None:
    inner = '<svg viewBox="0 0 1 1"><path d="M0 0"/></svg>'
    soup = replaced(f"<svg><g>{inner}</g><foreignObject>字{inner}</foreignObject></svg>")
    assert len(soup.find_all(DRAWING)) == 2
    assert soup.get_text() == "字"


def test_an_svg_with_only_a_background_becomes_a_box() -> None:
    soup = replaced('<svg style="background-image:url(https://x.example/a)"></svg>')
    assert soup.div is not None
    assert "url(https://x.example/a)" in str(soup.div["style"])
