"""An SVG is accepted when it only draws, whatever else it could do."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from crawler.media.content import NotMedium
from crawler.media.svg import MAX_SVG_BYTES, is_svg, svg_size
from tests.crawler.loopback import Loopback
from tests.crawler.media.outside import DRAWINGS, REQUESTS
from tests.support.chromium import TOUCHED, chromium

__all__ = ["chromium"]  # a fixture

MANY = 24  # of the refused files make Chromium request something as soon as they are opened

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
        (b"<style>@import 'x.css';</style>", "style"),
        (b'<rect style="fill: url(https://elsewhere.invalid/x)"/>', "external"),
        (b'<animate attributeName="href"/>', "animated_address"),
        (b"<?php x ?>", "processing_instruction"),
        (b"<rect>", "broken"),
        (b'<rect formaction="x"/>', "attribute"),
        (b'<a href="#a" ping="https://elsewhere.invalid/"/>', "attribute"),
        (b'<g xml:base="https://elsewhere.invalid/"/>', "attribute"),
        (b'<use href="data:image/png;base64,AAAA"/>', "external"),
        (b"<style>@im<!-- x -->port 'x.css';</style>", "style"),
        (b"<style>a{b:image-set('x' 1x)}</style>", "style"),
        (b"<style>a{b:url(a b)}</style>", "style"),
        (b"<cursor/>", "active_element"),
        (b"<metadata><img xmlns='http://www.w3.org/1999/xhtml'/></metadata>", "active_element"),
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
        (b"<!DOCTYPE svg [<!ATTLIST svg onload CDATA 'x()'>]>" + START + b"/>", "document_type"),
        (b'<!DOCTYPE svg SYSTEM "https://elsewhere.invalid/x.dtd">' + START + b"/>", "document_type"),
        (b'<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "x.dtd">' + START + b"/>", "document_type"),
    ]:
        with pytest.raises(NotMedium) as refused:
            svg_size(body)
        assert refused.value.message.code == f"crawler.svg.{code}"


def test_an_svg_is_recognised_behind_comments_and_declarations() -> None:
    assert is_svg(b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- made -->\n<svg>")
    assert not is_svg(b"<p><svg>")


@pytest.mark.parametrize("name", DRAWINGS)
def test_what_drawing_programs_write_is_accepted(name: str) -> None:
    assert svg_size(DRAWINGS[name].encode()) == (20, 10)


@pytest.mark.parametrize("name", REQUESTS)
def test_what_could_request_something_is_refused(name: str) -> None:
    with pytest.raises(NotMedium):
        svg_size(REQUESTS[name].replace("OUTSIDE", "https://elsewhere.invalid").encode())


@pytest.mark.browser
def test_no_accepted_file_requests_anything_when_opened_from_disk(
    needs_chromium: None, chromium: Browser, tmp_path: Path
) -> None:
    """Open all files in Chromium. That the refused ones do request something shows that it is noticed."""
    window = chromium.new_context()
    with Loopback() as outside:
        shapes = {**DRAWINGS, **REQUESTS}
        pages = []
        for number, (name, body) in enumerate(shapes.items()):
            path = tmp_path / f"{number}.svg"
            path.write_text(body.replace("OUTSIDE", f"{outside.url}/{number}"))
            page = window.new_page()
            page.goto(path.as_uri(), wait_until="commit")
            pages.append((name, page))
        for _, page in pages:
            page.wait_for_load_state("networkidle")
            page.evaluate(TOUCHED)
            page.screenshot()  # which lays out and paints, and so requests what styles refer to
        pages[-1][1].wait_for_load_state("networkidle")
        asked = {
            list(shapes)[int(path.split("/")[1])] for path in outside.paths if path.strip("/")[:1].isdigit()
        }
    assert asked.isdisjoint(DRAWINGS)
    assert len(asked) >= MANY, sorted(REQUESTS.keys() - asked)
