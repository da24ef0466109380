"""Addresses: which post one names, and what is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive.domain.addresses import (
    MAX_ADDRESS_BYTES,
    PostAddress,
    canonical_url,
    parse_address,
    without_session,
)
from archive.domain.errors import AddressError
from tests.archive.making import BIZ

HOST = "https://mp.weixin.qq.com"
LONG = f"{HOST}/s?__biz={BIZ}&mid=1001&idx=2&sn=5a"
TOKEN = "abc-DEF_0123456789xyzA"

SAME = {
    "as the dump writes it": f"http://mp.weixin.qq.com/s?__biz={BIZ}&mid=1001&idx=2&sn=5a&chksm=be#rd",
    "with escaped ampersands": LONG.replace("&", "&amp;"),
    "with an escaped biz": LONG.replace("==", "%3D%3D"),
    "in another order": f"{HOST}/s?idx=2&sn=5a&mid=1001&__biz={BIZ}",
    "with more in it": f"{LONG}&scene=21&key=#wechat_redirect",
    "by the older path": f"{HOST}/mp/appmsg/show?__biz={BIZ}&appmsgid=1001&itemidx=2",
    "with white space around": f" \n{LONG}\t",
    "with its host in capitals": LONG.replace("mp.weixin", "MP.WeiXin"),
}
NO_POST = {
    "nothing": "",
    "words": "上海经信委",
    "another scheme": LONG.replace("https", "ftp"),
    "a script": "javascript:alert(1)",
    "another host": LONG.replace("mp.weixin.qq.com", "example.com"),
    "a host that ends in ours": LONG.replace("mp.weixin", "mp.weixin.qq.com.example"),
    "our host as the user": LONG.replace("mp.weixin.qq.com", "mp.weixin.qq.com@example.com"),
    "a user": LONG.replace("//", "//me@"),
    "a port": LONG.replace(".com/", ".com:8443/"),
    "a port that is no number": LONG.replace(".com/", ".com:x/"),
    "half a bracket": "http://[mp.weixin.qq.com/s",
    "the front page": f"{HOST}/",
    "an account's own page": f"{HOST}/mp/profile_ext?action=home&__biz={BIZ}&mid=1&idx=1",
    "a token that is too short": f"{HOST}/s/abc",
    "a token with more after it": f"{HOST}/s/{TOKEN}/x",
    "no biz": f"{HOST}/s?mid=1001&idx=2",
    "no mid": f"{HOST}/s?__biz={BIZ}&idx=2",
    "no idx": f"{HOST}/s?__biz={BIZ}&mid=1001",
    "a mid that is no number": LONG.replace("1001", "１００１"),
    "a mid that no column holds": LONG.replace("1001", "1" * 19),
    "an idx that is too long": LONG.replace("idx=2", "idx=1234"),
    "a NUL for a biz": LONG.replace(BIZ, "%00"),
    "half a character for a biz": LONG.replace(BIZ, "\ud800"),
    "a NUL": LONG + "&scene=\0",
    "half a character": LONG + "&scene=\ud800",
    "a biz that would blur the key": LONG.replace(BIZ, "a:b"),
    "a biz in Chinese": LONG.replace(BIZ, "上海"),
    "more than an index takes": f"{LONG}&scene={'字' * (MAX_ADDRESS_BYTES // 3)}",
}


@pytest.mark.parametrize("text", SAME.values(), ids=SAME)
def test_one_post_has_one_key_however_its_address_is_written(text: str) -> None:
    address = parse_address(text)
    assert (address.key, address.aid) == (f"{BIZ}:1001:2", "1001_2")
    assert parse_address(address.fetch_url).key == address.key


@pytest.mark.parametrize("text", NO_POST.values(), ids=NO_POST)
def test_what_names_no_post_is_said_in_one_short_sentence(text: str) -> None:
    with pytest.raises(AddressError) as caught:
        parse_address(text)
    said = str(caught.value)
    assert 0 < len(said) < 300
    assert "\n" not in said


def test_a_short_link_is_its_token_until_its_page_has_been_read() -> None:
    address = parse_address(f"http://mp.weixin.qq.com/s/{TOKEN}?scene=1#rd")
    assert (address.key, address.aid) == (f"s/{TOKEN}", None)
    assert address.fetch_url == f"{HOST}/s/{TOKEN}?scene=1"


def test_the_address_to_fetch_keeps_the_chksm_and_loses_the_fragment() -> None:
    assert parse_address(f"{LONG.replace('https', 'http')}&chksm=be#rd").fetch_url == f"{LONG}&chksm=be"


@pytest.mark.parametrize("chksm", ["", "be48"])
def test_the_dumps_form_is_read_back_with_all_its_parts(chksm: str) -> None:
    url = canonical_url(BIZ, "1001", "2", "5a", chksm)
    assert parse_address(url) == PostAddress(url, BIZ, "1001", "2", "5a", chksm)


@given(st.text() | st.text().map(lambda tail: f"{HOST}/s?{tail}") | st.text().map(LONG.__add__))
def test_no_text_does_worse_than_be_refused(text: str) -> None:
    try:
        address = parse_address(text)
    except AddressError:
        return
    assert address.fetch_url.startswith(f"{HOST}/")
    assert len(address.key) < 100


@pytest.mark.parametrize(
    "name", ["key", "pass_ticket", "appmsg_token", "token", "uin", "wxtoken", "exportkey", "pass%5Fticket"]
)
def test_a_session_parameter_is_not_sent_and_everything_else_stays(name: str) -> None:
    url = f"{HOST}/s?__biz=MjM5==&mid=1&{name}=c0ffee-Secret%2Bvalue&idx=1&chksm=a%2Fb~c&x="
    assert without_session(url) == f"{HOST}/s?__biz=MjM5==&mid=1&idx=1&chksm=a%2Fb~c&x="


@pytest.mark.parametrize(
    ("query", "left"),
    [
        ("a=1&key=x&b=2#rd", "?a=1&b=2#rd"),
        ("key=x&a=1", "?a=1"),
        ("pass_ticket=x#rd", "#rd"),
        ("a=1&amp;amp;uin=x&amp;b=2", "?a=1&amp;b=2"),
        ("a=1;KEY=x;b=2", "?a=1;b=2"),
        ("a=1#rd&pass_ticket=x", "?a=1#rd"),
        ("a=1#exportkey=x&b", "?a=1#b"),
        ("p%61ss_ticket=x&a=1", "?a=1"),
        ("pass_ticket%3Dx&a=1", "?a=1"),
        ("r=https%3A%2F%2Fh%2Fs%3Fkey%3Dx%26a%3D1&b=2", "?r=https%3A%2F%2Fh%2Fs%3Fkey%3D%26a%3D1&b=2"),
        ("r=h%253Fa%253D1%2526appmsg_token%253Dx%2526c&b", "?r=h%253Fa%253D1%2526appmsg_token%253D%2526c&b"),
        ("a&key&keys=1&monkey=2&b=%E4%B8%AD=", "?a&key&keys=1&monkey=2&b=%E4%B8%AD="),
    ],
)
def test_session_parameters_are_removed_and_nothing_else(query: str, left: str) -> None:
    assert without_session(f"https://mp.weixin.qq.com/s?{query}") == f"https://mp.weixin.qq.com/s{left}"


def test_an_address_that_is_refused_is_quoted_without_secrets() -> None:
    for url in ("https://me:secret@h.example/?key=secret", "http://[key=secret", "/s,uin=secret"):
        with pytest.raises(AddressError) as caught:
            parse_address(url)
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "name",
    ["key[]", "KEY[0]", "key%5B%5D", "key%00", "uin+", "key\u200b", "ｋｅｙ", "%256Bey", "%25256bey", "k ey"],
)
def test_a_session_parameter_is_known_in_any_spelling_of_its_name(name: str) -> None:
    url = f"{HOST}/s?__biz=x&mid=1&idx=1"
    assert without_session(f"{url}&{name}=synthetic&sn=ab") == f"{url}&sn=ab"
    assert without_session(f"{url}&x{name}=public&sn=ab") == f"{url}&x{name}=public&sn=ab"
