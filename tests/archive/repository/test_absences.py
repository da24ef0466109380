"""When posts were away: last seen, first missing, why, and back again."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.orm import Session

from archive.db.models import Absence
from archive.domain.addresses import parse_address
from archive.domain.captures import SightingData
from archive.domain.outcomes import AWAY, Outcome
from archive.domain.parsed_page import ParsedPage
from archive.ingest.pages import import_records, store_parse_results
from archive.repository import absences, post_queries
from archive.repository.absences import Observation, absences_in
from archive.repository.captures import store_captures
from archive.repository.frontier import record_sightings
from tests.archive.making import NOW, article, capture, record

SHORT = "https://mp.weixin.qq.com/s/abcdefghijklmnopqrstuv"
THERE = article(record())
DELETED = ParsedPage(Outcome.DELETED, "该内容已被发布者删除")
BLOCKED = ParsedPage(Outcome.VIOLATION, "此内容因违规无法查看")
Told = tuple[str, int | None, int, int, int | None]  # outcome, last seen, first and last missing, returned


def at(minutes: int) -> datetime:
    return NOW + timedelta(minutes=minutes)


def ask(session: Session, answers: Sequence[tuple[int, ParsedPage]], url: str = record().url) -> None:
    """Keep and read answers of one address, each fetched so many minutes after NOW, in this order."""
    (sighted,) = record_sightings(session, None, [SightingData(parse_address(url), "list", NOW)], NOW)
    for minutes, reading in answers:
        kept = store_captures(session, None, [(sighted.address_id, capture(url.encode(), minutes=minutes))])
        store_parse_results(session, None, [(kept[0], reading)], at(minutes), 1)


def told(session: Session) -> list[Told]:
    """Return the absences of the one post, their times in minutes after NOW."""
    (post,) = post_queries.find_posts(session, "1001_1")
    return [shown(row) for row in absences.absences_of(session, post)]


def shown(row: Absence) -> Told:
    return (
        row.outcome,
        minutes(row.last_seen_at),
        minutes(row.first_missing_at) or 0,
        minutes(row.last_missing_at) or 0,
        minutes(row.returned_at),
    )


def minutes(instant: datetime | None) -> int | None:
    return None if instant is None else int((instant - NOW).total_seconds()) // 60


@pytest.mark.slow
def test_a_post_that_is_taken_down_and_comes_back_is_remembered(db_session: Session) -> None:
    ask(db_session, [(0, THERE), (5, THERE), (10, DELETED)])
    assert told(db_session) == [("deleted", 5, 10, 10, None)]
    ask(db_session, [(20, DELETED), (30, THERE), (40, THERE), (50, BLOCKED)])
    assert told(db_session) == [("deleted", 5, 10, 20, 30), ("violation", 40, 50, 50, None)]
    first, second = db_session.query(Absence).order_by(Absence.id)
    assert (first.reason, second.reason) == (DELETED.reason, BLOCKED.reason)
    answers = "SELECT outcome FROM parse_results WHERE capture_id IN (:first, :returned) ORDER BY capture_id"
    asked = {"first": first.capture_id, "returned": first.returned_capture_id}
    assert list(db_session.scalars(text(answers), asked)) == ["deleted", "article"]


@pytest.mark.parametrize("outcome", list(Outcome))
def test_only_answers_about_the_post_itself_say_that_it_is_away(
    db_session: Session, outcome: Outcome
) -> None:
    ask(db_session, [(0, THERE), (9, ParsedPage(outcome, "why"))])
    is_away = outcome.value in ("deleted", "violation", "unavailable", "migrated", "private")
    assert told(db_session) == ([(outcome.value, 0, 9, 9, None)] if is_away else [])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_answers_read_out_of_order_tell_the_same(db_session: Session, seed: int) -> None:
    answers = [(0, THERE), (10, DELETED), (20, BLOCKED), (30, THERE), (40, DELETED)]
    ask(db_session, Random(seed).sample(answers, len(answers)))
    assert told(db_session) == [("deleted", 0, 10, 20, 30), ("deleted", 30, 40, 40, None)]


def test_two_addresses_of_a_post_tell_of_one_absence(db_session: Session) -> None:
    ask(db_session, [(0, THERE)], SHORT)
    ask(db_session, [(1, THERE), (10, DELETED)])
    ask(db_session, [(20, DELETED)], SHORT)
    assert told(db_session) == [("deleted", 1, 10, 20, None)]


def test_a_post_that_only_a_dump_told_of_was_never_seen(db_session: Session) -> None:
    import_records(db_session, None, [record()], "dump", NOW)
    ask(db_session, [(10, DELETED)])
    assert told(db_session) == [("deleted", None, 10, 10, None)]


def test_an_address_that_never_was_a_post_is_missed_by_nobody(db_session: Session) -> None:
    ask(db_session, [(10, DELETED)])
    assert db_session.query(Absence).count() == 0


def test_a_post_handed_in_without_its_address_was_seen(db_session: Session) -> None:
    kept = store_captures(db_session, None, [(None, capture(minutes=3))])
    store_parse_results(db_session, None, [(kept[0], THERE)], NOW, 1)
    ask(db_session, [(10, DELETED)])
    assert told(db_session) == [("deleted", 3, 10, 10, None)]


def test_what_is_found_anew_is_what_was_noted(db_session: Session) -> None:
    ask(db_session, [(0, THERE), (10, DELETED), (20, THERE), (30, BLOCKED)])
    noted = told(db_session)
    db_session.execute(text("DELETE FROM absences"))
    absences.rebuild_absences(db_session, absences.posts_ever_missing(db_session))
    assert told(db_session) == noted
    absences.rebuild_absences(db_session, absences.posts_ever_missing(db_session))
    assert told(db_session) == noted


@given(st.lists(st.sampled_from([Outcome.ARTICLE, *map(Outcome, sorted(AWAY))]), max_size=12))
def test_absences_never_overlap_and_only_the_last_may_last(outcomes: list[Outcome]) -> None:
    answers = [Observation(place, at(place), outcome, "") for place, outcome in enumerate(outcomes)]
    found = list(absences_in(answers))
    assert all(away.returned_at is not None for away in found[:-1])
    assert (bool(found) and found[-1].returned_at is None) == (bool(outcomes) and outcomes[-1].is_away)
    for away in found:
        assert (away.last_seen_at or at(-1)) < away.first_missing_at <= away.last_missing_at
        assert away.returned_at is None or away.last_missing_at < away.returned_at
    assert sum(outcome.is_away for outcome in outcomes) == sum(
        sum(away.first_missing_at <= answer.fetched_at <= away.last_missing_at for answer in answers)
        for away in found
    )
