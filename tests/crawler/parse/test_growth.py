"""Twice the input takes at most about twice the processor time, whatever its shape."""

from collections.abc import Callable, Mapping

import pytest

from archive.domain.text import unescape
from archive.domain.weekly_digest import titles_in
from crawler.parse.body import text_of_html, text_of_plain
from crawler.parse.html_outline import outline, to_utf8
from crawler.parse.js_literals import assignments, html_decode
from crawler.parse.page import read_page
from tests.crawler.parse.test_robustness import bounded_child
from tests.support.growth import MAX_GROWTH, growth


def _script(script: bytes) -> object:
    return list(assignments(script, frozenset({"biz"})))


def _notice(markup: str) -> object:
    return read_page(f"<html><body>{markup}</body></html>".encode())


def _decode(given: tuple[bytes, str]) -> object:
    return to_utf8(*given)


GROWING: Mapping[str, tuple[Callable[[int], object], Callable[..., object], int]] = {
    "less-than signs before one tag": (lambda n: b"<" * n + b">", outline, 200_000),
    "names before a quoted end": (lambda n: b"<a " * n + b'=">"', outline, 50_000),
    "end tags whose ends are quoted": (lambda n: b'</a =">" ' * n, outline, 50_000),
    "scripts with upper-case end tags": (lambda n: b"<script></SCRIPT>" * n, outline, 20_000),
    "a tag in text": (lambda n: "<p>" + "<b " * n + '=">"', text_of_html, 50_000),
    "equals signs in a link": (lambda n: "<a " + "=" * n, text_of_plain, 300_000),
    "many links of equals signs": (lambda n: "<a = = = " * n, text_of_plain, 100_000),
    "spaces in a link": (lambda n: "<a" + " " * n, text_of_plain, 300_000),
    "spaces in a line break": (lambda n: "<br" + " " * n, html_decode, 300_000),
    "the shell of an app": (lambda n: "<div " + "id=app " * n, _notice, 30_000),
    "shells of an app": (lambda n: "<div id=app>  " * n, _notice, 1_400),
    "a charset behind spaces": (lambda n: (b"\xff<p>", "charset=" + " " * n + "!"), _decode, 300_000),
    "calls of calls": (lambda n: b"var biz = f" + b"()" * n, _script, 40_000),
    "called functions": (lambda n: b"(function () {})" + b"()" * n, _script, 20_000),
    "question marks": (lambda n: b"a?" * n, _script, 60_000),
    "numeric references": (lambda n: "&#" + "9" * n + ";", unescape, 3_000_000),
    "many numeric references": (lambda n: "&#99999999" * n, unescape, 100_000),
    "spaces in a digest": (lambda n: "1." + " " * n, titles_in, 500_000),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", GROWING)
def test_time_grows_with_the_length_of_the_input(name: str) -> None:
    make, work, size = GROWING[name]
    assert growth(make, work, size) < MAX_GROWTH


SCRIPTS: Mapping[str, Callable[[], bytes]] = {
    "1.9 million conditions": lambda: b"a?" * 1_900_000,
    "labels": lambda: b"a:" * 140_000,
    "assignments of nothing": lambda: b"biz=;" * 50_000,
    "quotes": lambda: b"'" * 290_000,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPTS)
def test_a_hostile_script_costs_a_bounded_time_and_memory(name: str) -> None:
    bounded_child(f"""
from tests.crawler.parse.test_growth import SCRIPTS
body = b'<html><div id="js_article"></div><script>var biz = "x";' + SCRIPTS[{name!r}]() + b'</script></html>'
""")


@pytest.mark.slow
def test_markup_that_scripts_write_is_bounded() -> None:
    bounded_child(
        """body = b'<html><script>document.write("' + b'<b>x</b>' * 1_000_000 + b'")</script></html>'"""
    )
