"""When a post is asked again: at growing ages, then for ever."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from archive.domain.revisit_policy import INTERVALS, next_visit, start_of_day

BORN = datetime(2025, 11, 20, 4, tzinfo=UTC)
LONG = timedelta(days=4000)


def visits(ages: tuple[timedelta, ...], until: timedelta) -> list[timedelta]:
    """At which ages something is asked that is asked whenever it is due."""
    found, tried = [], BORN
    while (tried := next_visit(BORN, tried, ages)) <= BORN + until:
        found.append(tried - BORN)
    return found


def test_a_post_is_asked_at_growing_intervals_then_every_year() -> None:
    ages = visits(INTERVALS.there, timedelta(days=4 * 365))
    hours = [age // timedelta(hours=1) for age in ages]
    assert hours == [1, 6, 24, 72, 168, 720, 2160, 4320, 8760, 2 * 8760, 3 * 8760, 4 * 8760]


def test_a_post_that_is_away_is_asked_less_and_less() -> None:
    days = [age.days for age in visits(INTERVALS.away, timedelta(days=800))]
    assert days == [1, 3, 7, 30, 90, 180, 365, 730]


@given(st.timedeltas(timedelta(0), LONG), st.timedeltas(timedelta(0), LONG))
def test_whoever_asks_later_is_asked_again_no_earlier_and_always_later(
    one: timedelta, more: timedelta
) -> None:
    first = next_visit(BORN, BORN + one, INTERVALS.there)
    second = next_visit(BORN, BORN + one + more, INTERVALS.there)
    assert BORN + one < first <= second
    assert first - BORN - one <= timedelta(days=365)


def test_the_days_budget_counts_from_midnight_in_shanghai() -> None:
    assert start_of_day(datetime(2025, 11, 20, 16, 30, tzinfo=UTC)) == datetime(2025, 11, 20, 16, tzinfo=UTC)
    assert start_of_day(datetime(2025, 11, 20, 15, 30, tzinfo=UTC)) == datetime(2025, 11, 19, 16, tzinfo=UTC)
