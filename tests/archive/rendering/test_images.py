"""The addresses of images and links are cleaned; images get an address and a size."""

import pytest

from archive.domain.addresses import clean_web_url
from archive.rendering.images import (
    MAX_INLINE,
    MAX_SIDE,
    clean_link,
    is_inline,
    normalize_images,
    parse_html,
    size_of,
    split_address,
    without_scheme,
    without_size,
)

INLINE = "data:image/png;base64,AAAA"


@pytest.mark.parametrize(
    ("written", "cleaned"),
    [
        ("https://x.example/a.png", "https://x.example/a.png"),
        ("//x.example/a.png", "https://x.example/a.png"),
        ("HTTP://x.example/a", "HTTP://x.example/a"),
        ("javascript:alert(1)", ""),
        ("data:text/html,x", ""),
        ("", ""),
    ],
)
def test_only_addresses_on_the_web_are_addresses_of_images(written: str, cleaned: str) -> None:
    assert clean_web_url(written) == cleaned


@pytest.mark.parametrize(
    ("written", "cleaned"),
    [
        (" https://x.example/a ", "https://x.example/a"),
        ("/s?x=1", "https://mp.weixin.qq.com/s?x=1"),
        ("mailto:a@x.example", "mailto:a@x.example"),
        ("tel:123", "tel:123"),
        ("#anchor", ""),
        ("javascript:alert(1)", ""),
        ("JaVaScript:alert(1)", ""),
        ("weixin://dl", ""),
        ("http://[bad", ""),
    ],
)
def test_only_links_that_a_reader_may_follow_stay(written: str, cleaned: str) -> None:
    assert clean_link(written) == cleaned


def test_sizes_of_one_image_and_schemes_make_no_difference() -> None:
    one = "https://mmbiz.qpic.cn/mmbiz_png/abc/640?wx_fmt=png#imgIndex=1"
    other = "http://mmbiz.qpic.cn/mmbiz_png/abc/0?wx_fmt=png"
    assert without_size(one) == without_size(other) == "mmbiz_png/abc"
    assert without_size("https://x.example/a/640") == ""
    assert without_scheme(one) == without_scheme(other).replace("/0?", "/640?")
    assert without_scheme(one) == without_scheme(one.removeprefix("https:"))
    assert without_scheme("data:image/png;base64,//8=") == without_scheme("javascript://x") == ""
    assert split_address("http://[bad").path == ""


def images(body: str) -> list[dict[str, str]]:
    soup = parse_html(body)
    normalize_images(soup)
    return [{name: str(value) for name, value in image.attrs.items()} for image in soup.find_all("img")]


def test_the_first_address_counts_and_other_attributes_go() -> None:
    body = (
        '<img src="data:x" data-src="//x.example/a" alt="图" onerror="x" data-w="600" data-ratio="0.5">'
        f'<img src="{INLINE}"><img src="javascript:x"><img>'
    )
    assert images(body) == [
        {"src": "https://x.example/a", "width": "600", "height": "300", "alt": "图"},
        {"src": INLINE},
    ]


@pytest.mark.parametrize(
    ("attributes", "size"),
    [
        ('data-w="600" data-ratio="0.5"', {"width": "600", "height": "300"}),
        ('width="600px" height="300"', {"width": "600", "height": "300"}),
        ('data-w="600"', {}),
        ('width="50%" height="10"', {}),
        (f'width="{MAX_SIDE + 1}" height="10"', {}),
        ('width="10" data-ratio="0.01"', {}),
    ],
)
def test_a_size_is_known_where_the_page_has_both_sides(attributes: str, size: dict[str, str]) -> None:
    image = parse_html(f"<img {attributes}>").img
    assert image is not None
    assert size_of(image) == size


def test_only_pictures_may_be_written_into_the_body_and_only_of_some_size() -> None:
    assert is_inline(INLINE)
    assert is_inline(INLINE.replace("png", "JPEG") + "\n AA==")
    for other in ("svg+xml", "html"):
        assert not is_inline(INLINE.replace("png", other))
    assert not is_inline(INLINE + '"onerror=x')
    assert not is_inline(INLINE + "A" * MAX_INLINE)


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ('<img srcset="https://x.example/a 1x, https://x.example/b 2x">', 'src="https://x.example/a"'),
        ('<picture><source srcset="//x.example/a"><img></picture>', 'src="https://x.example/a"'),
        ('<td background="//x.example/a">字</td>', "background-image:url(https://x.example/a)"),
        ('<p style="color:red" data-lazy-bgimg="https://x.example/a">字</p>',
         "color:red;background-image:url(https://x.example/a)"),
        ('<p style="background:url(&amp;quot;https://x.example/a&amp;quot;)">字</p>',
         "background:url(&quot;https://x.example/a&quot;)"),
    ],
)  # fmt: skip
def test_an_image_is_shown_wherever_its_address_is_written(markup: str, expected: str) -> None:
    soup = parse_html(markup)
    normalize_images(soup)
    assert expected in str(soup).replace("style='background:url(\"https://x.example/a\")'", expected)
