"""Test excerpts, scores and the cursors of search pages."""

from datetime import date

import pytest

from archive.domain import pagination
from archive.search.query import SearchError
from archive.search.results import LENGTH, DatePosition, SearchCursor, excerpt, marked, read_cursor, score

LAST, OLDEST = DatePosition(date(2026, 3, 1), 7), DatePosition(date(2025, 1, 2), 3)


def test_a_line_has_the_longest_of_overlapping_words_marked() -> None:
    assert marked("互联网金融", ["互联", "互联网"]) == [("互联网", True), ("金融", False)]


def test_an_excerpt_has_a_window_around_each_word_far_apart() -> None:
    text = "前" * 200 + "互联网" + "中" * 500 + "金融" + "后" * 200
    pieces = excerpt(text, ["互联网", "金融"])
    assert [piece for piece, is_word in pieces if is_word] == ["互联网", "金融"]
    assert [piece for piece, _ in pieces].count("…") == 3
    assert sum(len(piece) for piece, _ in pieces) <= LENGTH + 3


def test_an_excerpt_without_a_word_is_the_beginning() -> None:
    assert excerpt("短文", ["没有"]) == [("短文", False)]


def test_a_word_in_the_title_weighs_more_than_in_the_text() -> None:
    assert score("金融\n其他", ["金融"]) > score("其他\n金融金融金融", ["金融"]) > 0
    assert score("其他\n其他", ["金融"]) == 0


@pytest.mark.parametrize("cursor", [SearchCursor(LAST), SearchCursor(LAST, 5, OLDEST)])
def test_a_cursor_is_read_as_it_was_written(cursor: SearchCursor) -> None:
    assert read_cursor(str(cursor)) == cursor


@pytest.mark.parametrize(
    "values", [[None], [None, 1, 2, 3], [1, 2, 3], [-1, 1, 2, 3, 4], [None, 0, 1], ["x", 1, 2, 3, 4]]
)
def test_a_cursor_of_another_shape_is_refused(values: list[int]) -> None:
    with pytest.raises(SearchError) as refused:
        read_cursor(pagination.encode_cursor(values))
    assert refused.value.message.code == "archive.search.unknown_cursor"
