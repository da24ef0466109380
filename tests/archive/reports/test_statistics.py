"""How an account published and how the archive grew, counted in a real database."""

from dataclasses import replace
from datetime import date, timedelta

from sqlalchemy import update
from sqlalchemy.orm import Session

from archive.db.models import Post
from archive.ingest.pages import import_records, store_parse_results
from archive.reports.statistics import (
    Month,
    QuietPeriod,
    by_month,
    bytes_stored,
    delays,
    posts_archived,
    posts_by_day,
    quiet_periods,
)
from archive.repository.captures import store_captures
from tests.archive.making import BIZ, NOW, article, capture, record


def test_posts_are_counted_by_their_days_and_archived_months(db_session: Session) -> None:
    old = replace(record(3), date="2024-02-29")
    import_records(db_session, None, [record(1), record(2), old], "dump", NOW)
    assert posts_by_day(db_session, BIZ) == {date(2024, 2, 29): 1, date(2026, 3, 1): 2}
    assert posts_by_day(db_session, "nobody") == {}
    assert sum(month.count for month in posts_archived(db_session, BIZ)) == 3
    assert posts_archived(db_session, "nobody") == []


def test_delays_are_counted_once_each_by_the_shortest_that_holds(db_session: Session) -> None:
    for number, delay in enumerate((timedelta(minutes=1), timedelta(minutes=30), timedelta(days=400))):
        reading = article(record(number), published_at=NOW - delay)
        kept = store_captures(db_session, None, [(None, capture(b"%d" % number))])
        store_parse_results(db_session, None, [(kept[0], reading)], NOW, 1)
    import_records(db_session, None, [record(9)], "dump", NOW)
    db_session.execute(update(Post).values(first_archived_at=NOW))  # else it is the database's clock
    assert delays(db_session, BIZ) == [1, 1, 0, 0, 0, 1]  # of that of the dump nobody knows the instant
    assert delays(db_session, "nobody") == [0] * 6
    (month,) = bytes_stored(db_session)
    assert month.month == date(2026, 3, 1)
    assert month.count > 0


def test_months_without_posts_are_there_too() -> None:
    months = by_month({date(2024, 11, 30): 2, date(2025, 1, 1): 1, date(2025, 1, 31): 3})
    assert months == [Month(date(2024, 11, 1), 2), Month(date(2024, 12, 1), 0), Month(date(2025, 1, 1), 4)]
    assert by_month({}) == []


def test_silences_are_the_days_between_the_longest_first() -> None:
    days = [date(2025, 1, day) for day in (1, 2, 6, 8, 20)]
    found = quiet_periods(days, 2, days[-1])
    assert found == [QuietPeriod(days[3], days[4]), QuietPeriod(days[1], days[2])]
    assert [silence.days for silence in found] == [11, 3]
    assert quiet_periods(days[:2], 5, days[1]) == []


def test_the_silence_that_lasts_counts_among_the_longest_and_is_never_left_out() -> None:
    days = [date(2025, 1, day) for day in (1, 2, 6, 8, 20)]
    lasting = QuietPeriod(days[-1], date(2025, 2, 20), ongoing=True)
    assert quiet_periods(days, 2, date(2025, 2, 20)) == [lasting, QuietPeriod(days[3], days[4])]
    assert lasting.days == 30
    short = QuietPeriod(days[-1], date(2025, 1, 22), ongoing=True)
    assert quiet_periods(days, 1, date(2025, 1, 22)) == [QuietPeriod(days[3], days[4]), short]
    assert quiet_periods(days, 1, date(2025, 1, 21))[1:] == [], (
        "the day before today was the last with a post"
    )
    assert quiet_periods([], 1, date(2025, 1, 21)) == []


def test_months_since_the_last_post_are_there_too() -> None:
    months = by_month({date(2024, 11, 30): 2}, date(2025, 1, 9))
    assert [(one.month, one.count) for one in months][1:] == [(date(2024, 12, 1), 0), (date(2025, 1, 1), 0)]
