"""Whatever the bytes: no exception, a bounded time and memory, and no article without a body."""

import json
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archive.domain.outcomes import Outcome
from archive.domain.parsed_page import ParsedPage
from crawler.parse.page import read_page
from tests.support.captures import capture, capture_names, needs_captures

MAX_SECONDS = 2  # of processor time for one page
MAX_MEMORY = 500 * 1024 * 1024
SIZE = 16 * 1024 * 1024
_OPEN = b'<html><div id="js_article"><div id="js_content">'
_CLOSE = b"</div></div></html>"
_LINK = b'<a href="https://mp.weixin.qq.com/s?__biz=MzA5MjkzMTA1Mw==&mid=%d&idx=1&sn=x">'
_VIDEO = b'<iframe data-mpvid="wxv_%d" data-cover="http%%3A%%2F%%2Fa%%2F%d"></iframe>'


def _post(body: bytes, beside: bytes = b"") -> bytes:
    """Return a page that says which post it is, so that it is parsed to the end."""
    ids = 'var biz = "MzA5MjkzMTA1Mw=="; var mid = "21"; var idx = "1"; var ct = "1488513562"; '
    names = 'var msg_title = \'题\'; var nickname = "号"; var item_show_type = "0";'
    script = f"<script>{ids}{names}</script>".encode()
    return b"<html>" + beside + _OPEN[6:] + body + b"</div></div>" + script + b"</html>"


def _many(pattern: bytes, count: int) -> bytes:
    return b"".join(pattern % ((number,) * pattern.count(b"%d")) for number in range(count))


HOSTILE: dict[str, Callable[[], bytes]] = {
    "16 MB of div": lambda: b"<div>" * (SIZE // 5),
    "tags nested 50,000 deep": lambda: _OPEN + b"<b>" * 50_000 + b"x" + b"</b>" * 50_000 + _CLOSE,
    "tags nested 24,000 deep": lambda: _OPEN + b"<section>" * 24_000 + b"x" + b"</section>" * 24_000 + _CLOSE,
    "hidden blocks nested": lambda: b'<div style="display:none">' * 20_000 + b"</html>",
    "only less-than signs": lambda: b"<" * SIZE,
    "unclosed tags": lambda: b"<a" * (SIZE // 2),
    "unclosed quotes": lambda: b'<a x="' * (SIZE // 6),
    "unclosed comments": lambda: b"<!--" * (SIZE // 4),
    "unclosed scripts": lambda: b"<script>" * (SIZE // 8),
    "equals signs": lambda: b"<a " + b"=" * (SIZE - 3),
    "objects nested 400,000 deep": lambda: b"<script>window.cgiDataNew = {" + b"a:{" * 400_000 + b"</script>",
    "lists nested 1,500,000 deep": lambda: (
        b"<script>window.cgiDataNew = {a:" + b"[" * 1_500_000 + b"</script>"
    ),
    "a million escapes": lambda: b'<script>window.cgiDataNew = {a:"' + b"\\x3c" * 1_000_000 + b'"}</script>',
    "document.write without end": lambda: b"<script>" + b'document.write("' * 900_000 + b"</script>",
    "backgrounds without end": lambda: _OPEN + b"background:url(" * 900_000 + _CLOSE,
    "40,000 images": lambda: _OPEN + b'<img data-src="http://x/y">' * 40_000 + _CLOSE,
    "24,000 links": lambda: _post(_many(_LINK + b"x</a>", 24_000)),
    "12,000 links inside each other": lambda: _post(_many(_LINK, 12_000) + b"x" + b"</a>" * 12_000),
    "a link of 8 MB of words": lambda: _post(_LINK % 7 + b"x " * 4_000_000),
    "a link of 7 MB of textvalue": lambda: _post(
        b'x<a href="//a.b/" textvalue="' + b"&amp;" * 1_400_000 + b'">'
    ),
    "48,000 images": lambda: _post(_many(b'<img data-src="http://x/%d" data-w="9">', 48_000)),
    "an image of 300,000 attributes": lambda: _post(b"x<img " + _many(b"a%d=b ", 300_000) + b">"),
    "24,000 videos": lambda: _post(_many(_VIDEO, 24_000)),
    "20,000 tags of albums": lambda: _post(b"x", b'<div class="article-tag__item-wrp">' * 20_000),
    "a million attributes": lambda: _OPEN + b"<img " + b"a=b " * 3_000_000 + b">" + _CLOSE,
    "5 million ideographs": lambda: "字".encode() * 5_000_000,
    "NUL bytes": lambda: b"\0" * SIZE,
    "random bytes": lambda: random.Random(1).randbytes(SIZE),
    "more than the cap": lambda: b"x" * (SIZE + 1),
}


def _has_body(reading: ParsedPage) -> bool:
    text = reading.record.text if reading.record else reading.page.get("text")
    return bool(
        text or reading.page.get("images") or reading.page.get("videos") or reading.page.get("audios")
    )


def _bounded(body: bytes) -> None:
    """Run in a child process, so that the limits hold for it alone and cannot be lifted."""
    resource.setrlimit(resource.RLIMIT_CPU, (MAX_SECONDS + 3, MAX_SECONDS + 3))
    before = time.process_time()
    reading = read_page(body)
    assert time.process_time() - before < MAX_SECONDS
    assert _peak_memory() < MAX_MEMORY
    assert reading.outcome is not Outcome.ARTICLE or _has_body(reading)


def _peak_memory() -> int:
    """Bytes; ru_maxrss would count the process that started this one, too."""
    (line,) = (one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_page_costs_a_bounded_time_and_memory(name: str) -> None:
    bounded_child(f"from tests.crawler.parse.test_robustness import HOSTILE; body = HOSTILE[{name!r}]()")


def bounded_child(make_body: str) -> None:
    """Read the page `body` that the program `make_body` makes, in a process of its own, within the bounds."""
    program = f"{make_body}\nfrom tests.crawler.parse.test_robustness import _bounded\n_bounded(body)"
    child = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert child.returncode == 0, child.stderr


@given(st.binary(max_size=5_000))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_read_without_an_exception(body: bytes) -> None:
    assert read_page(body).outcome is not Outcome.ARTICLE


_STATE = """window.cgiDataNew = {ainfos: [{url: 'http://['}, {url: 1}], copyright_info: {
    copyright_stat: 2, reprint_url: 'http://['},
    picture_page_info_list: [1, {cdn_url: 'http://a/b', width: '-', live_photo: []}],
    video_page_infos: [{mp_video_trans_info: [{url: 'http://[?dis_t=99999999999999', duration_ms: []}]}],
    appmsgalbuminfo: {album_id: 1, pre_article_link: 'http://[', title: []}};"""
_PIECES = st.sampled_from([
    "<html>", "</html>", '<div id="js_article">', '<div id="js_content">', "</div>", "<p>", "</p>",
    "<script>", "</script>", 'var biz = "MzA5MjkzMTA1Mw==" || "";', 'var ct = "1488513562";',
    "var msg_title = '题'.html(false);", 'var item_show_type = "10";', "<!--", "-->", "文字",
    "window.cgiDataNew = {content_noencode: JsDecode('字')};", '<img data-src="http://a/b">',
    '<a href="https://mp.weixin.qq.com/s/abcdefghijklmnopqrstuv">', "</a>", '<a href="http://[">',
    '<a class="wx_topic_link">', '<a data-miniprogram-appid="&#x0;">', "<mp-common-profile data-id=x>",
    '<iframe data-src="//v.qq.com/?vid=abcd">', '<img data-src="https://a/b#c" data-w="9" data-ratio="nan">',
    "<mpvoice voice_encode_fileid=abcd play_length=x>", "<qqmusic audiourl='http://[a'>", "字</div></div>",
    '<div class="article-tag__item-wrp" data-url="http://[?album_id=1">', 'var mid = "21"; var idx = "1";',
    "var nickname = '号';", 'var item_show_type = "0";', _STATE,
    "\\x3c", "'", '"', "{", "}", "<", ">", "&nbsp;", "\u3000", "\0",
])  # fmt: skip


@given(st.lists(_PIECES, max_size=40).map("".join))
@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_page_put_together_from_pieces_is_never_an_article_without_a_body(page: str) -> None:
    reading = read_page(page.encode())
    assert reading.outcome is not Outcome.ARTICLE or _has_body(reading)


@given(st.lists(_PIECES, max_size=40).map("".join), st.lists(_PIECES, max_size=3).map("".join))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_body_put_together_from_pieces_is_read_with_keys_for_all_it_shows_and_leads_to(
    body: str, beside: str
) -> None:
    reading = read_page(_post(body.encode(), beside.encode()))
    assert all(found.key for found in (*reading.media, *reading.links))
    assert json.loads(json.dumps(reading.page)) == reading.page


@needs_captures
@pytest.mark.parametrize("name", capture_names("article_*", "error_*"))
def test_a_capture_cut_anywhere_is_never_an_article(name: str) -> None:
    served = capture(name)
    end = served.rindex(b"</html>") if b"</html>" in served else len(served)
    for cut in random.Random(name).choices(range(end), k=6):
        assert read_page(served[:cut]).outcome is not Outcome.ARTICLE


@needs_captures
@pytest.mark.parametrize("name", capture_names("article_*", "error_*"))
def test_a_capture_with_flipped_bytes_is_read_without_an_exception(name: str) -> None:
    chance = random.Random(name)
    for count in (1, 100, 20_000):
        damaged = bytearray(capture(name))
        for _ in range(count):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        reading = read_page(bytes(damaged))
        assert reading.outcome is not Outcome.ARTICLE or _has_body(reading)


LONG = "&#" + "9" * 5000 + ";"
_SOUP = st.sampled_from([
    "var biz = ", '"MzA5MjkzMTA1Mw=="', "f", "()", "[", "]", "{", "}", "a:", "?", ":", ",", ";", "'", '"',
    "`${",      "||", "=",
    "JsDecode('\\x26#x;')", ".html(false)", ".slice(0, 1e999)", "*1", "window.cgiDataNew = ",
    "create_time: '0001-01-01 00:00'", "ct = '99999999999'", f"'{LONG}'", "\\u{110000}", "\\ud800", "\n",
    "PAGE_MID='x'", "document.write('<p>')", "transferTargetLink = '//['", "function(){", "=>", "/", "<!--",
])  # fmt: skip
_MARKUP = st.sampled_from([
    "<p>", "</p>", "<b", " =", '"', "'", ">", "<", "<!--", "-->", "</script>", "<style>", "</div>", LONG,
    "&#x;", '<div id="js_article">',
    '<div id="js_content">', '<div id="app"></div>', "<h1>题</h1>", "&lt;", "\0", "字",
    '<meta property="og:url" content="http://[">', '<meta name="author" content="' + LONG + '">',
    '<div class="weui-msg__title">链接已过期</div>', '<img data-src="//[" data-ratio="nan" data-w="1">',
    "<!-- saved from url=(0010)http://[ -->", '<h2 id="activity-name">', '<span id="js_name">号</span>',
])  # fmt: skip


def _page(parts: tuple[list[str], list[str], int]) -> bytes:
    markup, scripts, deep = parts
    inner = "<section>" * deep + "".join(markup) + "</section>" * deep
    return f"<html>{inner}<script>{''.join(scripts)}</script></html>".encode("utf-8", "surrogatepass")


@given(
    st.tuples(st.lists(_MARKUP, max_size=30), st.lists(_SOUP, max_size=30), st.sampled_from([0, 3, 300])),
    st.sampled_from([None, "http://[", "https://mp.weixin.qq.com/s/abcdefghijkl", "\ud800"]),
)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_markup_and_scripts_of_any_shape_are_read_without_an_exception(
    parts: tuple[list[str], list[str], int], url: str | None
) -> None:
    read_page(_page(parts), url)


@given(st.lists(_SOUP, max_size=30).map("".join), st.lists(_MARKUP, max_size=20).map("".join))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_post_around_scripts_and_markup_of_any_shape_is_read_without_an_exception(
    script: str, body: str
) -> None:
    read_page(_post(body.encode(), f"<script>{script}</script>".encode()))


RAISED: dict[str, bytes] = {
    "calls of calls": _post(b"x", b"<script>var biz = f" + b"()" * 5000 + b"</script>"),
    "called functions": _post(b"x", b"<script>var biz = 'a'; (function () {})" + b"()" * 5000 + b"</script>"),
    "a title of digits": _post(b"x").replace("题".encode(), LONG.encode()),
    "an account of digits": _post(b"x").replace("号".encode(), LONG.encode()),
    "a body of digits": _post(LONG.encode()),
    "an author and a digest of digits": _post(
        b"x", f"<script>var author = '{LONG}', msg_desc = '{LONG}';</script>".encode()
    ),
    "a saved page of no address": b"<!-- saved from url=(0010)http://[ --><html></html>",
    "the first day of all": _post(b"x").replace(
        b'var ct = "1488513562"', b"var createTime = '0001-01-01 00:00'"
    ),
}


WITHOUT_TIME = {"the first day of all"}  # no post was published in the year 1, so the page lacks its time


@pytest.mark.parametrize("name", RAISED)
def test_a_page_on_which_the_parser_once_failed_is_read(name: str) -> None:
    reading = read_page(RAISED[name])
    expected = Outcome.UNKNOWN if name in WITHOUT_TIME else Outcome.ARTICLE
    assert reading.outcome is expected or "saved" in name
