"""Test that claims of due addresses never overlap and end with their run, and what the scheduler reads."""

from datetime import UTC, date, datetime, timedelta
from threading import Thread

from sqlalchemy import Engine, func, literal, select, text
from sqlalchemy.orm import Session

from archive.db.advisory_locks import Hosts, egress_lock, is_locked, run_lock
from archive.db.engine import transaction
from archive.db.models import Account, Address, Body, Capture, Post
from archive.domain import captures
from archive.domain.addresses import parse_address
from archive.repository import frontier, runs
from archive.repository.claims import CLAIM_LASTS, WORKER_LIVES
from archive.repository.egress import EGRESS_LIVES, record_heartbeat
from archive.repository.frontier import claim_due, has_due_address
from archive.repository.runs import close_abandoned_runs
from archive.repository.sources import (
    SourceReport,
    newest_post,
    plan_sources,
    published_days,
    published_instants,
    record_report,
    source_statuses,
)

NOW = datetime(2025, 11, 20, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)
BIZ = "Mzk5OTAwMDAwMQ=="


def see(session: Session, *mids: int, now: datetime = NOW) -> None:
    seen = [
        parse_address(f"https://mp.weixin.qq.com/s?__biz={BIZ}&mid={mid}&idx=1&sn={mid:032x}") for mid in mids
    ]
    frontier.record_sightings(session, None, [captures.SightingData(one, "test", now) for one in seen], now)


def publish(session: Session, mid: int, at: datetime | None, on: date, visited: datetime = NOW) -> None:
    """Store a post with its address and page."""
    see(session, mid, now=visited)
    address = session.query(Address).filter_by(aid=f"{mid}_1").one()
    address.last_outcome, address.last_tried_at, address.next_fetch_at = "article", visited, None
    session.merge(Body(sha256=b"", codec="zstd", data=b""))
    session.flush()
    capture = Capture(
        address_id=address.id, requested_url="u", final_url="u", status=200, headers=[], body_size=0,
        sha256=b"", fetched_at=visited, rendered=False,
    )  # fmt: skip
    session.add(capture)
    session.flush()
    account = session.query(Account).filter_by(biz=BIZ).one()
    session.add(
        Post(
            account_id=account.id, aid=f"{mid}_1", mid=mid, idx=1, title="t", url="u", published_on=on,
            account_name="n", text="t", published_at=at, content_hash="h", source="page",
            capture_id=capture.id,
        )
    )  # fmt: skip
    session.flush()


def test_what_is_due_is_claimed_once(db_session: Session) -> None:
    record_heartbeat(db_session, "home", NOW)
    see(db_session, 1, 2, 3)
    first, two = claim_due(db_session, "fetch", "home", 2, NOW)
    second, one = claim_due(db_session, "fetch", "home", 2, NOW)
    assert (len(two), len(one), first != second) == (2, 1, True)
    assert not {address.id for address in two} & {address.id for address in one}
    assert claim_due(db_session, "fetch", "home", 2, NOW) == (0, [])
    assert not has_due_address(db_session, NOW)


def test_what_a_worker_claimed_is_free_again_once_nobody_is_seen_behind_its_line(db_session: Session) -> None:
    record_heartbeat(db_session, "home", NOW)
    see(db_session, 1)
    claim_due(db_session, "fetch", "home", 9, NOW)
    assert not has_due_address(db_session, NOW + WORKER_LIVES / 2)
    assert has_due_address(db_session, NOW + WORKER_LIVES)
    record_heartbeat(db_session, "home", NOW + HOUR)
    assert not has_due_address(db_session, NOW + HOUR)


def test_a_late_heartbeat_frees_nothing_while_the_crawl_holds_its_egress(
    db_session: Session, shared_engine: Engine
) -> None:
    record_heartbeat(db_session, "home", NOW)
    see(db_session, 1)
    claim_due(db_session, "fetch", "home", 9, NOW)
    with egress_lock(shared_engine, "office", Hosts.PAGES), egress_lock(shared_engine, "home", Hosts.MEDIA):
        assert has_due_address(db_session, NOW + WORKER_LIVES), "these locks are others"
    with egress_lock(shared_engine, "home", Hosts.PAGES):
        assert not has_due_address(db_session, NOW + WORKER_LIVES)
        assert has_due_address(db_session, NOW + EGRESS_LIVES), "it hangs"


def test_a_lock_is_found_whatever_the_sign_of_its_key(db_session: Session, shared_engine: Engine) -> None:
    keys = {
        name: db_session.scalar(select(func.hashtext(f"{name}:pages"))) for name in ("home", "office", "e1")
    }
    assert {key < 0 for key in keys.values()} == {True, False}
    for name in keys:
        with egress_lock(shared_engine, name, Hosts.PAGES):
            locked = {one: db_session.scalar(select(is_locked(literal(one), Hosts.PAGES))) for one in keys}
        assert locked == {one: one == name for one in keys}


def test_what_a_command_is_fetching_is_not_fetched_by_the_daemon_and_is_free_when_that_is_gone(
    db_session: Session, shared_engine: Engine
) -> None:
    record_heartbeat(db_session, "home", NOW)
    see(db_session, 1, 2)
    run_id = runs.start_run(db_session, "backfill", {}, NOW)
    first, _ = db_session.query(Address).order_by(Address.id)
    frontier.claim_addresses(db_session, run_id, [first.id], NOW)
    with run_lock(shared_engine, run_id):
        assert [one.key for one in claim_due(db_session, "fetch", "home", 9, NOW)[1]] == [f"{BIZ}:2:1"]
        assert has_due_address(db_session, NOW + CLAIM_LASTS)
    assert [one.key for one in claim_due(db_session, "fetch", "home", 9, NOW)[1]] == [f"{BIZ}:1:1"]


def test_what_a_run_did_not_ask_is_due_again_once_the_run_is_closed(db_session: Session) -> None:
    record_heartbeat(db_session, "home", NOW)
    see(db_session, 1)
    run_id, _ = claim_due(db_session, "fetch", "home", 9, NOW)
    assert close_abandoned_runs(db_session, "fetch", "office", NOW + HOUR) == 0
    assert close_abandoned_runs(db_session, "fetch", "home", NOW + HOUR) == 1
    assert has_due_address(db_session, NOW)
    assert claim_due(db_session, "fetch", "home", 9, NOW)[0] not in (0, run_id)


def test_claims_made_at_the_same_time_do_not_overlap(engine: Engine) -> None:
    with transaction(engine) as session:
        record_heartbeat(session, "home", NOW)
        see(session, *range(1, 31))
    claimed: list[list[int]] = []

    def claim() -> None:
        with transaction(engine) as session:
            claimed.append([one.id for one in claim_due(session, "fetch", "home", 10, NOW)[1]])

    threads = [Thread(target=claim) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(len, claimed)) == [0, 10, 10, 10]
    assert len({number for one in claimed for number in one}) == 30


def test_a_claim_passes_over_what_another_transaction_has_locked_and_waits_for_nobody(engine: Engine) -> None:
    with transaction(engine) as session:
        record_heartbeat(session, "home", NOW)
        see(session, 1, 2)
    with transaction(engine) as first, transaction(engine) as second:
        first_run, (mine,) = claim_due(first, "fetch", "home", 1, NOW)
        second_run, (other,) = claim_due(second, "fetch", "home", 2, NOW)
        assert (mine.id != other.id, first_run != second_run) == (True, True)


def test_a_claim_by_a_run_that_cannot_be_seen_yet_holds(db_session: Session) -> None:
    """A statement that began before another claim was committed sees the claimed row, but not its run."""
    see(db_session, 1)
    db_session.execute(text("SET LOCAL session_replication_role = replica"))  # no foreign keys
    claim = "UPDATE addresses SET claimed_by_run_id = 4711, claimed_until = :until"
    db_session.execute(text(claim), {"until": NOW + HOUR})
    assert claim_due(db_session, "fetch", "home", 1, NOW) == (0, [])


def test_sightings_keep_the_run_that_first_saw_an_address(db_session: Session) -> None:
    address = parse_address(f"https://mp.weixin.qq.com/s?__biz={BIZ}&mid=1&idx=1&sn={1:032x}")
    first, second = (runs.start_run(db_session, "backfill", {}, NOW) for _ in range(2))
    for run_id in (first, second):
        frontier.record_sightings(db_session, run_id, [captures.SightingData(address, "list", NOW)], NOW)
    claim_due(db_session, "fetch", "home", 9, NOW)
    assert db_session.scalars(text("SELECT run_id FROM sightings")).all() == [first]


def test_the_last_run_given_an_address_has_it(db_session: Session) -> None:
    address = parse_address(f"https://mp.weixin.qq.com/s?__biz={BIZ}&mid=1&idx=1&sn={1:032x}")
    first, second = (runs.start_run(db_session, "backfill", {}, NOW) for _ in range(2))
    for run_id in (first, second):
        frontier.record_sightings(db_session, run_id, [captures.SightingData(address, "list", NOW)], NOW)
    held = [frontier.due_addresses(db_session, NOW, 9, run_id) for run_id in (first, second)]
    assert [len(one) for one in held] == [0, 1]
    assert [row.key for row in frontier.addresses_of_run(db_session, second)] == [address.key]


def test_what_a_source_lists_is_free_at_once_and_a_claim_outlives_its_listing(db_session: Session) -> None:
    record_heartbeat(db_session, "home", NOW)
    discover = runs.start_run(db_session, "discover", {}, NOW, "home")
    address = parse_address(f"https://mp.weixin.qq.com/s?__biz={BIZ}&mid=1&idx=1&sn={1:032x}")
    listed = SourceReport(
        BIZ, "album:1", "ok", True, sightings=[captures.SightingData(address, "album", NOW)]
    )
    record_report(db_session, discover, listed, NOW)
    run_id, (due,) = claim_due(db_session, "fetch", "home", 9, NOW)
    record_report(db_session, discover, listed, NOW)
    assert [one.id for one in frontier.due_addresses(db_session, NOW, 9, run_id)] == [due.id]
    assert not has_due_address(db_session, NOW)


def test_a_claim_ends_by_itself_when_its_run_is_never_closed(db_session: Session) -> None:
    see(db_session, 1)
    claim_due(db_session, "fetch", "home", 9, NOW)
    record_heartbeat(db_session, "home", NOW + CLAIM_LASTS)
    assert not has_due_address(db_session, NOW + CLAIM_LASTS - HOUR / 60)
    assert has_due_address(db_session, NOW + CLAIM_LASTS)


def test_a_source_is_planned_before_it_was_ever_tried_and_again_after(db_session: Session) -> None:
    plan_sources(db_session, BIZ, {"album:1": NOW, "feed:x": NOW + HOUR})
    plan_sources(db_session, BIZ, {"album:1": NOW + 2 * HOUR})
    found = source_statuses(db_session, BIZ)
    assert [(one.name, one.next_try_at, one.state) for one in found] == [
        ("album:1", NOW + 2 * HOUR, None),
        ("feed:x", NOW + HOUR, None),
    ]
    assert source_statuses(db_session, "other") == []


def test_an_accounts_habit_is_read_from_its_posts(db_session: Session) -> None:
    publish(db_session, 1, NOW - 50 * HOUR, date(2025, 11, 18))
    publish(db_session, 2, NOW - 2 * HOUR, date(2025, 11, 20))
    publish(db_session, 3, None, date(2025, 11, 19))
    assert published_instants(db_session, BIZ, NOW - 3 * HOUR) == [NOW - 2 * HOUR]
    assert newest_post(db_session, BIZ) == NOW - 2 * HOUR
    assert [one.date() for one in published_days(db_session, BIZ, NOW - 90 * HOUR)] == [
        date(2025, 11, 18), date(2025, 11, 19), date(2025, 11, 20),
    ]  # fmt: skip


def test_a_post_that_only_a_dump_told_of_counts_with_the_noon_of_its_day(db_session: Session) -> None:
    publish(db_session, 1, None, date(2025, 11, 19))
    assert newest_post(db_session, BIZ) == datetime(2025, 11, 19, 4, tzinfo=UTC)


def test_a_run_can_take_what_another_made_due_after_it_looked_at_its_clock(db_session: Session) -> None:
    see(db_session, 1)
    (address_id,) = db_session.execute(text("SELECT id FROM addresses")).scalars()
    run_id = runs.start_run(db_session, "backfill", {}, NOW)
    frontier.make_due(db_session, [address_id], NOW)
    frontier.make_due(db_session, [address_id], NOW + HOUR)  # by another process, while this one waits
    assert frontier.take_over(db_session, run_id, [address_id], NOW + HOUR / 2) == [address_id]


def test_an_address_seen_again_is_claimed_though_another_one_is_being_fetched(
    db_session: Session, shared_engine: Engine
) -> None:
    record_heartbeat(db_session, "home", NOW)
    see(db_session, 1, 2)
    fetched, seen = db_session.query(Address).order_by(Address.id)
    crawl = runs.start_run(db_session, "backfill", {}, NOW, "home")
    frontier.claim_addresses(db_session, crawl, [fetched.id], NOW)
    again = runs.start_run(db_session, "backfill", {}, NOW)
    with run_lock(shared_engine, crawl):
        for address in (fetched, seen):
            sighting = captures.SightingData(parse_address(address.url), "list", NOW)
            frontier.record_sightings(db_session, again, [sighting], NOW)
        rows = db_session.execute(text("SELECT id, claimed_by_run_id FROM addresses")).all()
    assert {row.id: row.claimed_by_run_id for row in rows} == {fetched.id: crawl, seen.id: again}


WAITING = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


def test_an_import_that_waits_takes_no_claim_from_a_crawl_that_begins_meanwhile(engine: Engine) -> None:
    with transaction(engine) as session:
        see(session, 1)
        (address,) = session.query(Address).all()
        address_id, url = address.id, address.url
        crawl, importing = (runs.start_run(session, "backfill", {}, NOW) for _ in range(2))

    def bring_again() -> None:
        with transaction(engine) as session:
            sighting = captures.SightingData(parse_address(url), "list", NOW)
            frontier.record_sightings(session, importing, [sighting], NOW)

    thread = Thread(target=bring_again)
    with run_lock(engine, crawl):
        with transaction(engine) as session:
            session.query(Address).with_for_update().one()
            thread.start()
            while not session.scalar(WAITING):
                session.execute(text("SELECT pg_stat_clear_snapshot()"))
            with transaction(engine) as other:
                runs.record_egress(other, crawl, "home", NOW)
            assert frontier.take_over(session, crawl, [address_id], NOW) == [address_id]
        thread.join()
        with transaction(engine) as session:
            assert session.scalar(text("SELECT claimed_by_run_id FROM addresses")) == crawl
