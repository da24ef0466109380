"""When a source is asked next: by habit, by the clock on the wall, by how it fares."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.discovery.source import State
from scheduler.polling import (
    PollingBounds,
    add_jitter,
    is_quiet,
    next_check,
    outside_quiet,
    pushes_a_day,
    rationed_check,
    shares,
    usual_interval,
    weekly_rates,
)

SHANGHAI = ZoneInfo("Asia/Shanghai")
HOURS = PollingBounds()
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def at(text: str) -> datetime:
    """Return an instant written in Shanghai's time."""
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).astimezone(UTC)


# Ten weeks of an account that publishes at 17:00 on workdays; 2025-11-17 is a Monday.
WORKDAYS = [
    at("2025-09-08 17:00") + week * 7 * DAY + day * DAY + day * MINUTE
    for week in range(10)
    for day in range(5)
]


def test_without_a_habit_a_source_is_asked_at_the_default_interval() -> None:
    now = at("2025-11-17 10:00")
    assert usual_interval([], now, HOURS) == now + HOUR
    assert usual_interval(WORKDAYS[:5], now, HOURS) == now + HOUR
    assert usual_interval([push - 90 * DAY for push in WORKDAYS], now, HOURS) == now + HOUR, (
        "a habit of long ago"
    )


def test_at_the_usual_hour_it_is_asked_often() -> None:
    now = at("2025-11-17 17:00")
    assert usual_interval(WORKDAYS, now, HOURS) <= now + 30 * MINUTE
    assert usual_interval(WORKDAYS, now, PollingBounds(shortest=HOUR)) == now + HOUR


def test_in_the_night_it_is_not_asked_before_something_may_be_there() -> None:
    looked = usual_interval(WORKDAYS, at("2025-11-17 20:00"), HOURS)
    assert looked == at("2025-11-18 08:00")  # the longest interval
    assert at("2025-11-18 16:00") < usual_interval(WORKDAYS, looked, HOURS) <= at("2025-11-18 17:30")


def test_on_a_free_day_it_is_asked_less_often_than_on_a_workday() -> None:
    def looks(day: str) -> int:
        now, count = at(f"{day} 00:00"), 0
        while now < at(f"{day} 23:59"):
            now, count = usual_interval(WORKDAYS, now, HOURS), count + 1
        return count

    assert looks("2025-11-15") < looks("2025-11-18") <= 12


def test_a_new_post_at_the_usual_hour_is_seen_within_half_an_hour() -> None:
    now, looks = at("2025-11-17 00:00"), []
    while now < at("2025-11-22 00:00"):
        now = usual_interval(WORKDAYS, now, HOURS)
        looks.append(now)
    for day in range(5):
        published = at("2025-11-17 17:03") + day * DAY
        assert min(look for look in looks if look >= published) - published <= 30 * MINUTE


def test_posts_of_one_push_count_once() -> None:
    many = [push + n * MINUTE for push in WORKDAYS for n in range(8)]
    now = at("2025-11-17 09:00")
    assert usual_interval(many, now, HOURS) == usual_interval(WORKDAYS, now, HOURS)


@pytest.mark.slow
@given(st.lists(st.integers(0, 130 * 24 * 60), max_size=60), st.integers(0, 7 * 24 * 60))
def test_whatever_the_history_the_interval_keeps_its_bounds(ages: list[int], later: int) -> None:
    now = at("2025-11-17 00:00") + later * MINUTE
    published = [now - age * MINUTE for age in ages]
    assert HOURS.shortest <= usual_interval(published, now, HOURS) - now <= HOURS.longest


@pytest.mark.parametrize(
    ("state", "failures", "wait"),
    [
        (State.LOGIN_EXPIRED, 1, DAY),
        (State.CLOSED, 9, DAY),
        (State.NOT_CONFIGURED, 1, DAY),
        (State.BAD_TOKEN, 1, DAY),
        (State.REFUSED, 1, DAY),
        (State.FOREIGN, 1, DAY),
        (State.UNREACHABLE, 1, 15 * MINUTE),
        (State.UNREACHABLE, 3, HOUR),
        (State.UNREACHABLE, 40, 12 * HOUR),
        (None, 2, 30 * MINUTE),
        (State.RATE_LIMITED, 2, 2 * HOUR),
        (State.RATE_LIMITED, 20, DAY),
        (State.VERIFICATION, 5, 15 * MINUTE),
        (State.OK, 0, 3 * HOUR),
        (State.UNCHANGED, 0, 3 * HOUR),
        (State.EMPTY, 4, 3 * HOUR),
    ],
)
def test_a_source_that_fails_is_asked_by_what_may_mend_it(
    state: State | None, failures: int, wait: timedelta
) -> None:
    now = at("2025-11-17 10:00")
    assert next_check(state, failures, now + 3 * HOUR, now, HOURS) - now == wait


@pytest.mark.parametrize(
    ("quiet", "moment", "expected"),
    [
        ((time(23), time(7)), "2025-11-17 23:30", "2025-11-18 07:00"),
        ((time(23), time(7)), "2025-11-17 03:00", "2025-11-17 07:00"),
        ((time(23), time(7)), "2025-11-17 07:00", "2025-11-17 07:00"),
        ((time(12), time(13, 30)), "2025-11-17 12:15", "2025-11-17 13:30"),
        ((time(12), time(13, 30)), "2025-11-17 11:59", "2025-11-17 11:59"),
        ((time(12), time(13, 30)), "2025-11-17 13:30", "2025-11-17 13:30"),
        (None, "2025-11-17 03:00", "2025-11-17 03:00"),
    ],
)
def test_what_falls_into_the_quiet_hours_is_asked_at_their_end(
    quiet: tuple[time, time] | None, moment: str, expected: str
) -> None:
    hours = PollingBounds(quiet=quiet)
    assert outside_quiet(at(moment), hours) == at(expected)
    assert is_quiet(at(moment), hours) == (moment != expected)


def test_jitter_moves_a_moment_by_no_more_than_it_may() -> None:
    now = at("2025-11-17 10:00")
    moved = [add_jitter(now + 5 * HOUR, now, 10, chance, 6 * MINUTE) - now for chance in (0.0, 0.5, 1.0)]
    assert moved == [5 * HOUR - 6 * MINUTE, 5 * HOUR, 5 * HOUR + 6 * MINUTE]


def test_jitter_moves_a_moment_by_its_share_at_most() -> None:
    now = at("2025-11-17 10:00")
    moved = [add_jitter(now + 100 * MINUTE, now, 10, chance) - now for chance in (0.0, 0.5, 1.0)]
    assert moved == [90 * MINUTE, 100 * MINUTE, 110 * MINUTE]


def test_the_checks_of_a_ration_are_where_posts_would_wait() -> None:
    rates, now, checks = weekly_rates(WORKDAYS, at("2025-11-17 00:00")), at("2025-11-17 00:00"), []
    while now < at("2025-11-24 00:00"):
        checks.append(now := rationed_check(rates, now, 4, HOURS))
    assert len(checks) / 7 == pytest.approx(4, abs=0.5)
    tuesday = [moment for moment in checks if at("2025-11-18 00:00") <= moment < at("2025-11-19 00:00")]
    assert any(at("2025-11-18 17:00") < moment <= at("2025-11-18 17:45") for moment in tuesday)


def test_an_account_without_a_habit_is_expected_to_publish_at_any_waking_hour() -> None:
    rates = weekly_rates([], at("2025-11-17 00:00"))
    assert pushes_a_day(rates) == pytest.approx(1)
    assert rates[0][3 * 4] == 0
    assert rates[0][7 * 4] == rates[6][-1] > 0


@given(st.lists(st.floats(0, 50), min_size=1, max_size=50), st.floats(0.1, 30))
def test_all_checks_of_a_login_are_divided(expected: list[float], whole: float) -> None:
    divided = shares(expected, whole)
    assert sum(divided) == pytest.approx(whole)
    busiest, quietest = expected.index(max(expected)), expected.index(min(expected))
    assert divided[busiest] >= divided[quietest]


@pytest.mark.slow
@given(st.lists(st.integers(0, 12 * 7 * 24 * 60), max_size=60), st.floats(0.05, 30))
def test_a_rationed_check_is_always_within_a_week(minutes: list[int], checks: float) -> None:
    now = at("2025-11-17 10:00")
    moment = rationed_check(weekly_rates([now - one * MINUTE for one in minutes], now), now, checks, HOURS)
    assert now + HOURS.shortest <= moment <= now + 7 * DAY
