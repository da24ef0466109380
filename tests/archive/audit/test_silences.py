"""Silences: days without a post where the account's own weeks make one likely."""

from collections.abc import Collection
from datetime import date, timedelta

import pytest

from archive.audit.silences import silences

MONDAY = date(2025, 1, 6)


def day(number: int) -> date:
    return MONDAY + timedelta(days=number)


def workdays(weeks: int, without: Collection[int] = ()) -> list[date]:
    """Every Monday to Friday of so many weeks, but for some days counted from the first Monday."""
    return [day(n) for n in range(weeks * 7) if n % 7 < 5 and n not in without]


def found(days: list[date]) -> list[tuple[date, date]]:
    return [(silence.first, silence.last) for silence in silences(days)]


def test_a_workday_without_a_post_is_told_with_the_weekend_beside_it_and_a_usual_weekend_is_not() -> None:
    assert found(workdays(20, without=[30])) == [(day(30), day(30))]
    assert found(workdays(20, without=[32])) == [(day(32), day(34))]


def test_days_in_a_row_are_one_silence() -> None:
    (silence,) = silences(workdays(20, without=range(28, 33)))
    assert (silence.first, silence.last) == (day(26), day(34))
    assert set(silence.usual) == set(range(7))
    assert silence.chance < 1e-6


QUIET: dict[str, list[date]] = {
    "too few days": [*workdays(1), day(7), day(30)],
    "a weekly account": [day(7 * n) for n in range(30)],
    "one that publishes on any day now and then": [day(3 * n + n * n % 5) for n in range(60)],
    "one that skips a workday in five": [day(n) for n in range(200) if n % 7 < 5 and n % 5],
    "one whose history is a fortnight of thin days": [day(n) for n in (0, 2, 3, 4, 7, 8, 10, 11, 13)],
    "none": [],
}


@pytest.mark.parametrize("days", QUIET.values(), ids=QUIET)
def test_what_is_usual_or_too_little_known_is_no_silence(days: list[date]) -> None:
    assert found(days) == []


def test_another_habit_of_years_ago_counts_no_more() -> None:
    """Daily for a year, then weekly for two: the weeks between are not held against the first year."""
    days = [day(n) for n in range(364)] + [day(n) for n in range(364, 1100, 7)]
    late = [first for first, _ in found(days) if first > day(364 + 27 * 7)]
    assert late == []


def test_without_today_nothing_is_said_of_days_after_the_last_post() -> None:
    assert found(workdays(20)) == []


def test_the_silence_that_lasts_counts_from_the_day_on_that_makes_it_unusual() -> None:
    weekend_only, until_friday = day(20 * 7), day(20 * 7 + 4)
    assert list(silences(workdays(20), weekend_only)) == []
    (silence,) = silences(workdays(20), until_friday)
    assert (silence.first, silence.last, silence.ongoing) == (day(19 * 7 + 5), day(20 * 7 + 3), True)
    assert silence.chance < 0.01
    (years,) = silences(workdays(20), day(1500))
    assert years.chance < 1e-9
    assert all(0 <= share <= 1 for share in years.usual.values())


def test_a_silence_between_posts_is_not_ongoing_whatever_today_is() -> None:
    days = workdays(20, without=range(28, 33))
    assert [one.ongoing for one in silences(days, days[-1])] == [False]
