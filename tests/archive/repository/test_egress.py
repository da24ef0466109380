"""Lines to the outside: held back longer with each challenge in a row, free again after a good page."""

from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from archive.repository.egress import (
    EGRESS_LIVES,
    block_egress,
    blocked_until,
    list_egresses,
    live_egresses,
    record_crawl_end,
    record_heartbeat,
    unblock_egress,
)

NOW = datetime(2025, 11, 20, 4, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def test_a_line_is_held_for_half_an_hour_doubling_to_six_hours(db_session: Session) -> None:
    now, held = NOW, []
    for _ in range(6):
        until = block_egress(db_session, "home", "verification", now)
        held.append((until - now) / MINUTE)
        assert blocked_until(db_session, "home", until - MINUTE) == until
        assert blocked_until(db_session, "home", until) is None
        now = until
    assert held == [30, 60, 120, 240, 360, 360]


def test_a_challenge_of_a_crawl_that_was_under_way_adds_nothing(db_session: Session) -> None:
    until = block_egress(db_session, "home", "verification", NOW)
    assert block_egress(db_session, "home", "rate_limited", NOW + 5 * MINUTE) == until
    (row,) = list_egresses(db_session)
    assert (row.consecutive_challenges, row.reason) == (1, "rate_limited")


def test_a_good_page_makes_the_next_challenge_the_first_one(db_session: Session) -> None:
    until = block_egress(
        db_session, "home", "verification", block_egress(db_session, "home", "verification", NOW)
    )
    unblock_egress(db_session, "home")
    db_session.expire_all()
    assert blocked_until(db_session, "home", NOW) is None
    assert block_egress(db_session, "home", "verification", until) - until == 30 * MINUTE


def test_one_line_that_is_held_leaves_others_free(db_session: Session) -> None:
    block_egress(db_session, "home", "verification", NOW)
    record_heartbeat(db_session, "office", NOW)
    assert blocked_until(db_session, "office", NOW) is None
    assert live_egresses(db_session, NOW + 5 * MINUTE, 10 * MINUTE) == ["home", "office"]
    record_heartbeat(db_session, "office", NOW + 20 * MINUTE)
    assert live_egresses(db_session, NOW + 20 * MINUTE, 10 * MINUTE) == ["office"]


def test_a_crawl_given_by_hand_stores_its_egress_as_one_without_a_worker(db_session: Session) -> None:
    assert record_crawl_end(db_session, "laptop", "done", 3, NOW) is None
    assert [(row.name, row.consecutive_challenges) for row in list_egresses(db_session)] == [("laptop", 0)]
    assert live_egresses(db_session, NOW, EGRESS_LIVES) == []
    until = record_crawl_end(db_session, "laptop", "verification", 0, NOW)
    assert blocked_until(db_session, "laptop", NOW) == until == NOW + 30 * MINUTE
    record_heartbeat(db_session, "office", NOW)
    record_crawl_end(db_session, "office", "done", 1, NOW + MINUTE)
    assert live_egresses(db_session, NOW, EGRESS_LIVES) == ["office"]
