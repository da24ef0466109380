"""An SVG is accepted when it only draws, whatever else it could do."""

import pytest

from crawler.media.content import NotMedium
from crawler.media.svg import MAX_SVG_BYTES, is_svg, svg_size

START = b'<svg xmlns="http://www.w3.org/2000/svg" '


@pytest.mark.parametrize(
    ("attributes", "size"),
    [
        (b'width="20" height="10.6px"', (20, 11)),
        (b'viewBox="0 0 30 40"', (30, 40)),
        (b'viewBox="0,0,30,40" width="100%"', (30, 40)),
        (b'width="0" height="900000"', (None, None)),
        (b"", (None, None)),
    ],
)
def test_the_size_comes_from_the_attributes_or_the_view_box(
    attributes: bytes, size: tuple[int | None, int | None]
) -> None:
    assert svg_size(START + attributes + b"/>") == size


@pytest.mark.parametrize(
    ("inner", "code"),
    [
        (b"<script/>", "active_element"),
        (b"<foreignObject/>", "active_element"),
        (b'<rect onload="x()"/>', "event_handler"),
        (b'<a href="java&#10;script:x()"/>', "script"),
        (b'<image href="https://elsewhere.invalid/x"/>', "external"),
        (b"<style>@import 'x.css';</style>", "external"),
        (b'<rect style="fill: url(https://elsewhere.invalid/x)"/>', "external"),
        (b'<animate attributeName="href"/>', "animated_address"),
        (b"<?php x ?>", "processing_instruction"),
        (b"<rect>", "broken"),
    ],
)
def test_what_does_more_than_draw_is_refused(inner: bytes, code: str) -> None:
    with pytest.raises(NotMedium) as refused:
        svg_size(START + b">" + inner + b"</svg>")
    assert refused.value.message.code == f"crawler.svg.{code}"


def test_what_is_embedded_is_no_external_reference() -> None:
    inner = b'<image href="data:image/png;base64,AAAA"/><use href="#a"/><rect style="fill: url(#b)"/>'
    assert svg_size(START + b'width="1" height="1">' + inner + b"</svg>") == (1, 1)


def test_entities_size_and_encoding_are_bounded() -> None:
    for body, code in [
        (b"<!DOCTYPE svg [<!ENTITY a 'b'>]>" + START + b"/>", "entities"),
        (START + b">" + b" " * MAX_SVG_BYTES + b"</svg>", "too_large"),
        (b"<?xml version='1.0' encoding='utf-16'?>", "broken"),
    ]:
        with pytest.raises(NotMedium) as refused:
            svg_size(body)
        assert refused.value.message.code == f"crawler.svg.{code}"


def test_an_svg_is_recognised_behind_comments_and_declarations() -> None:
    assert is_svg(b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- made -->\n<svg>")
    assert not is_svg(b"<p><svg>")
