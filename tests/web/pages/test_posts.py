"""A post's text as it is read on a page."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.pages.posts import collapse_blank_lines


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("", ""),
        ("\r\r", ""),
        ("一\r", "一\r"),
        ("一\r二", "一\r二"),
        ("\r \r&nbsp;\r一\r\r\r&nbsp; \u200b\r\r\u3000二\r\r", "一\r\r\u3000二\r"),
        ("一\n\n\n二", "一\r\r二"),
    ],
)
def test_blank_lines_are_one_and_none_comes_first(text: str, read: str) -> None:
    assert collapse_blank_lines(text) == read


@given(st.lists(st.sampled_from(["\r", " ", "&nbsp;", "一", "二 三", "&lt;"]), max_size=30).map("".join))
def test_no_word_is_lost_and_none_is_moved(text: str) -> None:
    told = [line for line in collapse_blank_lines(text).split("\r") if line]
    assert told == [line for line in text.split("\r") if line.replace("&nbsp;", "").strip()]
    assert "\r\r\r" not in collapse_blank_lines(text)
