"""How crawls share an egress, whoever starts them."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from archive.db.advisory_locks import Hosts
from archive.db.engine import transaction
from archive.db.models import Egress, Run
from archive.repository import egress
from archive.repository.frontier import claim_due, has_due_address
from archive.repository.runs import record_egress, start_run
from scheduler.egress_session import EgressSession
from tests.archive.repository.test_claims import see

NOW = datetime(2025, 11, 20, 4, tzinfo=UTC)
DAY = timedelta(days=1)


def session_of(engine: Engine, now: datetime = NOW, **settings: str) -> EgressSession:
    return EgressSession(engine, "home", settings, lambda: now)


def test_one_crawl_at_a_time_holds_an_egress_for_the_same_hosts(engine: Engine) -> None:
    first, second = session_of(engine), session_of(engine)
    with (
        first.turn(Hosts.PAGES) as mine,
        second.turn(Hosts.PAGES) as theirs,
        second.turn(Hosts.MEDIA) as media,
    ):
        assert (mine, theirs, media) == (True, False, True)
    with second.turn(Hosts.PAGES) as free:
        assert free


def test_waiting_is_said_once_and_ends_with_a_refusal(engine: Engine) -> None:
    waits: list[str] = []
    with session_of(engine).turn(Hosts.PAGES):
        other = session_of(engine).turn(Hosts.PAGES, wait=0.1, on_wait=lambda: waits.append("said"))
        with other as mine:
            assert (mine, waits) == (False, ["said"])


@pytest.mark.parametrize(
    ("verdicts", "blocks"),
    [
        ([("verification", 0)], 1),
        ([("verification", 0), ("rate_limited", 0)], 2),
        ([("verification", 0), ("verification", 3)], 1),
        ([("verification", 0), ("done", 3)], 0),
        ([("verification", 0), ("nothing_fetched", 0)], 1),
    ],
)
def test_challenges_in_a_row_block_an_egress_and_a_good_page_frees_it(
    engine: Engine, verdicts: list[tuple[str, int]], blocks: int
) -> None:
    for day, (verdict, fetched) in enumerate(verdicts):
        session_of(engine, NOW + day * DAY).record_outcome(verdict, fetched)
    with transaction(engine) as session:
        (row,) = egress.list_egresses(session)
        assert row.consecutive_challenges == blocks


def test_a_blocked_egress_is_free_again_after_half_an_hour(engine: Engine) -> None:
    until = session_of(engine).record_outcome("verification")
    assert until == NOW + timedelta(minutes=30)
    assert session_of(engine).blocked_until() == until
    assert session_of(engine, until).blocked_until() is None


def test_a_replay_needs_no_egress(engine: Engine) -> None:
    replay = session_of(engine, CASSETTE_MODE="replay")
    assert replay.record_outcome("verification") is None
    session_of(engine).record_outcome("verification")
    with session_of(engine).turn(Hosts.PAGES), replay.turn(Hosts.PAGES) as mine:
        assert (mine, replay.blocked_until()) == (True, None)


def test_the_egress_of_a_run_by_hand_is_recorded_and_does_not_make_its_addresses_the_daemons(
    engine: Engine,
) -> None:
    with transaction(engine) as session:
        egress.record_heartbeat(session, "home", NOW)
        see(session, 1)
        run_id, _ = claim_due(session, "fetch", "home", 1, NOW)
        assert not has_due_address(session, NOW), "the daemon's claim lasts while its egress has a worker"
        run = session.get_one(Run, run_id)
        run.finished_at = NOW
        by_hand = start_run(session, "backfill", {"what": "x"}, NOW)
        record_egress(session, by_hand, "home", NOW)
        see(session, 1)
    with transaction(engine) as session:
        recorded = session.get_one(Run, by_hand)
        assert recorded.arguments == {"what": "x"}
        assert session.get_one(Egress, recorded.egress_id).name == "home"
        assert has_due_address(session, NOW), "a command that was killed keeps nothing"
