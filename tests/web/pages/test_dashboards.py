"""Where what stands in a picture."""

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from archive.reports.statistics import Month
from web.pages.dashboards import HEAT_LEVELS, cumulate, heat_map


@given(st.integers(2000, 2200))
def test_every_day_of_a_year_has_a_place_of_its_own_a_week_a_column(year: int) -> None:
    squares = heat_map(year, {})
    assert len({(square.x, square.y) for square in squares}) == len(squares) in (365, 366)
    assert {square.y for square in squares if square.day.weekday() == 0} == {0}
    assert max(square.x for square in squares) <= 53 * 12
    assert {square.level for square in squares} == {0}


def test_a_day_with_any_post_is_seen_and_that_with_most_is_darkest() -> None:
    days = {date(2025, 1, 1): 1, date(2025, 1, 2): 40, date(2025, 1, 3): 21, date(2024, 1, 1): 900}
    levels = [square.level for square in heat_map(2025, days)]
    assert levels[:4] == [1, HEAT_LEVELS, 3, 0]


def test_growth_is_summed_up_and_ends_at_the_top() -> None:
    told = cumulate([Month(date(2025, 1, 1), 3), Month(date(2025, 3, 1), 1)])
    assert [(one.total, one.height) for one in told] == [(3, 0.75), (3, 0.75), (4, 1.0)]
    assert cumulate([]) == []
