"""The stand-in's pages hold what they are said to hold."""

import gzip

import pytest

from archive.domain.outcomes import Kind, Outcome
from crawler.parse.page import read_page
from tests.standin.notices import NOTICES
from tests.standin.pages import all_pages, catalogue
from tests.standin.rule import final_content, markup_for
from tests.standin.week import WEEK
from tests.standin.weight import bundle
from tests.standin.wire import pack

PAGES = {name: (body, url, expected) for name, body, url, expected in all_pages()}


@pytest.mark.parametrize("name", PAGES)
def test_the_parser_agrees_with_the_expected_result_of_a_page(name: str) -> None:
    body, url, expected = PAGES[name]
    reading = read_page(body, url, "text/html; charset=UTF-8")
    assert reading.outcome == expected["outcome"]
    assert reading.kind == expected["kind"]
    assert reading.needs_browser == expected["needs_browser"]
    assert (reading.record.as_dict() if reading.record else None) == expected["fields"]
    assert reading.published_at == expected["published_at"]


def test_every_outcome_and_every_kind_that_can_be_captured_has_a_page() -> None:
    shown = catalogue()
    assert {page.expected.drawn_outcome or page.expected.outcome for page in shown} == set(Outcome) - {
        Outcome.UNKNOWN
    }
    assert {page.post.kind for page in shown} >= set(Kind) - {Kind.MUSIC, Kind.SHORT}
    assert set(NOTICES) <= {page.post.name for page in shown}


def test_pages_are_the_same_bytes_every_time() -> None:
    assert {name: body for name, body, _, _ in all_pages()} == {name: page[0] for name, page in PAGES.items()}


@pytest.mark.slow
def test_a_page_of_real_weight_is_as_large_and_as_compressible_as_real_ones() -> None:
    packed = pack(catalogue()[0].render(2_500_000))
    assert 2_450_000 < len(packed.body) < 2_600_000
    assert 5 < len(packed.body) / len(packed.gzip) < 6


def test_a_page_compressed_in_parts_decompresses_to_the_whole() -> None:
    parts = [b"<html>", bundle(100_000, 3), b"middle" * 9, bundle(100_000, 4), b"</html>"]
    packed = pack(parts)
    assert gzip.decompress(packed.gzip) == packed.body == b"".join(parts)


@pytest.mark.parametrize("text", ["a\rb\rc", "only", "ends\r", "\r\r", "a &lt; b&nbsp;\r c\rd", "x\r\r y"])
def test_markup_made_for_a_text_gives_that_text(text: str) -> None:
    assert final_content(markup_for(text)) == text


def test_the_week_has_its_posts_pushes_and_kinds() -> None:
    assert len(WEEK) >= 12
    assert len({post.mid for post in WEEK}) == 6
    assert {post.kind for post in WEEK} >= {Kind.ARTICLE, Kind.PICTURE, Kind.TEXT, Kind.SHARE, Kind.AUDIO}
