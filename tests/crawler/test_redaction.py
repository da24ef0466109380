import logging

import pytest

from archive.system.log import log_formatter
from crawler import redaction

SECRET = "c0ffee-Secret%2Bvalue"


@pytest.mark.parametrize("name", sorted(redaction.SECRET_NAMES))
def test_a_secret_in_an_address_is_replaced(name):
    clean = redaction.scrub_url(f"https://mp.weixin.qq.com/s?mid=1&{name}={SECRET}&chksm=ab")
    assert clean == f"https://mp.weixin.qq.com/s?mid=1&{name}=SCRUBBED&chksm=ab"


def test_a_secret_in_an_address_within_an_address_is_replaced():
    target = "https%3A%2F%2Fmp.weixin.qq.com%2Fs%3Fmid%3D1%26pass_ticket%3Dc0ffee%26chksm%3Dab"
    clean = redaction.scrub_url(f"https://mp.weixin.qq.com/mp/wappoc_appmsgcaptcha?target_url={target}")
    assert "c0ffee" not in clean
    assert "chksm%3Dab" in clean


def test_scrubbing_an_address_twice_changes_nothing_more():
    once = redaction.scrub_url(f"https://mp.weixin.qq.com/s?key={SECRET}&target_url=a%26poc_token%3Dx%26b")
    assert redaction.scrub_url(once) == once


@pytest.mark.parametrize(
    "page",
    [
        'window.cgiData = {poc_token: "c0ffee", cap_sid: "x"}',
        "var pass_ticket = '' || 'c0ffee';",
        'var key = "c0ffee";',
        "window.uin='c0ffee'",
        '<a href="/s?mid=1&amp;pass_ticket=c0ffee&amp;x=1">',
        'href="/s?mid=1&key=c0ffeec0ffee&x=1"',
        r'"link": "http:\/\/a\/s?mid=1\x26amp;appmsg_token=c0ffee\x26amp;x=1"',
        '{"exportkey_token": "c0ffee"}',
        r'"{\"wxtoken\":\"c0ffee\"}"',
    ],
)
def test_a_secret_in_a_page_is_replaced(page):
    clean = redaction.scrub_body(page.encode(), "text/html; charset=UTF-8")
    assert b"c0ffee" not in clean
    assert b"SCRUBBED" in clean


@pytest.mark.parametrize(
    "page",
    [
        "a.key=b;c.token=d",
        "t?key=1:0",
        'x={key:"name"}',
        "正文里的 token 与 key 不动",
        'data-key="12"',
        "uin==0",
    ],
)
def test_ordinary_script_and_text_stay_as_they_are(page):
    assert redaction.scrub_body(page.encode(), "text/html") == page.encode()


def test_an_albums_public_key_stays_and_a_sessions_key_goes():
    listing = b'{"article_list":[{"key":"2390561785_2650242275_1"}],"key":"c0ffee"}'
    clean = redaction.scrub_body(listing, "application/json")
    assert b'"key":"2390561785_2650242275_1"' in clean
    assert b"c0ffee" not in clean


def test_a_page_in_another_encoding_keeps_its_bytes():
    page = "<p>政府公告</p><script>var pass_ticket='c0ffee'</script>".encode("gb18030")
    clean = redaction.scrub_body(page, "text/html; charset=gb18030")
    assert clean == page.replace(b"c0ffee", b"SCRUBBED")


def test_a_picture_is_left_alone():
    picture = b"\xff\xd8 pass_ticket='c0ffee'"
    assert redaction.scrub_body(picture, "image/jpeg") == picture


def test_headers_that_carry_a_session_are_dropped_and_addresses_in_others_scrubbed():
    headers = [
        ("Set-Cookie", "a=b"),
        ("Authorization", "x"),
        ("X-WX-Fj", "001"),
        ("Location", "/mp/wappoc_appmsgcaptcha?poc_token=c0ffee&x=1"),
        ("Content-Type", "text/html"),
    ]
    assert redaction.public_headers(headers) == (
        ("Location", "/mp/wappoc_appmsgcaptcha?poc_token=SCRUBBED&x=1"),
        ("Content-Type", "text/html"),
    )


def test_a_log_line_and_its_traceback_lose_their_secrets():
    try:
        raise ValueError("GET https://mp.weixin.qq.com/s?pass_ticket=c0ffee failed")
    except ValueError as error:
        info = (type(error), error, error.__traceback__)
    record = logging.LogRecord("x", logging.INFO, "", 1, "<GET /s?key=%s>", ("c0ffee",), info)
    line = log_formatter("json", redaction.scrub_log).format(record)
    assert "c0ffee" not in line
    assert "/s?key=SCRUBBED" in line


def test_a_secret_known_by_its_value_is_replaced_wherever_it_stands(monkeypatch):
    monkeypatch.setattr(redaction, "_registered", set())
    redaction.register_secret("data_ticket=c0ffee")
    redaction.register_secret("a=1")  # too short, so it occurs in other text as well
    line = "Retrying with {'Cookie': 'data_ticket=c0ffee'}, a=1"
    assert redaction.scrub_log(line) == "Retrying with {'Cookie': 'SCRUBBED'}, a=1"
