"""Days, months, years and weeks are read; what names no day is refused."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive.domain.day_ranges import DayError, DayRange, chosen_days


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2025-11-04", date(2025, 11, 4), date(2025, 11, 4)),
        ("2025-11", date(2025, 11, 1), date(2025, 11, 30)),
        ("2024-02", date(2024, 2, 1), date(2024, 2, 29)),
        ("2025-12", date(2025, 12, 1), date(2025, 12, 31)),
        ("9999-12", date(9999, 12, 1), date(9999, 12, 31)),
        ("2025", date(2025, 1, 1), date(2025, 12, 31)),
        ("2025-W45", date(2025, 11, 3), date(2025, 11, 9)),
        ("2025w45", date(2025, 11, 3), date(2025, 11, 9)),
        ("2026-W53", date(2026, 12, 28), date(2027, 1, 3)),
        (" 2025-W01 ", date(2024, 12, 30), date(2025, 1, 5)),
    ],
)
def test_a_day_a_month_a_year_and_a_week_are_read(text: str, first: date, last: date) -> None:
    assert DayRange.read(text) == DayRange(first, last)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "25",
        "2025-1",
        "2025-13",
        "2025-02-30",
        "2025-11-4",
        "20251104",
        "2025-W54",
        "2025-W00",
        "0000",
        "2025-11-04T00:00",
        "2025/11",
        "yesterday",
        "２０２５",
        "2025-11-04\n2025",
        "9999-W52",
        "-2025",
    ],
)
def test_anything_else_is_refused_with_the_forms_to_use(text: str) -> None:
    with pytest.raises(DayError) as refused:
        DayRange.read(text)
    assert "2025-W45" in str(refused.value)


@given(st.dates(date(1, 1, 8), date(9998, 1, 1)))
def test_each_day_is_in_its_month_its_year_and_its_week(day: date) -> None:
    year, week, _ = day.isocalendar()
    whole = day.isoformat()
    assert DayRange.read(whole) == DayRange(day, day)
    for text in (whole[:4], whole[:7], f"{year:04}-W{week:02}"):
        days = DayRange.read(text)
        assert days.first <= day <= days.last


def test_since_takes_the_first_day_and_until_the_last_of_what_they_name() -> None:
    assert chosen_days("2025-11", "2025-12") == (date(2025, 11, 1), date(2025, 12, 31))
    assert chosen_days("2025", None) == (date(2025, 1, 1), None)
    assert chosen_days(until="2025-W45") == (None, date(2025, 11, 9))
    assert chosen_days(week="2025-W45") == (date(2025, 11, 3), date(2025, 11, 3) + timedelta(days=6))
    assert chosen_days() == (None, None)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"since": "2025-12", "until": "2025-11"}, "archive.days.reversed"),
        ({"week": "2025-11"}, "archive.days.not_a_week"),
        ({"week": "2025-W45", "since": "2025"}, "archive.days.week_alone"),
        ({"since": ""}, "archive.days.unreadable"),
    ],
)
def test_days_that_select_nothing_are_refused(given: dict[str, str], code: str) -> None:
    with pytest.raises(DayError) as refused:
        chosen_days(**given)
    assert refused.value.message.code == code
