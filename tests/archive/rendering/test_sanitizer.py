"""Styles: what is harmless stays as it is, whatever else stands beside it."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from archive.rendering.sanitizer import MAX_STYLE, image_addresses, safe_style


def without_images(style: str) -> str:
    return safe_style(style, lambda _: None)


@pytest.mark.parametrize(
    ("style", "kept"),
    [
        ("color: rgb(1, 2, 3); font-size:17px", "color:rgb(1, 2, 3);font-size:17px"),
        ("width: calc(100% - (2 * 8px)) !important", "width:calc(100% - (2 * 8px))!important"),
        ("COLOR:Red", "color:Red"),
        ("margin:-1px auto;;;padding:0", "margin:-1px auto;padding:0"),
        ("background:linear-gradient(90deg, #fff 0%, rgba(0,0,0,.5))",) * 2,
        ("font-family:'Microsoft YaHei', sans-serif", 'font-family:"Microsoft YaHei", sans-serif'),
        ("color:red;color:blue", "color:blue"),
    ],
)
def test_ordinary_declarations_stay(style: str, kept: str) -> None:
    assert without_images(style) == kept


@pytest.mark.parametrize(
    "style",
    [
        "display:none", "visibility:hidden", "opacity:0", "opacity: 0.0 !important", "opacity:0%",
        "position:fixed", "position:f\\69xed", "position:/**/sticky", "cursor:pointer", "animation:x 1s",
        "behavior:url(x.htc)", "-moz-binding:url(x)", "width:expression(alert(1))", "width:\\65xpression(1)",
        "--x:url(y)", "color:var(--x)", "background:image-set('x' 1x)", "background:element(#x)",
        "background:url(x", "content:attr(x)", "filter:url(x)", "color:red}body{color:blue",
        "height:0;overflow:hidden", "max-height:0px;overflow-y:hidden",
    ],
)  # fmt: skip
def test_what_hides_moves_runs_or_loads_goes(style: str) -> None:
    assert without_images(style) in ("", "overflow:hidden", "overflow-y:hidden")


def test_a_flat_box_that_shows_what_stands_out_of_it_stays_flat() -> None:
    assert without_images("height:0;overflow:visible") == "height:0;overflow:visible"


@pytest.mark.parametrize(
    "style",
    [
        "background:red url(https://x.example/a.png) no-repeat",
        "background:red url( 'https://x.example/a.png' ) no-repeat",
        'background:red URL("https://x.example/a.png") no-repeat',
        "background:red u\\72l(https://x.example/a.png) no-repeat",
        "background:red /* c */url(https://x.example/a.png) no-repeat",
    ],
)
def test_the_address_of_an_image_is_replaced_however_it_is_written(style: str) -> None:
    replaced = " ".join(safe_style(style, {"https://x.example/a.png": "var(--a)"}.get).split())
    assert replaced == "background:red var(--a) no-repeat"
    assert " ".join(without_images(style).split()) == "background:red none no-repeat"
    assert image_addresses(style) == ["https://x.example/a.png"]


def test_a_style_of_unheard_length_is_dropped() -> None:
    assert without_images("color:red;" * (MAX_STYLE // 10 + 1)) == ""


@given(st.text(alphabet="abcurlx:;()[]{}\"'\\/*-#!,. 016\n\0@<>&", max_size=60) | st.text(max_size=40))
@example("background:url(" * 9)
@example("\\ ")
@example("color:" + "rgb(" * 2000)
def test_nothing_loads_and_a_safe_style_is_safe(style: str) -> None:
    once = without_images(f"background-image:{style};{style}")
    assert "url(" not in once.lower()
    assert without_images(once) == once
