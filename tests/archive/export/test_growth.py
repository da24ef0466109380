"""Twice as long a body takes twice the time: as a page, as Markdown, and compared."""

from collections.abc import Callable
from time import process_time

import pytest

from archive.domain.errors import PageError
from archive.domain.text_diff import difference
from archive.export.html import render_html
from archive.export.markdown import render_markdown
from archive.export.post_renderer import RenderPost
from archive.rendering.page import check_page_size
from tests.archive.rendering.making import post, shown
from tests.support.growth import MAX_GROWTH, growth

SECONDS = 2.0  # that a reader waits
SLOWER = 2.5  # times, of a machine that does much else; processors share more than their time
# ruff: noqa: E501 - one body a line
# a body of about n, and an n that takes a moment: what took the square of it, and its like
BODIES: dict[str, tuple[Callable[[int], str], int]] = {
    "edges of bold words": (lambda n: f"<p><b>a{'!' * n}a</b></p>", 200_000),
    "bold words and marks": (lambda n: f"<p><b>{'!a' * n}</b></p>", 100_000),
    "bold in bold": (lambda n: "<b>" * n + "x", 10_000),
    "marks in marks": (lambda n: "<b><i><s>" * n + "x", 4_000),
    "bold lines in marks": (lambda n: "<b><i><s>" * 60 + "a<br>" * n, 3_000),
    "many bold words": (lambda n: "<b>a</b>b" * n, 2_000),
    "marks around paragraphs": (lambda n: "<font color=a>" * 180 + "<p>x" * n, 2_000),
    "players": (lambda n: '<iframe src="a"></iframe>' * n, 1_000),
    "players with ids": (
        lambda n: "".join(f'<mpvoice voice_encode_fileid="{i}" name="n"></mpvoice>' for i in range(n)),
        700,
    ),
    "images": (lambda n: '<img data-src="https://mmbiz.qpic.cn/a/0">' * n, 1_000),
    "images without an address": (lambda n: "<img>" * n, 8_000),
    "hidden in hidden": (
        lambda n: '<p style="display:none">' + '<i style="display:none">' * 150 + "<br>" * n + "x", 3_000,
    ),
    "backgrounds in backgrounds": (
        lambda n: '<div style="background:url(https://a.b/c)">' * 150 + "<p></p>" * n, 2_500,
    ),
    "drawings in drawings": (lambda n: "<svg><g>" * 60 + "<rect/>" * n + "<text>a", 4_000),
    "images in drawings": (lambda n: "<svg>" + '<image href="https://a/b"></image>' * n, 1_000),
    "blocks in spans": (lambda n: "<span><section>" * 90 + "<span>x</span><section>y</section>" * n, 1_500),
    "items": (lambda n: "<ol>" + "<li>x</li>" * n + "</ol>", 3_000),
    "lists in lists": (lambda n: "<ul><li>" * 80 + "x<br>" * n, 3_000),
    "quotations in quotations": (lambda n: "<blockquote>" * 150 + "<p>x</p>" * n, 3_000),
    "rows of a head": (lambda n: f"<table><thead>{'<tr><td>x</td><td>y</td></tr>' * n}</thead></table>", 1_500),
    "cells that claim many": (lambda n: f"<table><tr>{'<td colspan=1000>x</td>' * n}</tr></table>", 2_000),
    "paragraphs of a merged cell": (
        lambda n: f"<table><tr><td colspan=2>{'<p>x</p>' * n}</td><td>y</td></tr></table>", 2_000,
    ),
    "formulas": (lambda n: "<p>" + '<span data-formula="x">' * 100 + "<math><mi>x</mi></math>" * n, 1_500),
    "lines of code": (lambda n: f"<pre>{'<code>a<br></code>' * n}</pre>", 2_500),
    "code": (lambda n: f"<p>{'<code>`a`</code>' * n}</p>", 2_500),
    "brackets": (lambda n: f"<p><a href='https://a.b'>{'](' * n}</a></p>", 150_000),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("render", [render_html, render_markdown])
@pytest.mark.parametrize("name", BODIES)
def test_twice_the_body_takes_twice_the_time(name: str, render: RenderPost) -> None:
    body, size = BODIES[name]
    assert growth(lambda n: shown(post(body(n))), render, size) < MAX_GROWTH


@pytest.mark.slow
def test_twice_the_text_that_repeats_itself_is_compared_in_twice_the_time() -> None:
    def make(n: int) -> tuple[str, str]:
        return "字" * n, "新" + "字" * (n - 1) + "旧"

    assert growth(make, lambda texts: difference(*texts), 20_000) < MAX_GROWTH


@pytest.mark.slow
@pytest.mark.parametrize("name", BODIES)
def test_the_largest_body_that_the_web_takes_is_shown_soon(name: str) -> None:
    body, size = BODIES[name]
    while _is_taken(body(size * 5 // 4)):
        size = size * 5 // 4
    while not _is_taken(body(size)):
        size = size * 4 // 5
    made = shown(post(body(size)))
    start = process_time()
    render_html(made)
    assert process_time() - start < SECONDS * SLOWER


def _is_taken(body: str) -> bool:
    try:
        check_page_size(post(body))
    except PageError:
        return False
    return True
