"""The stand-in's pages, of every kind and outcome, are read as what they were made to be."""

from typing import Any

import pytest

from crawler.parse.page import read_page
from tests.standin.pages import all_pages

PAGES = {name: (body, url, expected) for name, body, url, expected in all_pages()}


def test_every_kind_and_outcome_is_among_them() -> None:
    outcomes = {expected["outcome"] for _, _, expected in PAGES.values()}
    kinds = {expected["kind"] for _, _, expected in PAGES.values()} - {None}
    assert kinds >= {"article", "picture", "text", "video", "audio", "share"}
    assert len(outcomes) >= 10


@pytest.mark.parametrize(("body", "url", "expected"), PAGES.values(), ids=PAGES)
def test_a_page_is_read_as_it_was_meant(body: bytes, url: str, expected: dict[str, Any]) -> None:
    reading = read_page(body, url)
    assert str(reading.outcome) == expected["outcome"]
    assert (str(reading.kind) if reading.kind else None) == expected["kind"]
    assert reading.needs_browser == expected["needs_browser"]
    if expected["fields"]:
        assert reading.record is not None
        assert reading.record.as_dict() == expected["fields"]
