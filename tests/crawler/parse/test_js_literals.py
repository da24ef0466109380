"""Script values are read as JavaScript would evaluate them, or not at all."""

from typing import Any

import pytest

from crawler.parse.js_literals import assignments

VALUES: dict[str, tuple[str, Any]] = {
    "a string": ("'一'", "一"),
    "escapes": (r"'\x3cp\x3e \u4e00 \u{1F600} \n \\ \' \/'", "<p> 一 😀 \n \\ ' /"),
    "a surrogate pair": (r"'\ud83d\ude00'", "😀"),
    "the first operand that is not empty": ("'' || '' || 'c'", "c"),
    "a string times one": ("'12' * 1", 12),
    "an empty string times one": ("'' * 1", 0),
    "a fraction times one": ("'0.5' * 1", 0.5),
    "JsDecode": (r"JsDecode('\x3cb\x3e \x26amp; \\x0a')", "<b> &amp; \n"),
    "htmlDecode": ('htmlDecode("a&amp;b<br/>c")', "a&b\nc"),
    "html(false)": ("'a&quot;b'.html(false)", 'a"b'),
    "the first of a list": ("[1, 2, 3].slice(0, 2)", [1, 2]),
    "a list from a place on": ("[1, 2, 3].slice(1)", [2, 3]),
    "an object": ("{a: '1' * 1, 'b': [{c: 'd'},], e: true}", {"a": 1, "b": [{"c": "d"}], "e": True}),
    "a condition": ("'true' === 'true' ? 1 : 0", 1),
    "joined strings": ("'a' + 'b'", "ab"),
    "the last of two keys": ("{a: '1', a: '2'}", {"a": "2"}),
}  # fmt: skip


@pytest.mark.parametrize(("written", "value"), VALUES.values(), ids=VALUES)
def test_a_value(written: str, value: Any) -> None:
    assert list(assignments(f"var wanted = {written};".encode(), frozenset({"wanted"}))) == [
        ("wanted", value)
    ]


@pytest.mark.parametrize(
    "written",
    [
        "start + end >> 1",
        "other",
        "f('x')",
        "`a${b}`",
        "function () {}",
        "'2' * 3",
        "[1, 2].slice(start)",
        "[1, 2].map(1)",
    ],
)
def test_what_is_no_plain_value_is_left_out(written: str) -> None:
    assert not list(assignments(f"var wanted = {written};".encode(), frozenset({"wanted"})))


def test_only_code_that_runs_at_once_counts() -> None:
    script = """
        function later() { wanted = 'no'; }
        (function (_g) { var d = _g.cgiData; d.wanted = 'yes'; })(window);
        (() => { try { window.wanted = window.other = 'too' } catch (e) {} })();
        if (window.x) { wanted = 'maybe'; }
        var set = (function () { var wanted = window.nothing || 'inside'; return wanted; })();
        var other = function () { wanted = 'no'; };
    """
    found = list(assignments(script.encode(), frozenset({"wanted"})))
    assert found == [("d.wanted", "yes"), ("window.wanted", "too"), ("wanted", "maybe"), ("wanted", "inside")]


def test_a_broken_script_still_tells_what_stands_before_the_break() -> None:
    assert ("wanted", "a") in list(assignments(b"var wanted = 'a';\nvar = = ;{{{", frozenset({"wanted"})))
