"""Posts are asked again when they come to an age, for ever; those that are away as well."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from random import Random

import pytest
from sqlalchemy.orm import Session

from archive.db.models import Address
from archive.domain.addresses import parse_address
from archive.domain.captures import SightingData
from archive.domain.outcomes import Outcome
from archive.domain.parsed_page import ParsedPage
from archive.domain.revisit_policy import INTERVALS, Intervals, next_visit
from archive.ingest import pages
from archive.repository import captures, frontier, post_queries, runs
from archive.repository.revisits import due_revisits, revisit_state, revisits_since
from tests.archive.making import BIZ, NOW, article, capture, record

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SHORT = Intervals(there=(HOUR, 6 * HOUR), away=(2 * HOUR, 8 * HOUR), fresh=DAY)
GONE = ParsedPage(Outcome.DELETED, "该内容已被发布者删除")


def ask(session: Session, number: int, reading: ParsedPage, at: datetime) -> None:
    """Ask the address of a post, and store what it answered."""
    seen = SightingData(parse_address(record(number).url), "test", at)
    (sighted,) = frontier.record_sightings(session, None, [seen], at)
    kept = captures.store_captures(session, None, [(sighted.address_id, capture(minutes=_minutes(at)))])
    pages.store_parse_results(session, None, [(kept[0], reading)], at, 1)


def _minutes(at: datetime) -> int:
    return round((at - NOW).total_seconds() / 60)


def publish(session: Session, number: int, published_at: datetime | None, asked_at: datetime) -> None:
    ask(session, number, article(record(number), published_at=published_at), asked_at)


def numbers(session: Session, ids: Iterable[int]) -> list[int]:
    return [int((session.get_one(Address, one).aid or "")[1:4]) for one in ids]


def due(session: Session, now: datetime = NOW, most: int = 99, intervals: Intervals = SHORT) -> list[int]:
    return numbers(session, due_revisits(session, intervals, now, most))


@pytest.mark.slow
def test_a_post_is_asked_again_once_at_each_age(db_session: Session) -> None:
    publish(db_session, 1, NOW - 2 * HOUR, NOW - 1.5 * HOUR)  # 1 h came
    publish(db_session, 2, NOW - 2 * HOUR, NOW - 0.5 * HOUR)  # asked since
    publish(db_session, 3, NOW - 9 * HOUR, NOW - 4 * HOUR)  # 6 h came
    publish(db_session, 4, NOW - 0.5 * HOUR, NOW - 0.4 * HOUR)  # too young
    assert due(db_session) == [1, 3]
    assert due(db_session, most=1) == [1]


def test_after_the_last_age_a_post_is_asked_whenever_as_much_time_has_gone_by(db_session: Session) -> None:
    publish(db_session, 1, NOW - 18.5 * HOUR, NOW - 12.4 * HOUR)  # asked after 6.1 h; 12 came, and 18
    publish(db_session, 2, NOW - 17.5 * HOUR, NOW - 5.4 * HOUR)  # asked after 12.1 h, 18 has not come
    assert due(db_session) == [1]
    assert due(db_session, NOW + HOUR) == [2, 1]


def test_a_post_whose_instant_nobody_told_is_as_old_as_the_noon_of_its_day(db_session: Session) -> None:
    noon = datetime(2026, 3, 1, 4, tzinfo=UTC)  # of 2026-03-01 in Shanghai
    publish(db_session, 1, None, noon + 0.5 * HOUR)
    assert record(1).date == str(date(2026, 3, 1))
    assert due(db_session, noon + 0.9 * HOUR) == []
    assert due(db_session, noon + HOUR) == [1]


def test_a_post_that_is_away_is_asked_again_by_how_long_it_was_missing(db_session: Session) -> None:
    publish(db_session, 1, NOW - 100 * HOUR, NOW - 50 * HOUR)
    ask(db_session, 1, GONE, NOW)
    assert due(db_session, NOW + 1.9 * HOUR) == []
    assert due(db_session, NOW + 2 * HOUR) == [1]
    ask(db_session, 1, GONE, NOW + 3 * HOUR)
    assert due(db_session, NOW + 7 * HOUR) == []
    ask(db_session, 1, article(record(1), published_at=NOW - 100 * HOUR), NOW + 9 * HOUR)
    assert due(db_session, NOW + 13.9 * HOUR) == [], "it is there again, and 109 h old when it was asked"
    assert due(db_session, NOW + 14 * HOUR) == [1]


def test_a_post_that_never_was_seen_is_asked_again_where_it_was_missed(db_session: Session) -> None:
    pages.import_records(db_session, None, [record(1), record(2)], "dump", NOW)
    ask(db_session, 1, GONE, NOW)
    assert due(db_session, NOW + 2 * HOUR) == [1]


@pytest.mark.parametrize(
    ("outcome", "is_asked"),
    [(Outcome.UNKNOWN, True), (Outcome.BAD_REQUEST, True), (Outcome.EXPIRED_LINK, False)],
)
def test_a_post_whose_last_answer_told_nothing_is_asked_again_unless_its_link_expired(
    db_session: Session, outcome: Outcome, is_asked: bool
) -> None:
    publish(db_session, 1, NOW - 9 * HOUR, NOW - 8 * HOUR)
    ask(db_session, 1, ParsedPage(outcome, "why"), NOW - 7 * HOUR)
    db_session.query(Address).one().next_fetch_at = None  # given up by now
    assert due(db_session) == ([1] if is_asked else [])


def test_what_is_due_to_be_fetched_anyway_is_not_asked_for_once_more(db_session: Session) -> None:
    publish(db_session, 1, NOW - 9 * HOUR, NOW - 8 * HOUR)
    frontier.make_due(db_session, due_revisits(db_session, SHORT, NOW, 9), NOW, again=True)
    assert due(db_session) == []


@pytest.mark.slow
def test_where_more_is_due_than_may_be_asked_neither_young_nor_old_wait_for_ever(db_session: Session) -> None:
    for number in (1, 2, 3, 4):
        publish(db_session, number, NOW - (10 - number) * HOUR, NOW - 9 * HOUR)  # fresh; 4 is the youngest
    for number in (5, 6, 7):
        publish(
            db_session, number, NOW - 30 * DAY, NOW - (20 - number) * HOUR
        )  # 5 was asked before the others
    assert due(db_session) == [4, 5, 3, 6, 2, 7, 1]
    assert due(db_session, most=3) == [4, 5, 3]


def test_posts_asked_again_are_counted_by_the_runs_that_did(db_session: Session) -> None:
    for count, at in ((3, NOW), (4, NOW - HOUR), (50, NOW - 30 * HOUR)):
        run_id = runs.start_run(db_session, "revisit", {}, at)
        runs.finish_run(db_session, run_id, "done", {"asked_again": count}, at)
    assert revisits_since(db_session, NOW - 2 * HOUR) == 7


@pytest.mark.slow
def test_what_the_database_finds_due_is_what_the_rule_says(db_session: Session) -> None:
    chance = Random(1)
    for number in range(1, 61):
        published = NOW - chance.random() ** 3 * 1500 * DAY
        asked = published + chance.random() ** 2 * (NOW - published)
        publish(db_session, number, published, asked)
        if number % 3 == 0:
            ask(db_session, number, GONE, asked + chance.random() ** 2 * (NOW - asked))
    expected = {number for number in range(1, 61) if _comes(db_session, number) <= NOW}
    assert 10 < len(expected) < 50
    assert set(due(db_session, intervals=INTERVALS)) == expected


def _comes(session: Session, number: int) -> datetime:
    (post,) = post_queries.find_posts(session, record(number).aid, BIZ)
    found = revisit_state(session, post)
    assert found is not None
    return next_visit(found.since, found.tried_at, INTERVALS.away if found.is_away else INTERVALS.there)
