"""Values of a page's scripts by one name, whatever the template; single values of any type."""

from crawler.parse.script_state import (
    MAX_ADDRESS,
    PageState,
    known,
    link_address,
    plain,
    web_url,
    whole,
    words,
)


def test_a_value_has_one_name_in_all_templates() -> None:
    for script in (
        'var biz = "B"; var ct = "17";',
        "window.biz = 'B'; window.ct = '17';",
        'd.biz = "B"; d.ct = "17";',
    ):
        state = PageState([script.encode()])
        assert (state.text("biz"), state.number("ct")) == ("B", 17), script


def test_values_of_a_rendered_page_come_before_written_ones() -> None:
    state = PageState([b'var biz = "B"; var ct = "17";'], {"ct": "18", "unknown": 1})
    assert (state.text("biz"), state.number("ct"), state.get("unknown")) == ("B", 18, None)


def test_the_first_name_with_a_value_counts_and_entities_are_decoded() -> None:
    state = PageState([b'cgiDataNew = {bizuin: "B", nick_name: "", title: "a&amp;b", list: [{x: 1}, 2]}'])
    assert state.text("data.nick_name", "data.title") == "a&b"
    assert state.items("data.list") == [{"x": 1}]
    assert state.mapping("data.list") == {}


def test_the_template_is_read_from_any_script() -> None:
    assert PageState([b"1", b"window.PAGE_MID='mmbizwap:secitptpage/verify.html'"]).page_mid.endswith(
        "verify.html"
    )


def test_single_values_are_read_whatever_their_type() -> None:
    assert web_url("http://x.example/?a=1&amp;b=2") == "http://x.example/?a=1&b=2"
    assert web_url("javascript:x") == web_url(7) == web_url("https://x.example/" + "x" * MAX_ADDRESS) == ""
    assert plain({"a": " b&amp;amp;c "}, "a") == "b&c"
    assert link_address({"a": 7}, "a") == ""
    assert words("a&nbsp;\n b") == "a b"
    assert [whole(value) for value in ("7", 7, "0", "7.5", None)] == [7, 7, None, None, None]
    assert known({"a": 0, "b": "", "c": [], "d": False, "e": "x"}).keys() <= {"a", "e"}
