"""What is an image and what is not, by decoding it."""

from concurrent.futures import ProcessPoolExecutor
from io import BytesIO
from multiprocessing import get_context

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageSequence

from archive.system.child_processes import memory_limit
from crawler.media.content import NotMedium
from crawler.media.validate import MAX_PIXELS, ends_between_rules, image_content, style_content
from tests.standin.media import EVIL_SVG, bomb_png, picture

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" %s</svg>'


def drawn(form: str, size: tuple[int, int] = (30, 20), **options: object) -> bytes:
    content = BytesIO()
    Image.linear_gradient("L").resize(size).convert("RGB").save(content, form, **options)
    return content.getvalue()


def refusal(body: bytes) -> str:
    with pytest.raises(NotMedium) as caught:
        image_content(body)
    return str(caught.value)


@pytest.mark.parametrize(
    ("form", "media_type", "suffix"),
    [
        ("PNG", "image/png", ".png"),
        ("JPEG", "image/jpeg", ".jpg"),
        ("GIF", "image/gif", ".gif"),
        ("WEBP", "image/webp", ".webp"),
        ("BMP", "image/bmp", ".bmp"),
        ("AVIF", "image/avif", ".avif"),
    ],
)
def test_an_image_is_told_by_its_bytes_and_not_taken_when_cut(form, media_type, suffix):
    body = drawn(form)
    found = image_content(body)
    assert (found.media_type, found.suffix, found.width, found.height) == (media_type, suffix, 30, 20)
    assert refusal(body[: len(body) * 2 // 3])


def test_a_jpeg_with_a_second_picture_behind_it_is_a_jpeg():
    body = drawn("MPO", save_all=True, append_images=[Image.new("RGB", (30, 20))])
    assert image_content(body).media_type == "image/jpeg"


def test_of_a_moving_picture_one_frame_is_enough():
    content = BytesIO()
    frames = [Image.effect_noise((30, 20), 60) for _ in range(3)]
    frames[0].save(content, "GIF", save_all=True, append_images=frames[1:])
    assert len(list(ImageSequence.Iterator(Image.open(content)))) == 3
    assert image_content(content.getvalue()).media_type == "image/gif"


@pytest.mark.slow
def test_a_very_long_picture_is_none_too_many():
    assert (image_content(drawn("JPEG", (1080, 20_000))).height, MAX_PIXELS > 1080 * 65_500) == (20_000, True)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "it is empty, not an image"),
        (b"\xef\xbb\xbf \n<!DOCTYPE html><html><body>no</body></html>", "it is a web page, not an image"),
        (b'{"base_resp": {"ret": -1}}', "it is JSON, not an image"),
        (drawn("TIFF"), "it is not an image of a known format"),
        (b"%PDF-1.7 and so on", "it is not an image of a known format"),
        (b"\x89PNG\r\n\x1a\n", "it is not an image of a known format"),
        (bomb_png(), f"more than {MAX_PIXELS} pixels"),
        (bomb_png(12_000), f"more than {MAX_PIXELS} pixels"),
        (bomb_png(9_000), f"more than {MAX_PIXELS} pixels"),
        (bomb_png(8_000), "cannot be decoded"),
        (EVIL_SVG, "an SVG with a <script>"),
    ],
    ids=["empty", "page", "json", "tiff", "pdf", "head", "huge", "large", "over", "short of data", "svg"],
)
def test_what_is_no_picture_is_refused_in_words(body, words):
    assert words in refusal(body)


def _with_little_memory() -> tuple[str, int]:
    body = bomb_png(8_000)  # 64 million grey pixels: 64 MB
    with memory_limit(20 * 1024 * 1024):
        said = refusal(body)
    return said, len(bytes(200 * 1024 * 1024))  # and afterwards there is room again


@pytest.mark.slow
def test_what_takes_more_memory_than_there_is_is_refused_not_fatal():
    # In a process of its own: one that has run other tests holds memory it may use again.
    with ProcessPoolExecutor(1, get_context("spawn")) as alone:
        said, size = alone.submit(_with_little_memory).result(60)
    assert (said, size) == ("decoding it takes too much memory", 200 * 1024 * 1024)


@pytest.mark.parametrize(
    "inside",
    [
        b'width="240px" height="160"><rect width="9" height="9" fill="url(#a)" style="fill: #fff"/>',
        b'viewBox="0 0 240 160"><use xlink:href="#a"/><image href="data:image/png;base64,AAAA"/>',
        b'viewBox="0,0,240,160" onclick=""><a/>'.replace(b' onclick=""', b""),
        b'viewBox="0 0 240 160"><style>.a{fill:url(#g);mask:none}</style><path d="M0 0(L1 1)"/>',
        b'viewBox="0 0 240 160"><animate attributeName="x" values="0;9" begin="click"/><text>a &lt; b</text>',
    ],
)
def test_an_svg_that_only_draws_is_taken_with_its_size(inside):
    found = image_content(b"<?xml version='1.0'?><!-- drawn --><!DOCTYPE svg>" + SVG % inside)
    assert (found.media_type, found.width, found.height) == ("image/svg+xml", 240, 160)


@pytest.mark.parametrize(
    "inside",
    [
        b"><script>x()</script>",
        b"><ScRiPt href='data:,x()'/>",
        b"><foreignObject><p>words</p></foreignObject>",
        b' onload="x()">',
        b'><g ONCLICK="x()"/>',
        b'><a xlink:href="java&#10;script:x()"><g/></a>',
        b'><a href=" javascript:x()"><g/></a>',
        b'><a href="data:text/html,x"><g/></a>',
        b'><a href="https://elsewhere.invalid/"><g/></a>',
        b'><image href="//elsewhere.invalid/x.png"/>',
        b'><image xlink:href="https://elsewhere.invalid/x.png"/>',
        b'><image href="data:image/svg+xml;base64,AAAA"/>',
        b'><use href="other.svg#a"/>',
        b'><animate attributeName="href" values="x"/>',
        b'><set attributeName="xlink:href" to="javascript:x()"/>',
        b'><rect fill="url(https://elsewhere.invalid/#a)"/>',
        b'><rect style="fill:u\\72l(https://elsewhere.invalid/)"/>',
        b"><style>@import 'https://elsewhere.invalid/x.css';</style>",
        b"><style>@\\69mport url(//elsewhere.invalid)</style>",
        b"><style>a{b:image-set('https://elsewhere.invalid/x' 1x)}</style>",
        b"><style>a{b:url( 'https://elsewhere.invalid/x' )}</style>",
        b'><iframe src="https://elsewhere.invalid"/>',
        b'><handler type="text/ecmascript">x()</handler>',
        b"><?xml-stylesheet href='x'?>",
        b"><g>&undeclared;</g>",
        b"><g>",
    ],
)
def test_an_svg_that_does_more_than_draw_is_refused(inside):
    assert refusal(SVG % inside).startswith("an SVG")


@pytest.mark.parametrize(
    "body",
    [
        b'<!DOCTYPE svg [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + SVG % b"><g>&b;</g>",
        b'<!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + SVG % b"><g>&a;</g>",
        b'<?xml-stylesheet href="https://elsewhere.invalid/x.css"?>' + SVG % b">",
        b'<?xml version="1.0" encoding="UTF-7"?>' + SVG % b">",
        SVG % (b">" + b"<g>" * 1000 + b"</g>" * 1000),
        b"<svg xmlns='urn:of-something-else'></svg>",
    ],
    ids=["entities", "file", "stylesheet", "encoding", "deep", "other"],
)
def test_an_svg_with_tricks_is_refused(body):
    assert refusal(body).startswith("an SVG")


@pytest.mark.slow
@given(st.binary(max_size=300), st.sampled_from(["PNG", "JPEG", "GIF", "WEBP", "BMP"]), st.integers(0, 200))
def test_damaged_bytes_are_an_image_or_refused_and_nothing_else(noise, form, place):
    whole = picture("synthetic_hypothesis", form)
    for body in (noise, whole[:place] + noise + whole[place + len(noise) :]):
        try:
            image_content(body)
        except NotMedium as refused:
            assert str(refused)


@pytest.mark.parametrize(
    "body",
    [
        b"body{color:red}",
        b"\xef\xbb\xbf@charset 'utf-8';\n/* words */ @media print{a{b:c}}",
        b"/* nothing else */",
        '@charset "gb18030"; .标题{color:red}'.encode("gb18030"),
        b".a{*zoom:1;filter:progid:x()}}} .b{color:red",
    ],
)
def test_a_style_sheet_is_one_also_with_mistakes_in_it(body: bytes) -> None:
    assert (style_content(body).media_type, style_content(body).suffix) == ("text/css", ".css")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "empty"),
        (b" \n", "unknown_format"),
        (b"\xef\xbb\xbf <!DOCTYPE html><html>busy</html>", "web_page"),
        (b"<?xml version='1.0'?><Error/>", "unknown_format"),
        (b'{"ret": -1}', "json"),
        (b"Not Found", "unknown_format"),
        (picture("synthetic_a"), "unknown_format"),
    ],
)
def test_what_comes_in_place_of_a_style_sheet_is_none(body: bytes, code: str) -> None:
    with pytest.raises(NotMedium) as caught:
        style_content(body)
    assert caught.value.message.code == f"crawler.media.{code}"


WHOLE = b"@media print{.a{b:c}}\n.d>.e{f:url(g.png)} /* end */\n"


def test_a_style_sheet_that_is_cut_off_ends_within_a_rule_or_a_comment() -> None:
    assert ends_between_rules(WHOLE)
    cuts = {length for length in range(1, len(WHOLE)) if not ends_between_rules(WHOLE[:length])}
    between = set(range(1, len(WHOLE))) - cuts
    assert {bytes(WHOLE[:length].rstrip()[-1:]) for length in between} <= {b"}", b"/"}
    assert len(between) < len(WHOLE) / 5
