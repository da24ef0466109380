import json
from urllib.parse import quote

import pytest

from archive.domain.address_text import embedded, in_text, others_in_text, post_addresses, without_addresses
from archive.domain.addresses import is_post, parse_address
from tests.crawler.discovery.driving import post_url
from tests.support.captures import capture, capture_names, needs_captures
from tests.support.growth import MAX_GROWTH, growth

SHORT = "https://mp.weixin.qq.com/s/AbCdEfGhIjKlMnOpQrStUv"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f'<a href="{SHORT}">合成</a>', [SHORT]),
        (f"看（{SHORT}）。", [SHORT]),
        (f"看{SHORT}，{post_url(1)}！好文", [SHORT, post_url(1)]),
        (f"看“{SHORT}”。{post_url(2)}好文", [SHORT, post_url(2)]),
        (f"{post_url(1).replace('&', '&amp;')} {post_url(1).replace('&', '&amp;amp;')}", [post_url(1)]),
        ('{"url":"' + post_url(2).replace("/", "\\/") + '"}', [post_url(2)]),
        (f"&lt;a href=&quot;{SHORT}&quot;&gt;合成&lt;/a&gt;", [SHORT]),
        (post_url(3).replace("#", "&param=1#"), [post_url(3).replace("#", "&param=1#")]),
        ("https://mp.weixin.qq.com/mp/profile_ext?action=home", []),
        ("https://mp.weixin.qq.com.evil.example/s/AbCdEfGhIjKlMnOpQrStUv", []),
        ("https://evil.example/?x=mp.weixin.qq.com/s/AbCdEfGhIjKlMnOpQrStUv", []),
        ("https://mp.weixin.qq.com/s/short", []),
    ],
)
def test_addresses_of_posts_are_found_in_what_others_write(text: str, found: list[str]) -> None:
    assert in_text(text) == found


def test_an_address_within_an_address_is_unpacked() -> None:
    assert (
        embedded("https://r.example/?u=https%3A%2F%2Fmp.weixin.qq.com%2Fs%2FAbCdEfGhIjKlMnOpQrStUv") == SHORT
    )
    assert embedded("https://r.example/?u=https%3A%2F%2Fexample.com") == ""
    assert embedded("https://r.example/?" + "&".join(["a=1"] * 1000)) == ""


def test_only_a_posts_own_address_is_one() -> None:
    assert is_post(SHORT)
    assert not is_post("https://r.example/")
    assert not is_post("")


def test_other_addresses_are_told_apart_from_those_of_posts() -> None:
    front = "https://mp.weixin.qq.com/"
    text = f"{SHORT} {front}。{front} https://r.example/?u={SHORT} HTTPS://example.com/a {SHORT.upper()}"
    assert others_in_text(text) == [front, "HTTPS://example.com/a", SHORT.upper()]


def test_what_a_text_says_beside_its_addresses_is_left() -> None:
    assert without_addresses(f"合成标题\n{SHORT}\n 看") == "合成标题 看"


@needs_captures
@pytest.mark.parametrize("name", capture_names("json_getmsg"))
def test_every_post_of_a_real_client_history_is_found_in_its_raw_text(name: str) -> None:
    raw = capture(name).decode()
    items = [json.loads(line).get("app_msg_ext_info") or {} for line in raw.splitlines()]
    entries = [entry for item in items for entry in (item, *item.get("multi_app_msg_item_list", ()))]
    written = [entry["content_url"].replace("\\/", "/") for entry in entries if entry.get("content_url")]
    parsed = [json.loads(f'"{url}"') if "\\" in url else url for url in written]
    expected = {parse_address(url).key for url in parsed if is_post(url)}
    assert len(expected) > 40
    text = "\n".join(entry.get("content_url", "") for entry in entries)
    assert {parse_address(url).key for url in in_text(text)} == expected


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (SHORT.replace(".com", ".com:443"), SHORT),
        (SHORT.replace("https", "http").replace(".com", ".com:80"), SHORT.replace("https", "http")),
        (SHORT.replace("https://mp.weixin.qq.com", "HTTPS://MP.Weixin.qq.COM"), SHORT),
        (SHORT.removeprefix("https://"), SHORT),
        (f"标题：{SHORT}。", SHORT),
        (f"**{SHORT}**", SHORT),
        (f"~~{SHORT}~~", SHORT),
        (f"[题]({SHORT})后文", SHORT),
        (f"| 一 |{SHORT}| 二 |", SHORT),
        (f"{SHORT}\u200b", SHORT),
        (f"{SHORT}🙂", SHORT),
        (f"{SHORT}%EF%BC%8C", SHORT),
        (f"{SHORT};2026", SHORT),
        (SHORT.replace("https://mp", "ｈｔｔｐｓ：／／mp"), SHORT),
        (SHORT.replace("/s/", "//s/"), SHORT),
        (SHORT.replace("uv", "~v"), SHORT.replace("uv", "_v")),
        (post_url(1).replace("/s?", "/s/?"), post_url(1)),
        (post_url(1).replace("&", "&#38;"), post_url(1)),
        (post_url(1).replace("&", "\\u0026"), post_url(1)),
        (quote(post_url(1), safe=""), post_url(1)),
        (post_url(1).replace("?", "%3F").replace("&", "%26").replace("=", "%3D"), post_url(1)),
        (
            f"https://mp.weixin.qq.com/mp/wappoc_appmsgcaptcha?poc=a&target_url={quote(SHORT, safe='')}",
            SHORT,
        ),
        (f"https://r.example/?a=1&url={quote(quote(SHORT, safe=''), safe='')}", SHORT),
        (f"view-source:{SHORT}", SHORT),
    ],
)
def test_an_address_is_found_in_every_form_people_have_it_in(text: str, found: str) -> None:
    assert list(post_addresses(text)) == [found]


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece",
    [
        "x",
        "mp.weixin.qq.com",
        "https://mp.weixin.qq.com/s/",
        "https://mp.weixin.qq.com/mp/x?a=https%3A%2F%2Fmp.weixin.qq.com%2F&",
        "ｈ",
    ],
)
def test_twice_the_text_takes_at_most_two_and_a_half_times_the_time(piece: str) -> None:
    ratio = growth(lambda n: piece * (n // len(piece)), lambda text: list(post_addresses(text)), 300_000)
    assert ratio < MAX_GROWTH
