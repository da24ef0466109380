from typing import Any

import pytest

from crawler.discovery.source import SourceError, State
from crawler.discovery.sources.weread_list import (
    MAX_GROUPS,
    MAX_POSTS_IN_GROUP,
    book_id,
    instant_of,
    read_weread_list,
    reader_url,
    short_token,
)

BOOK = "MP_WXS_2390000000"
TOKEN = "AbCdEfGh~jKlMn-0000001"


def test_an_account_is_a_book_whose_page_has_a_coded_address() -> None:
    assert book_id("MjM5MDAwMDAwMA==") == "MP_WXS_2390000000"
    found = reader_url("MP_WXS_2390000000")
    assert found.startswith("https://weread.qq.com/web/mp/reader/")
    code = found.rpartition("/")[2]
    assert b"MP_WXS_2390000000".hex() in code
    assert code != reader_url("MP_WXS_2390000001").rpartition("/")[2]


def item(**review: Any) -> dict[str, Any]:
    """Return a post as the list has it."""
    info = {"title": "合成", "originalId": TOKEN, "time": 1_770_000_000}
    return {"reviewId": f"{BOOK}_{TOKEN}", "review": {"belongBookId": BOOK, "mpInfo": info} | review}


def test_a_token_is_written_with_an_underscore_and_never_leads_elsewhere() -> None:
    assert short_token(TOKEN, "", BOOK) == "AbCdEfGh_jKlMn-0000001"
    assert short_token("", f"{BOOK}_{TOKEN}", BOOK) == "AbCdEfGh_jKlMn-0000001"
    for original in ("", "short", "../../x?y=1", "a" * 41, "AbCdEfGh jKlMn"):
        assert short_token(original, f"MP_WXS_1_{TOKEN}", BOOK) == ""


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(1_770_000_000, 1_770_000_000), (1_770_000_000_123, 1_770_000_000), ("1770000000", 1_770_000_000)],
)
def test_times_are_seconds_or_milliseconds(value: Any, seconds: int) -> None:
    instant = instant_of(value)
    assert instant
    assert instant.timestamp() == seconds


@pytest.mark.parametrize("value", [None, 0, -5, "soon", True, [], 10**30])
def test_what_is_no_time_is_none(value: Any) -> None:
    assert instant_of(value) is None


@pytest.mark.parametrize("reviews", [None, "x", 5, [], [None, 5, "x"], {}])
def test_lists_of_another_form_have_no_posts(reviews: Any) -> None:
    found = read_weread_list({"reviews": reviews}, BOOK)
    assert (found.groups, found.foreign, found.cut) == ([], 0, 0)


def test_what_is_no_list_is_said() -> None:
    with pytest.raises(SourceError) as error:
        read_weread_list({"books": []}, BOOK)
    assert error.value.state is State.NOT_UNDERSTOOD


def test_groups_and_their_posts_are_bounded() -> None:
    group = {"subReviews": [item()] * (MAX_POSTS_IN_GROUP + 5)}
    found = read_weread_list({"reviews": [group] * (MAX_GROUPS + 7)}, BOOK)
    assert (len(found.groups), found.cut) == (MAX_GROUPS, 7)
    assert len(found.groups[0]) == MAX_POSTS_IN_GROUP


def test_a_group_without_posts_of_its_own_is_a_post() -> None:
    found = read_weread_list({"reviews": [item()]}, BOOK)
    assert [len(group) for group in found.groups] == [1]


def test_posts_of_other_books_are_counted() -> None:
    found = read_weread_list({"reviews": [{"subReviews": [item(belongBookId="MP_WXS_1"), item()]}]}, BOOK)
    assert (found.foreign, len(found.groups[0])) == (1, 1)
    assert [one.code for one in found.warnings()] == ["crawler.weread.left_out.foreign"]
