import json

import pytest

from archive.domain.addresses import (
    embedded,
    in_text,
    is_post,
    others_in_text,
    parse_address,
    without_addresses,
)
from tests.crawler.discovery.driving import post_url
from tests.support.captures import capture, capture_names, needs_captures

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
