"""What an answer means for what is stored, and when to ask again."""

from datetime import timedelta

import pytest

from archive.domain.outcomes import MediumOutcome, Outcome
from archive.domain.records import content_hash
from archive.domain.update_decisions import (
    MAX_ATTEMPTS,
    PAGE,
    REPARSE,
    Intent,
    StoredPost,
    StoreResult,
    decide,
    next_fetch,
    next_medium_fetch,
)
from tests.archive.making import NOW

NOTHING = Intent(StoreResult.UNCHANGED, add_version=False, make_current=False)


def known(source: str = PAGE) -> StoredPost:
    """Make a post whose text is `b` and once was `a`."""
    return StoredPost("b", source, frozenset("ab"))


def test_a_post_not_known_is_new() -> None:
    assert decide(None, "a", "dump") == Intent(StoreResult.NEW, add_version=True, make_current=True)


def test_a_page_that_says_the_same_adds_no_version_but_its_facts() -> None:
    assert decide(known("dump"), "b", PAGE) == Intent(
        StoreResult.UNCHANGED, add_version=False, make_current=True
    )


@pytest.mark.parametrize("seen", ["a", "c"])
def test_a_page_that_says_something_else_is_an_edit_even_back_to_an_old_text(seen: str) -> None:
    assert decide(known(), seen, PAGE) == Intent(StoreResult.CHANGED, add_version=True, make_current=True)


def test_a_dump_never_replaces_what_the_page_said() -> None:
    assert decide(known(), "c", "dump") == Intent(StoreResult.UNCHANGED, add_version=True, make_current=False)
    assert decide(known(), "a", "dump") == NOTHING


def test_a_dump_that_says_what_the_page_said_does_not_take_its_place() -> None:
    assert decide(known(), "b", "dump") == NOTHING


def test_a_second_dump_with_another_text_is_a_change_once() -> None:
    assert decide(known("dump"), "c", "dump").result is StoreResult.CHANGED
    assert decide(known("dump"), "a", "dump") == NOTHING


def test_a_page_fetched_before_the_current_one_only_adds_to_the_history() -> None:
    first, before, after = (NOW + timedelta(days=days) for days in (-2, -1, 1))
    current = StoredPost("b", PAGE, frozenset("ab"), NOW, timeline=((first, "a"), (NOW, "b")))
    only_a_version = Intent(StoreResult.UNCHANGED, add_version=True, make_current=False)
    assert decide(current, "a", PAGE, fetched_at=before) == NOTHING
    for seen in "bc":
        assert decide(current, seen, PAGE, fetched_at=before) == only_a_version
    for seen in "abc":  # before the first version: the text is older than was known
        assert decide(current, seen, PAGE, fetched_at=first - timedelta(days=1)) == only_a_version
    for fetched_at in (NOW, after, None):
        assert decide(current, "c", PAGE, fetched_at=fetched_at).make_current
        assert decide(current, "b", PAGE, fetched_at=fetched_at).make_current


def test_a_page_read_again_is_believed_as_the_page_and_needs_no_second_version_of_the_same_words() -> None:
    current = StoredPost("b", PAGE, frozenset("abc"), NOW, last_hash="c")
    assert decide(current, "a", REPARSE) == Intent(StoreResult.CHANGED, add_version=True, make_current=True)
    assert decide(current, "c", REPARSE) == Intent(StoreResult.CHANGED, add_version=False, make_current=True)
    assert decide(current, "c", PAGE) == Intent(StoreResult.CHANGED, add_version=True, make_current=True)


def test_half_a_page_replaces_nothing() -> None:
    assert decide(known(), "c", PAGE, whole=False) == NOTHING


def test_half_a_page_is_no_version_and_the_first_whole_text_is_the_first() -> None:
    assert decide(None, "c", PAGE, whole=False) == Intent(
        StoreResult.NEW, add_version=False, make_current=True
    )
    half = StoredPost("c", PAGE, frozenset())
    assert decide(half, "c", PAGE, whole=False) == NOTHING
    assert decide(half, "b", PAGE) == Intent(StoreResult.NEW, add_version=True, make_current=True)


def test_half_a_page_read_again_replaces_only_what_was_read_of_itself() -> None:
    half = StoredPost("c", PAGE, frozenset(), NOW)
    own = decide(half, "d", REPARSE, whole=False, fetched_at=NOW)
    assert own == Intent(StoreResult.UNCHANGED, add_version=False, make_current=True)
    assert decide(half, "d", REPARSE, whole=False, fetched_at=NOW + timedelta(days=1)) == NOTHING
    whole = StoredPost("c", PAGE, frozenset("c"), NOW)
    assert decide(whole, "d", REPARSE, whole=False, fetched_at=NOW) == NOTHING


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome.is_final])
def test_a_final_answer_is_not_asked_for_again(outcome: Outcome) -> None:
    assert next_fetch(outcome, 0, NOW) is None


@pytest.mark.parametrize("outcome", [Outcome.VERIFICATION, Outcome.RATE_LIMITED])
def test_a_block_waits_half_an_hour_doubling_to_six_hours(outcome: Outcome) -> None:
    waits = [next_fetch(outcome, attempts, NOW) for attempts in (1, 2, 3, 4, 5, 6, 2000)]
    minutes = [30, 60, 120, 240, 360, 360, 360]
    assert waits == [NOW + timedelta(minutes=wait) for wait in minutes]


@pytest.mark.parametrize("outcome", [Outcome.UNKNOWN, None])
def test_no_answer_about_the_post_is_retried_later_and_later_then_given_up(outcome: Outcome | None) -> None:
    waits = [next_fetch(outcome, attempts, NOW) for attempts in range(1, MAX_ATTEMPTS + 1)]
    assert waits[0] == NOW + timedelta(minutes=10)
    assert waits[:-1] == sorted(wait for wait in waits if wait)
    assert waits[-1] is None


def test_a_medium_that_failed_is_retried_as_an_address_is() -> None:
    for attempts in range(1, MAX_ATTEMPTS + 2):
        assert next_medium_fetch(MediumOutcome.FAILED, attempts, NOW) == next_fetch(None, attempts, NOW)


def test_a_medium_that_was_refused_is_retried_after_a_day_and_a_week_then_no_more() -> None:
    waits = [next_medium_fetch(MediumOutcome.REFUSED, attempts, NOW) for attempts in (1, 2, 3, 2000)]
    assert waits == [NOW + timedelta(days=1), NOW + timedelta(days=7), None, None]


def test_a_medium_that_was_kept_is_not_asked_for_again() -> None:
    assert next_medium_fetch(MediumOutcome.KEPT, 0, NOW) is None


def test_a_hash_tells_title_from_text_and_never_changes() -> None:
    assert content_hash("ab", "c") != content_hash("a", "bc")
    expected = "1:8a26c93f856838dd3ae1b5d9e4e1ea508256ed31a2cc876878013b9f7ba1db72"
    assert content_hash("标题", "正文\r") == expected
