"""Test that the process that renders posts bounds the time and memory of each."""

import pytest

from archive.domain.errors import PageError
from archive.export.html import render_html
from archive.export.post_renderer import PostRenderer, RenderedPost
from archive.rendering.page import ShownPost
from tests.archive.rendering.making import Files, image, post, shown


def _waits(_: ShownPost) -> RenderedPost:
    while True:
        pass


def _takes_memory(one: ShownPost) -> RenderedPost:
    if "much" in (one.post.html or ""):
        bytearray(4 * 1024**3)
    return render_html(one)


@pytest.mark.slow
def test_a_post_that_takes_too_long_is_given_up_and_the_next_is_rendered() -> None:
    with PostRenderer(_waits, seconds=0.5) as renderer:
        for _ in range(2):
            with pytest.raises(PageError, match=r"more than 0\.5 seconds"):
                renderer.render(shown(post("x")))


@pytest.mark.slow
def test_a_post_that_takes_too_much_memory_is_given_up_and_the_next_is_rendered() -> None:
    with PostRenderer(_takes_memory, memory=1024**3) as renderer:
        with pytest.raises(PageError, match="memory"):
            renderer.render(shown(post("much")))
        files = Files()
        lost = image(1, files.keep(b"x"))
        files.contents.clear()
        made = renderer.render(shown(post(f"<p>字</p><img data-src='{lost.url}'>"), [lost], files))
    assert "字".encode() in made.content
    assert "not in the media folder" in str(made.problems[0])
