"""Every image address in a body is noticed: held against a count that shares no code with the parser.

The count decodes the raw body without looking at its structure, and takes every address on WeChat's image
hosts. What it finds and the parser does not is listed in NOT_NOTICED with the reason.
"""

import html
import re
from collections.abc import Iterator
from urllib.parse import quote, unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archive.domain.outcomes import Kind
from archive.domain.parsed_page import ParsedPage
from crawler.parse.page import read_page
from tests.crawler.parse.made import page
from tests.support.captures import capture, capture_names, needs_captures

# What stands before an address that is no image of the post, and why it is none.
NOT_NOTICED = {
    r"data-headimg(?:url)?=[\"']?": "the portrait of an account on its card",
    r"data-croporisrc=[\"']?": "the editor's copy of an image before it was cropped",
    r"data-backsrc=[\"']?": "the editor's copy of an image before it was replaced",
    r"data-(?:before-)?oversubscription-url=[\"']?": "the editor's copy before it was compressed",
    r"data-wxurl=[\"']?": "written by an editing tool; the image beside it is shown",
}

_IMAGE = re.compile(
    r"//((?:[\w-]+\.)*(?:qpic|qlogo)\.cn/[^\s\"'<>()\[\]{}|\\,;?#&]+|res\.wx\.qq\.com/[^\s\"'<>()\\?#&]*wx_emoji"
    r"[^\s\"'<>()\\?#&]*)"
)
_BODY = re.compile(r"""id=["']?js_content\b""")
_TAG = re.compile(r"<(/?)div\b|<script\b.*?</script>", re.S | re.I)
_CONTENT = re.compile(r"content_noencode:\s*(?:JsDecode\()?'((?:[^'\\]|\\.)*)'")
_HEX = re.compile(r"\\x([0-9a-fA-F]{2})|\\u([0-9a-fA-F]{4})")


def bodies(served: str) -> Iterator[str]:
    """Yield the raw copies of the body: between the tags of the last #js_content, and in the scripts."""
    starts = list(_BODY.finditer(served))
    if starts:
        depth, start = 1, starts[-1].start()
        for tag in _TAG.finditer(served, start):
            if not tag[0].lower().startswith("<script"):
                depth += -1 if tag[1] else 1
            if not depth:
                yield served[start : tag.start()]
                break
    yield from (match[1] for match in _CONTENT.finditer(served))


def decoded(raw: str) -> str:
    """Undo entities, percent signs and backslashes until nothing is left to undo."""
    for _ in range(6):
        text = _HEX.sub(lambda found: chr(int(found[1] or found[2], 16)), raw).replace("\\/", "/")
        text = unquote(html.unescape(text), errors="replace")
        if text == raw:
            return text
        raw = text
    return raw


def counted(served: bytes) -> dict[str, str]:
    """Return every picture in the bodies of a page, with what stands before its address."""
    found: dict[str, str] = {}
    for body in bodies(served.decode("utf-8", "replace")):
        text = decoded(body)
        for match in _IMAGE.finditer(text):
            before = (
                text[max(0, match.start() - 60) : match.start()].removesuffix("http:").removesuffix("https:")
            )
            if not any(re.search(f"{pattern}$", before) for pattern in NOT_NOTICED):
                found.setdefault(_picture(match[1]), before)
    return found


def noticed(reading: ParsedPage) -> set[str]:
    """Return the pictures that the parser noticed: images, covers and stills."""
    return {_picture(medium.url.partition("//")[2]) for medium in reading.media}


def _picture(address: str) -> str:
    """Return an address without its query, and on the hosts that scale without the size."""
    path = address.partition("?")[0].partition("#")[0]
    return path.rpartition("/")[0] if re.match(r"[\w.-]*q(?:pic|logo)\.cn/", path) else path


@pytest.mark.slow
@needs_captures
@pytest.mark.parametrize("name", capture_names("article_*"))
def test_every_image_address_in_the_body_of_a_capture_is_noticed(name: str) -> None:
    served = capture(name)
    reading = read_page(served)
    missing = {
        picture: before for picture, before in counted(served).items() if picture not in noticed(reading)
    }
    if reading.kind is Kind.TEXT:  # its #js_content has the card to follow the account, with its portrait
        missing = {
            picture: before for picture, before in missing.items() if not before.endswith('<img src="')
        }
    assert missing == {}


@pytest.mark.slow
@needs_captures
def test_the_count_finds_something() -> None:
    assert sum(len(counted(capture(name))) for name in capture_names("article_*")) > 150


_HOSTS = st.sampled_from(["mmbiz.qpic.cn/mmbiz_png", "mmbiz.qpic.cn/sz_mmbiz_jpg", "wx.qlogo.cn/mmhead",
                          "mmecoa.qpic.cn/mmecoa_png", "mmbiz.qlogo.cn/mmbiz"])  # fmt: skip
_SCHEMES = st.sampled_from(["https:", "http:", ""])

# Where WeChat, its editor and other tools write an image; `@` is its address as HTML has it, `№` a number.
PLACES = (
    '<img data-src="@">', '<img src="@">', "<img data-src='@'>",
    '<img src="data:image/gif;base64,R0lGODlh" data-src="@">', '<img srcset="@ 1x">',
    '<img data-srcset="@ 640w">', '<picture><source srcset="@ 2x"><img></picture>',
    '<video poster="@"></video>', '<p style="background:url(@)">字</p>',
    '<p style="background:url(\'@\')">字</p>', '<p style="background:url(&#39;@&#39;) no-repeat">字</p>',
    '<p style="background-image:url(&quot;@&quot;)">字</p>',
    '<p style="background:url(&amp;quot;@&amp;quot;)">字</p>',
    '<p style="border-image:url(@) 30 stretch">字</p>', '<p style="border-image-source: URL( @ )">字</p>',
    '<p style="-webkit-mask:url(@) 0 0">字</p>', '<ul style="list-style-image:url(@)"><li>字</li></ul>',
    '<p style="--image:url(@)">字</p>', '<p style="background-image:image-set(&quot;@&quot; 1x)">字</p>',
    '<p style="background:linear-gradient(red,blue),url(@)">字</p>', '<style>.x{background:url(@)}</style>',
    '<table background="@"><tr><td>字</td></tr></table>', '<section data-lazy-bgimg="@">字</section>',
    '<section data-bg="@">字</section>', '<svg><image xlink:href="@"></image></svg>',
    '<svg><image href="@" /></svg>',
    '<svg><image><set attributeName="href" to="@" begin="click"></set></image></svg>',
    '<svg style="background-image:url(@)" viewBox="0 0 1 1"></svg>',
    '<svg><foreignObject><img data-src="@"></foreignObject></svg>',
    '<mp-common-sticker data-emoji_url="@"></mp-common-sticker>', '<span data-emoji_url="@"></span>',
    '<mp-common-product data-product-imageurl="@"></mp-common-product>',
    '<mp-common-product data-cover="@"></mp-common-product>',
    '<mp-common-blockquote data-coverurl="@"></mp-common-blockquote>',
    '<mp-new-widget data-image="@"></mp-new-widget>',
    '<blockquote class="js_blockquote_wrap" data-cover="@">引</blockquote>',
    '<a data-miniprogram-appid="wx1" data-miniprogram-imageurl="@">程</a>',
    '<mp-miniprogram data-miniprogram-imageurl="@"></mp-miniprogram>',
    '<mp-common-videosnap data-url="@" data-id="export/№"></mp-common-videosnap>',
    '<mp-common-mpaudio voice_encode_fileid="MzAwMDAw№" cover="@"></mp-common-mpaudio>',
    '<qqmusic musicid="№" albumurl="@"></qqmusic>', '<iframe data-mpvid="wxv_№" data-cover="@"></iframe>',
    '<iframe class="vote_iframe" data-cover="@"></iframe>',
)  # fmt: skip

# Where an address stands within JSON or an address; `@` is escaped for that.
NESTED = (
    ('<mp-common-product data-windowproduct="@"></mp-common-product>', '{{"img":"{}"}}', True),
    ('<mp-common-product data-windowproduct="@"></mp-common-product>', '{{"img":"{}","title":"名"}}', False),
    ('<section data-info="@">字</section>', '[{{"a":1}},"{}"]', False),
    ('<iframe data-mpvid="wxv_№" data-cover="@"></iframe>', "{}", True),
)


@st.composite
def _images(draw: st.DrawFn) -> str:
    """Return an element that shows an image at an address of its own."""
    number, size = draw(st.integers(0, 10**6)), draw(st.sampled_from(["0", "640"]))
    address = f"{draw(_SCHEMES)}//{draw(_HOSTS)}/synthetic{number}/{size}?wx_fmt=png&amp;from=appmsg"
    if draw(st.booleans()):
        return draw(st.sampled_from(PLACES)).replace("@", address).replace("№", str(number))
    place, form, is_quoted = draw(st.sampled_from(NESTED))
    value = form.format(
        html.unescape(address).replace("/", "\\/") if "{{" in form else html.unescape(address)
    )
    written = quote(value, safe="") if is_quoted else html.escape(value)
    return place.replace("№", str(number)).replace("@", written)


def _number(image: str) -> str:
    """Return the number of an image: two players of one id are one, with one cover."""
    return re.findall(r"synthetic([0-9]+)", image)[0]


@pytest.mark.slow
@settings(max_examples=200)
@given(st.lists(_images(), min_size=1, max_size=6, unique_by=_number), st.booleans())
def test_every_image_address_in_a_made_body_is_noticed(images: list[str], within: bool) -> None:
    body = "<p>字</p>" + "".join(
        f"<section><p>字{image}</p></section>" if within else image for image in images
    )
    served = page(body)
    assert set(counted(served)) <= noticed(read_page(served))


@pytest.mark.parametrize("place", PLACES)
def test_the_count_and_the_parser_find_an_image_in_each_place(place: str) -> None:
    served = page(
        "<p>字</p>"
        + place.replace("№", "1").replace("@", "//mmbiz.qpic.cn/mmbiz_png/synthetic/640?wx_fmt=png")
    )
    assert set(counted(served)) == {"mmbiz.qpic.cn/mmbiz_png/synthetic"}
    assert set(counted(served)) <= noticed(read_page(served))


@pytest.mark.parametrize("name", ["data-backsrc", "data-croporisrc"])
def test_the_copy_of_an_editor_counts_only_where_there_is_no_other_image(name: str) -> None:
    copy, shown = (f"https://mmbiz.qpic.cn/mmbiz_png/{number}/640" for number in (1, 2))
    alone, beside = f'<img {name}="{copy}">', f'<img {name}="{copy}" data-src="{shown}">'
    assert [noticed(read_page(page(f"<p>字</p>{image}"))) for image in (alone, beside)] == [
        {"mmbiz.qpic.cn/mmbiz_png/1"},
        {"mmbiz.qpic.cn/mmbiz_png/2"},
    ]
