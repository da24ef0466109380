"""Text, Markdown and offline page of a post say the same words and numbers, in the same places."""

from functools import cache

import pytest
from bs4 import BeautifulSoup
from hypothesis import example, given, settings
from hypothesis import strategies as st

from archive.domain.parsed_page import ParsedPage
from archive.export.markdown import render_markdown
from archive.rendering.media import EmbeddedFiles
from archive.rendering.page import ShownPost
from archive.rendering.post_body import render_body
from crawler.parse.body import text_of_html
from crawler.parse.page import read_page
from tests.archive.export.made_bodies import made_body
from tests.archive.export.markdown_files import READER
from tests.archive.export.what_is_seen import letters, seen, squeezed
from tests.archive.rendering.making import of_reading, post, shown
from tests.support.captures import capture, capture_names, needs_captures

_NAMES = capture_names("article_*")


def _markdown(made: ShownPost) -> str:
    """Return the Markdown of a post as a reader of Markdown shows it, without its title and cards."""
    written = render_markdown(made).content.decode().partition("\n---\n")[2]
    return READER.render(written).partition("</h1>")[2]


def _page(made: ShownPost) -> str:
    """Return the body of the offline page, without the frames of images that are not archived and cards."""
    soup = BeautifulSoup(render_body(made.post, EmbeddedFiles(made.media)), "lxml")
    for ours in soup.find_all(class_=["mparchive-missing", "mparchive-card"]):
        ours.decompose()
    return str(soup)


@pytest.mark.slow
@settings(max_examples=150, derandomize=True)
@given(st.integers(min_value=0, max_value=10**9))
@example(1110)
@example(609)
@example(478)
@example(578)
@example(409)
@example(554)
def test_text_markdown_and_page_of_a_made_body_say_the_same(seed: int) -> None:
    body = made_body(seed)
    made = shown(post(body, title="题", text=text_of_html(body)))
    expected = seen(body)
    assert seen(_page(made)) == expected, body
    assert seen(_markdown(made)) == expected, body
    said, text = letters(seen(body, with_numbers=False)), squeezed(made.post.text)
    is_moved = "</tfoot><tbody>" in body  # the text has the foot of a table where the page's source has it
    assert (sorted(said) == sorted(text)) if is_moved else (said == text), body


@cache
def _reading(name: str) -> ParsedPage:
    return read_page(capture(name))


@pytest.mark.slow
@needs_captures
@pytest.mark.parametrize("name", _NAMES)
def test_text_and_page_of_a_capture_say_the_same(name: str) -> None:
    made = of_reading(_reading(name), filled=False)
    assert letters(seen(_page(made), with_numbers=False)) == squeezed(made.post.text)


@pytest.mark.slow
@needs_captures
@pytest.mark.parametrize("name", _NAMES)
def test_page_and_markdown_of_a_capture_say_the_same_in_the_same_places(name: str) -> None:
    made = of_reading(_reading(name), filled=False)
    cards = [
        text
        for card in BeautifulSoup(render_body(made.post, EmbeddedFiles(made.media)), "lxml").find_all(
            class_="mparchive-card"
        )
        for text in card.stripped_strings
    ]
    assert cards or seen(_markdown(made)) == seen(_page(made))
