"""Which jobs there are to do, by what is due, who may do them, and what was planned."""

import threading
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine

from archive.db.advisory_locks import Hosts, egress_lock
from archive.db.engine import transaction
from archive.db.models import Run
from archive.domain import captures
from archive.domain.addresses import parse_address
from archive.domain.monitoring import SourceStatus
from archive.repository import egress, frontier, runs
from archive.repository.frontier import due_addresses
from archive.repository.sources import plan_sources
from crawler.discovery.config import AccountConfig
from crawler.discovery.registry import sources_of
from crawler.discovery.source import State
from crawler.discovery.sources.backend import OwnBackend
from scheduler.config import Limits, Schedule
from scheduler.crawl_process import CrawlResult
from scheduler.job_context import CrawlFailed, Interrupted, JobContext
from scheduler.jobs import base, discover, fetch, media, revisit
from scheduler.polling import Hours
from tests.archive.repository.test_claims import publish
from tests.scheduler.test_polling import WORKDAYS, at
from tests.standin.account import COMMISSION
from tests.standin.week import WEEK

NOW = at("2025-11-17 10:00")
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
LIMITS = Limits()
LINES = ["home", "office"]
ACCOUNT = AccountConfig(
    biz=COMMISSION.biz, name="合成", albums=("1",), feeds=("https://rss.example/feeds/long.rss",)
)
ALBUM, FEED = "album:1", "feed:rss.example/feeds/long.rss"


@pytest.fixture
def hands(engine: Engine) -> JobContext:
    return JobContext(engine, "home", threading.Event(), now=lambda: NOW)


def see(engine: Engine, posts: int = 1) -> None:
    seen = [captures.Sighting(parse_address(post.url), "test", NOW) for post in WEEK[:posts]]
    with transaction(engine) as session:
        frontier.record_sightings(session, None, seen, NOW)


def test_each_free_line_gets_a_job_while_an_address_is_due(hands: JobContext, engine: Engine) -> None:
    assert fetch.plan(hands, LIMITS, LINES) == []
    see(engine)
    assert [order.subject for order in fetch.plan(hands, LIMITS, LINES)] == LINES
    with transaction(engine) as session:
        egress.block_egress(session, "home", "verification", NOW)
    (order,) = fetch.plan(hands, LIMITS, LINES)
    assert (order.queue, order.lock) == ("line:office", "office:mp.weixin.qq.com")


def test_a_job_that_comes_to_a_line_held_back_meanwhile_asks_nothing(
    hands: JobContext, engine: Engine
) -> None:
    see(engine)
    with transaction(engine) as session:
        egress.block_egress(session, "home", "verification", NOW)
    fetch.run(hands, pages=9, minutes=1)  # a crawl would need a server
    assert len(fetch.plan(hands, LIMITS, ["office"])) == 1


def test_a_job_that_comes_to_a_line_in_use_waits_for_nothing_and_asks_only_elsewhere(
    hands: JobContext, engine: Engine
) -> None:
    see(engine)
    with transaction(engine) as session:
        plan_sources(session, COMMISSION.biz, {ALBUM: NOW, FEED: NOW + HOUR, "neighbours": NOW + HOUR})
    (order,) = discover.plan(hands, [ACCOUNT], Schedule(), ["home"])
    with egress_lock(engine, "home", Hosts.PAGES), egress_lock(engine, "home", Hosts.MEDIA):
        fetch.run(hands, pages=9, minutes=1)  # a crawl would need a server
        media.run(hands, minutes=1)
        discover.run(hands, **order.arguments)
    with transaction(engine) as session:
        assert session.query(Run).count() == 0
    assert len(fetch.plan(hands, LIMITS, ["home"])) == 1
    assert discover.plan(hands, [ACCOUNT], Schedule(), ["home"]) == [order]


def test_a_line_rests_longer_after_each_crawl_that_failed(hands: JobContext, engine: Engine) -> None:
    see(engine)
    for minutes in (3, 2, 1):
        with transaction(engine) as session:
            run_id = runs.start_run(session, "fetch", {"egress": "home"}, NOW - minutes * MINUTE)
            runs.finish_run(session, run_id, "failed", {}, NOW - minutes * MINUTE)
    assert [order.subject for order in fetch.plan(hands, LIMITS, LINES)] == ["office"]
    waits = [(base.rested_at(failures, NOW) - NOW) / MINUTE for failures in (1, 2, 3, 7, 40)]
    assert waits == [1, 2, 4, 60, 60]


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
def test_a_line_is_held_back_by_challenges_in_a_row_and_freed_by_a_good_page(
    engine: Engine, verdicts: list[tuple[str, int]], blocks: int
) -> None:
    for number, (verdict, fetched) in enumerate(verdicts):
        hands = JobContext(engine, "home", threading.Event(), now=lambda number=number: NOW + number * DAY)
        base.settle_line(hands, verdict, fetched)
    with transaction(engine) as session:
        (row,) = egress.list_egresses(session)
        assert row.blocks == blocks


def test_how_a_crawl_ended_decides_what_becomes_of_the_job() -> None:
    base.end(CrawlResult(1, "partly_failed", 3), "crawl_ended")
    base.end(CrawlResult(1, "failed", -9, timed_out=True), "crawl_ended")
    with pytest.raises(Interrupted):
        base.end(CrawlResult(1, "stopped", 3, stopped=True), "crawl_ended")
    with pytest.raises(CrawlFailed, match="ended as failed: no module"):
        base.end(CrawlResult(1, "failed", 1, last_lines=("no module", "")), "crawl_ended")


def known(name: str, next_try: datetime | None) -> SourceStatus:
    return SourceStatus(COMMISSION.biz, "合成", name, next_try_at=next_try)


@pytest.mark.parametrize(
    ("planned", "held", "expected"),
    [
        ([], False, [ALBUM, FEED, "neighbours"]),
        ([], True, [FEED, "neighbours"]),
        ([(ALBUM, HOUR), (FEED, HOUR), ("neighbours", HOUR)], False, []),
        ([(ALBUM, -HOUR), (FEED, HOUR), ("neighbours", HOUR)], False, [ALBUM]),
        ([(ALBUM, -HOUR), (FEED, HOUR), ("neighbours", HOUR)], True, []),
        ([(ALBUM, -HOUR), (FEED, 2 * MINUTE), ("neighbours", HOUR)], False, [ALBUM, FEED]),
        ([(ALBUM, 2 * MINUTE), (FEED, 2 * MINUTE), ("neighbours", HOUR)], False, []),
    ],
)
def test_the_sources_to_ask_are_those_due_and_those_due_in_a_moment(
    planned: list[tuple[str, timedelta]], held: bool, expected: list[str]
) -> None:
    rows = [known(name, NOW + wait) for name, wait in planned]
    assert discover.due_sources(sources_of(ACCOUNT), rows, NOW, held=held) == expected


def test_a_login_put_in_place_is_tried_soon_and_once() -> None:
    def due(given: datetime, state: State = State.LOGIN_EXPIRED, at: datetime = NOW + HOUR) -> list[str]:
        row = SourceStatus(
            COMMISSION.biz, "合成", "own_backend", state, last_tried_at=NOW, next_try_at=NOW + DAY
        )
        sources = [OwnBackend(COMMISSION.biz, None)]
        return discover.due_sources(sources, [row], at, held=False, given={"own_backend": given})

    assert due(NOW + MINUTE) == ["own_backend"]
    assert due(NOW + MINUTE, at=NOW + 2 * MINUTE) == []  # not at every touch of the file
    assert due(NOW - MINUTE) == due(NOW + DAY) == due(NOW + MINUTE, State.OK) == []


def test_what_was_planned_while_the_clock_was_years_ahead_is_due() -> None:
    rows = [known(name, NOW + 900 * DAY) for name in (ALBUM, FEED)] + [known("neighbours", NOW + DAY)]
    assert discover.due_sources(sources_of(ACCOUNT), rows, NOW, held=False) == [ALBUM, FEED]


def test_an_account_gets_a_job_when_a_source_is_due_and_none_in_the_quiet_hours(
    hands: JobContext, engine: Engine
) -> None:
    def orders(schedule: Schedule) -> list[str]:
        return [order.subject for order in discover.plan(hands, [ACCOUNT], schedule, LINES)]

    assert orders(Schedule()) == [COMMISSION.biz]
    assert orders(Schedule(quiet_hours="09:00-11:00")) == []
    with transaction(engine) as session:
        plan_sources(session, COMMISSION.biz, dict.fromkeys((ALBUM, FEED, "neighbours"), NOW + HOUR))
    assert orders(Schedule()) == []


def test_a_job_carries_its_account_and_schedule_and_no_secret(hands: JobContext) -> None:
    (order,) = discover.plan(hands, [ACCOUNT], Schedule(every_minutes={"album": 30}), ["home"])
    assert AccountConfig.model_validate(order.arguments["account"]) == ACCOUNT
    assert Schedule.model_validate(order.arguments["schedule"]).every_minutes.album == 30


@pytest.mark.parametrize(
    ("schedule", "name", "state", "minutes"),
    [
        (Schedule(), ALBUM, State.OK, 60),
        (Schedule(every_minutes={"album": 30}), ALBUM, State.OK, 30),
        (Schedule(every_minutes={"album": 30}), FEED, State.OK, 60),
        (Schedule(every_minutes={"album": 30}), ALBUM, State.CLOSED, 24 * 60),
        (Schedule(quiet_hours="10:30-18:00"), ALBUM, State.OK, 8 * 60),
    ],
)
def test_the_next_time_of_a_source_is_its_own_interval_or_the_rhythm(
    schedule: Schedule, name: str, state: State, minutes: int
) -> None:
    planner = discover.Planner(ACCOUNT, schedule, NOW, chance=0.5)
    assert planner.next_try(name, state, 1, published=()) - NOW == minutes * MINUTE


def test_an_accounts_own_interval_is_kept_whatever_its_rhythm() -> None:
    account = ACCOUNT.model_copy(update={"every_minutes": 45})
    planner = discover.Planner(account, Schedule(), NOW, chance=0.5)
    assert planner.next_try(ALBUM, State.OK, 0, WORKDAYS) == NOW + 45 * MINUTE


def test_the_schedule_gives_the_bounds() -> None:
    hours = discover.hours_of(Schedule(shortest_minutes=20, longest_minutes=300, quiet_hours="23:00-07:00"))
    assert (hours.shortest, hours.longest, hours.default) == (20 * MINUTE, 300 * MINUTE, HOUR)
    assert discover.hours_of(Schedule()) == Hours()


def test_nothing_due_makes_no_job_of_media_or_revisits(hands: JobContext) -> None:
    assert media.plan(hands, LIMITS, LINES) == []
    assert revisit.plan(hands, LIMITS, LINES) == []


def test_the_days_budget_of_revisits_is_kept(hands: JobContext, engine: Engine) -> None:
    with transaction(engine) as session:
        for mid in (1, 2, 3):
            publish(session, mid, NOW - 2 * HOUR, NOW.date(), visited=NOW - 1.9 * HOUR)
    assert len(revisit.plan(hands, LIMITS, LINES)) == 1
    (order,) = revisit.plan(hands, Limits(revisits_a_day=2), LINES)
    revisit.run(hands, **order.arguments)
    assert _due(engine) == 2
    assert revisit.plan(hands, Limits(revisits_a_day=2), LINES) == []
    tomorrow = JobContext(engine, "home", threading.Event(), now=lambda: NOW + DAY)
    assert len(revisit.plan(tomorrow, Limits(revisits_a_day=2), LINES)) == 1


def _due(engine: Engine) -> int:
    with transaction(engine) as session:
        return len(due_addresses(session, NOW, 10))
