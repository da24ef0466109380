"""A reply that is a refusal has the state of its source; JSON values of any type are read."""

import pytest

from archive.domain.messages import Message
from crawler.discovery.responses import (
    as_instant,
    as_number,
    as_objects,
    as_text,
    check_reply,
    json_reply,
    nested_json,
    stored_fields,
    web_page_error,
)
from crawler.discovery.source import Reply, SourceError, State

URL = "https://rss.example/x"
TO_LOGIN = (("Location", "/cgi-bin/loginpage?x"),)


@pytest.mark.parametrize(
    ("reply", "state", "code"),
    [
        (Reply(error=Message("crawler.fetch.unknown_host")), State.UNREACHABLE, "crawler.fetch.unknown_host"),
        (Reply(401, URL), State.REFUSED, "crawler.source.unauthorized"),
        (Reply(410, URL), State.REFUSED, "crawler.source.gone"),
        (Reply(418, URL), State.REFUSED, "crawler.source.refused"),
        (Reply(429, URL), State.RATE_LIMITED, "crawler.source.too_often"),
        (Reply(503, URL), State.UNREACHABLE, "crawler.source.server_error"),
        (Reply(302, URL, TO_LOGIN), State.LOGIN_EXPIRED, "crawler.source.login_redirect"),
        (
            Reply(302, URL, (("Location", "https://mp.weixin.qq.com/mp/wappoc_appmsgcaptcha?x"),)),
            State.VERIFICATION,
            "crawler.source.verification",
        ),
    ],
)  # fmt: skip
def test_a_refusal_has_its_state(reply: Reply, state: State, code: str) -> None:
    with pytest.raises(SourceError) as error:
        check_reply(reply)
    assert (error.value.state, error.value.message.code) == (state, code)


def test_the_address_a_source_moved_to_is_shown_without_its_query() -> None:
    with pytest.raises(SourceError) as error:
        check_reply(Reply(301, URL, (("Location", "https://x.example/new?key=c0ffee"),)))
    assert error.value.message.code == "crawler.source.moved"
    assert "https://x.example/new" in str(error.value)
    assert "c0ffee" not in str(error.value)


def test_a_web_page_in_place_of_data_is_a_login_or_not_understood() -> None:
    assert web_page_error(Reply(200, URL, body="<html>请重新登录".encode())).state is State.LOGIN_EXPIRED
    assert web_page_error(Reply(200, URL, body=b"<html>")).state is State.NOT_UNDERSTOOD


def test_only_a_json_object_is_a_json_reply() -> None:
    assert json_reply(Reply(200, URL, body=b'\xef\xbb\xbf{"a": 1}')) == {"a": 1}
    with pytest.raises(SourceError, match="no JSON object but 2 bytes"):
        json_reply(Reply(200, URL, body=b"[]"))


def test_values_of_any_type_are_read() -> None:
    assert [as_number(value) for value in (7, "7", 7.0, " -7 ", True, "7.5", None)] == [
        7,
        7,
        7,
        -7,
        None,
        None,
        None,
    ]
    assert as_text("a&amp;<em class='highlight'>b</em>\n c") == "a&b c"
    assert as_text(7) == ""
    assert as_instant(0) is None
    assert as_objects({"a": 1}) == [{"a": 1}]
    assert as_objects([{"a": 1}, 2]) == [{"a": 1}]
    assert nested_json('{"a": "[1]"}') == {"a": "[1]"}
    assert nested_json("{") is None
    assert stored_fields({"a": 1, "b": [], "c": "x"}, ("a", "b", "d")) == {"a": 1}
