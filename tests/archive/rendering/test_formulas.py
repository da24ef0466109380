"""Formulas stay readable: their TeX or words stand where the formula stood. All bodies are synthetic."""

# ruff: noqa: E501 - one body a line

import html

import pytest
from bs4 import BeautifulSoup

from archive.export.html import render_html
from archive.export.markdown import render_markdown
from tests.archive.rendering.making import post, shown

DRAWN = '<svg {} viewBox="0 -800 3000 900"><g><path d="M0 0L9 9"/></g></svg>'


def markdown(body: str) -> str:
    return render_markdown(shown(post(body, title="题"))).content.decode().partition("# 题\n\n")[2].strip()


def page(body: str) -> BeautifulSoup:
    soup = BeautifulSoup(render_html(shown(post(body))).content, "lxml").main
    assert soup is not None
    return BeautifulSoup(str(soup), "lxml")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (f'<p>设<span data-formula="a_1+b^2">{DRAWN.format("")}</span>为</p>', "设$a_1+b^2$为"),
        (f"<p>设{DRAWN.format('data-formula=x^2')}为</p>", "设$x^2$为"),
        ('<p>设<img data-formula="x^3" data-src="https://a.example/b">为</p>', "设$x^3$为"),
        ('<p>设<span data-formula="x &lt; y"></span>为</p>', r"设$x \lt  y$为"),
        (f'<p>前</p><section data-formula="E=1">{DRAWN.format("")}</section>后', "前\n\n$$E=1$$\n\n后"),
        ('<p>前<span style="display: block" data-formula="E=1"></span>后</p>', "前\n\n$$E=1$$\n\n后"),
        ('<p>前<span data-formula="`x` $"></span></p>', "前`` `x` $ ``"),
        ('<p>前<span data-formula="a=1">图 7</span></p>', "前$a=1$ 图 7"),
        ("<p>前<math><semantics><mn>5</mn><annotation encoding='application/x-tex'>5</annotation></semantics></math>"
         "</p>", "前$5$"),
        ("<p>宽<math><mi>W</mi><mo>=</mo><mn>12</mn></math>米</p>", "宽W=12米"),
        ("<p><math><mfrac><mrow><mn>1</mn><mo>+</mo><mi>a</mi></mrow><mn>2</mn></mfrac></math></p>", "(1+a)/2"),
        ("<p><math><msup><mi>x</mi><mn>2</mn></msup><msub><mi>y</mi><mn>3</mn></msub></math></p>",
         "x<sup>2</sup>y<sub>3</sub>"),
        ("<p><math><msqrt><mi>x</mi></msqrt></math></p>", "√x"),
        ("<table><tr><td rowspan=2>a</td><td><span data-formula='x_1'></span></td></tr><tr><td>1</td></tr></table>",
         '<table><tbody>\n<tr><td rowspan="2">a</td><td>$x&#95;1$</td></tr>\n<tr><td>1</td></tr></tbody></table>'),
    ],
)  # fmt: skip
def test_markdown_has_the_tex_or_the_words(body: str, expected: str) -> None:
    assert markdown(body) == expected


def test_a_drawn_formula_is_named_and_as_wide_as_it_says() -> None:
    image = page(f'<p>设<span data-formula="a+b">{DRAWN.format("width=4.5ex")}</span></p>').img
    assert image is not None
    assert image["alt"] == "a+b"
    assert "width:4.5ex" in str(image["style"])


def test_a_formula_without_a_width_is_as_wide_as_its_letters() -> None:
    image = page(f"<p>设{DRAWN.format('data-formula=x')}</p>").img
    assert image is not None
    assert "width:3em" in str(image["style"])


def test_words_for_screen_readers_stay_beside_a_drawn_formula() -> None:
    glyph = '<defs><path id="g-1" d="M1 1L2 2"/></defs><use xlink:href="#g-1"/>'
    body = (
        f'<mjx-container><svg viewBox="0 0 900 900">{glyph}</svg><mjx-assistive-mml><math><mi>q</mi></math>'
        '</mjx-assistive-mml><i data-formula="q"></i></mjx-container>'
    )
    made = page(f"<p>甲{body}乙</p>")
    assert made.get_text().strip() == "甲q乙"
    assert made.img is not None
    assert markdown(f"<p>甲{body}乙</p>") == "甲$q$乙"


def test_a_formula_drawn_with_letters_from_elsewhere_is_written() -> None:
    body = '<span data-formula="k"><svg viewBox="0 0 9 9"><use href="#g-2"/><rect width="9"/></svg></span>'
    assert page(f"<p>甲{body}</p>").get_text().strip() == "甲k"


@pytest.mark.parametrize("name", ["mtext", "ms", "tspan", "text", "annotation-xml-x", "feblend", "desc"])
def test_elements_of_other_languages_keep_their_words(name: str) -> None:
    body = f"<p>甲<{name}>乙 30</{name}>丙</p>"
    assert "甲乙 30丙" in page(body).get_text()
    assert markdown(body) == "甲乙 30丙"


def test_lines_of_a_drawn_text_stay_lines() -> None:
    body = '<svg viewBox="0 0 9 9"><g><text><tspan x="0">至多</tspan><tspan x="0" dy="9">40万</tspan></text></g></svg>'
    assert markdown(f"<section>{body}</section>").split() == ["至多", "40万"]
    assert page(body).get_text().split() == ["至多", "40万"]
    words = (
        '<svg viewBox="0 0 9 9"><text x="0">甲</text><text x="5">乙</text><mask><text>丙</text></mask></svg>'
    )
    assert html.unescape(markdown(words)).split() == ["甲", "乙", "丙"]


def test_a_formula_of_katex_is_written_once() -> None:
    mathml = (
        '<span class="katex-mathml"><math><semantics><mrow><mi>p</mi><mo>=</mo><mn>3</mn></mrow>'
        '<annotation encoding="application/x-tex">p=3</annotation></semantics></math></span>'
    )
    drawn = '<span class="katex-html" aria-hidden="true"><span>p</span><span>=3</span></span>'
    assert markdown(f'<p>甲<span class="katex">{mathml}{drawn}</span>乙</p>') == "甲$p=3$乙"
    other = drawn.replace("=3", "=4 其他")
    assert "其他" in markdown(f'<p>甲<span class="katex">{mathml}{other}</span>乙</p>')
