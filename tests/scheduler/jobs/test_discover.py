"""Which sources of an account are checked now, and when each is checked next."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine

from archive.db.advisory_locks import Hosts, egress_lock
from archive.db.engine import transaction
from archive.db.models import Run
from archive.domain.monitoring import SourceStatus
from archive.repository.sources import plan_sources
from crawler.discovery.config import AccountConfig
from crawler.discovery.registry import sources_of
from crawler.discovery.source import State
from crawler.discovery.sources.address_list import AddressList
from crawler.discovery.sources.backend import OwnBackend
from scheduler.config import Schedule
from scheduler.jobs import discover
from scheduler.jobs.base import JobContext
from scheduler.polling import PollingBounds
from tests.scheduler.jobs.planning import DAY, EGRESSES, HOUR, MINUTE, NOW
from tests.scheduler.test_polling import WORKDAYS
from tests.standin.account import COMMISSION

ACCOUNT = AccountConfig(
    biz=COMMISSION.biz, name="合成", albums=("1",), feeds=("https://rss.example/feeds/long.rss",)
)
ALBUM, FEED = "album:1", "feed:rss.example/feeds/long.rss"


def test_while_the_egress_is_in_use_only_sources_elsewhere_are_checked(
    context: JobContext, engine: Engine
) -> None:
    with transaction(engine) as session:
        plan_sources(session, COMMISSION.biz, {ALBUM: NOW, FEED: NOW + HOUR, "neighbours": NOW + HOUR})
    (job,) = discover.plan_discover(context, [ACCOUNT], Schedule(), ["home"])
    with egress_lock(engine, "home", Hosts.PAGES):
        discover.run_discover(context, **job.arguments)  # a crawl would need a server
    with transaction(engine) as session:
        assert session.query(Run).count() == 0
    assert discover.plan_discover(context, [ACCOUNT], Schedule(), ["home"]) == [job]


def known(name: str, next_try: datetime | None) -> SourceStatus:
    return SourceStatus(COMMISSION.biz, "合成", name, next_try_at=next_try)


@pytest.mark.parametrize(
    ("planned", "blocked", "expected"),
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
    planned: list[tuple[str, timedelta]], blocked: bool, expected: list[str]
) -> None:
    rows = [known(name, NOW + wait) for name, wait in planned]
    assert discover.due_sources(sources_of(ACCOUNT), rows, NOW, blocked=blocked) == expected


def test_a_new_login_is_tried_soon_and_once() -> None:
    def due(given: datetime, state: State = State.LOGIN_EXPIRED, at: datetime = NOW + HOUR) -> list[str]:
        row = SourceStatus(
            COMMISSION.biz, "合成", "own_backend", state, last_tried_at=NOW, next_try_at=NOW + DAY
        )
        sources = [OwnBackend(COMMISSION.biz, None)]
        return discover.due_sources(sources, [row], at, blocked=False, given={"own_backend": given})

    assert due(NOW + MINUTE) == ["own_backend"]
    assert due(NOW + MINUTE, at=NOW + 2 * MINUTE) == []  # not at every touch of the file
    assert due(NOW - MINUTE) == due(NOW + DAY) == due(NOW + MINUTE, State.OK) == []


def test_a_list_that_was_changed_is_read_again_soon() -> None:
    row = SourceStatus(COMMISSION.biz, "合成", "list", State.OK, last_tried_at=NOW, next_try_at=NOW + DAY)

    def due(changed: datetime) -> list[str]:
        lists = [AddressList(b"")]
        return discover.due_sources(lists, [row], NOW + HOUR, blocked=False, given={"list": changed})

    assert due(NOW + MINUTE) == ["list"]
    assert due(NOW - MINUTE) == []


def test_what_was_planned_while_the_clock_was_years_ahead_is_due() -> None:
    rows = [known(name, NOW + 900 * DAY) for name in (ALBUM, FEED)] + [known("neighbours", NOW + DAY)]
    assert discover.due_sources(sources_of(ACCOUNT), rows, NOW, blocked=False) == [ALBUM, FEED]


def test_an_account_gets_a_job_when_a_source_is_due_and_none_in_the_quiet_hours(
    context: JobContext, engine: Engine
) -> None:
    def planned_for(schedule: Schedule) -> list[str]:
        return [job.subject for job in discover.plan_discover(context, [ACCOUNT], schedule, EGRESSES)]

    assert planned_for(Schedule()) == [COMMISSION.biz]
    assert planned_for(Schedule(quiet_hours="09:00-11:00")) == []
    with transaction(engine) as session:
        plan_sources(session, COMMISSION.biz, dict.fromkeys((ALBUM, FEED, "neighbours"), NOW + HOUR))
    assert planned_for(Schedule()) == []


def test_a_job_carries_its_account_and_schedule_and_no_secret(context: JobContext) -> None:
    (job,) = discover.plan_discover(context, [ACCOUNT], Schedule(every_minutes={"album": 30}), ["home"])
    assert AccountConfig.model_validate(job.arguments["account"]) == ACCOUNT
    assert Schedule.model_validate(job.arguments["schedule"]).every_minutes.album == 30


@pytest.mark.parametrize(
    ("schedule", "name", "state", "minutes"),
    [
        (Schedule(), FEED, State.OK, 60),
        (Schedule(every_minutes={"album": 30}), ALBUM, State.OK, 30),
        (Schedule(every_minutes={"album": 30}), FEED, State.OK, 60),
        (Schedule(every_minutes={"album": 30}), ALBUM, State.CLOSED, 24 * 60),
        (Schedule(quiet_hours="10:30-18:00"), FEED, State.OK, 8 * 60),
    ],
)
def test_the_next_check_of_a_source_follows_its_own_interval_or_the_habit(
    schedule: Schedule, name: str, state: State, minutes: int
) -> None:
    planner = discover.Planner(ACCOUNT, schedule, NOW, chance=0.5)
    assert planner.next_try(name, state, 1, discover.Situation()) - NOW == minutes * MINUTE


def test_an_accounts_own_interval_is_used_whatever_its_habit() -> None:
    account = ACCOUNT.model_copy(update={"every_minutes": 45})
    planner = discover.Planner(account, Schedule(), NOW, chance=0.5)
    assert planner.next_try(ALBUM, State.OK, 0, discover.Situation(WORKDAYS)) == NOW + 45 * MINUTE


def test_the_schedule_gives_the_bounds() -> None:
    hours = discover.polling_bounds(
        Schedule(shortest_minutes=20, longest_minutes=300, quiet_hours="23:00-07:00")
    )
    assert (hours.shortest, hours.longest, hours.default) == (20 * MINUTE, 300 * MINUTE, HOUR)
    assert discover.polling_bounds(Schedule()) == PollingBounds()


def checks_in_days(account: AccountConfig, name: str, situation: discover.Situation, days: int = 14) -> float:
    """Return how often a day a source is checked that always works."""
    now, checks = NOW, 0
    while now < NOW + days * DAY:
        planner = discover.Planner(account, Schedule(), now, chance=0.5)
        now, checks = planner.next_try(name, State.OK, 0, situation), checks + 1
    return checks / days


def test_an_album_is_asked_less_often_where_another_source_tells() -> None:
    alone = discover.Situation(WORKDAYS, {ALBUM: State.OK})
    beside = discover.Situation(WORKDAYS, {ALBUM: State.OK, "weread": State.UNCHANGED})
    broken = discover.Situation(WORKDAYS, {ALBUM: State.OK, "weread": State.RATE_LIMITED})
    cover = discover.Situation(WORKDAYS, {ALBUM: State.OK, "weread": State.PARTLY})
    rates = [checks_in_days(ACCOUNT, ALBUM, one) for one in (alone, beside, broken, cover)]
    assert rates[0] == rates[2] == rates[3]
    assert rates[0] == pytest.approx(2, abs=0.4)
    assert rates[1] == pytest.approx(1, abs=0.3)


def test_albums_that_were_met_in_posts_share_their_requests() -> None:
    followed = {f"album:{number}": State.OK for number in range(2, 12)}
    situation = discover.Situation(WORKDAYS, {ALBUM: State.OK} | followed)
    assert checks_in_days(ACCOUNT, "album:2", situation, 28) * len(followed) == pytest.approx(6, abs=1.5)


def test_a_login_to_weread_is_used_as_often_as_it_may_be_where_posts_are_expected() -> None:
    looks = checks_in_days(ACCOUNT, "weread", discover.Situation(WORKDAYS, weread_checks=6))
    assert looks == pytest.approx(6, abs=0.5)


def test_accounts_share_a_login_by_what_is_expected_of_them(context: JobContext) -> None:
    accounts = [
        AccountConfig.model_validate({"biz": biz, "name": name, "weread": login})
        for biz, name, login in (
            (COMMISSION.biz, "a", True),
            ("Mzk5OTAwMDAwMg==", "b", True),
            ("Mzk5OTAwMDAwMw==", "c", {"login": "other"}),
        )
    ]
    assert discover.weread_accounts(accounts[0], accounts) == [COMMISSION.biz, "Mzk5OTAwMDAwMg=="]
    assert discover.weread_accounts(ACCOUNT, accounts) == []
    jobs = discover.plan_discover(context, accounts, Schedule(), ["home"])
    assert jobs[2].arguments["weread_accounts"] == ["Mzk5OTAwMDAwMw=="]


def test_the_account_that_has_waited_longest_is_checked_first(context: JobContext, engine: Engine) -> None:
    other = ACCOUNT.model_copy(update={"biz": "Mzk5OTAwMDAwMg==", "albums": (), "follow_albums": False})
    with transaction(engine) as session:
        plan_sources(session, COMMISSION.biz, dict.fromkeys((ALBUM, FEED, "neighbours"), NOW - MINUTE))
        plan_sources(session, other.biz, dict.fromkeys((FEED, "neighbours"), NOW - HOUR))
    jobs = discover.plan_discover(context, [ACCOUNT, other], Schedule(), ["home"])
    assert [job.subject for job in jobs] == [other.biz, COMMISSION.biz]
