"""A line's turn and a run that goes on: had by one, seen by all, over with whoever had it."""

from sqlalchemy import Engine, text

from archive.db.advisory_locks import Hosts, egress_lock, live_runs, run_lock
from tests.archive.conftest import StartChild


def test_one_line_has_one_crawl_of_pages_and_one_of_media_at_a_time(shared_engine: Engine) -> None:
    with (
        egress_lock(shared_engine, "home", Hosts.PAGES) as first,
        egress_lock(shared_engine, "home", Hosts.PAGES) as second,
        egress_lock(shared_engine, "home", Hosts.MEDIA) as media,
        egress_lock(shared_engine, "office", Hosts.PAGES) as elsewhere,
    ):
        assert (first, second, media, elsewhere) == (True, False, True, True)
    with egress_lock(shared_engine, "home", Hosts.PAGES) as later:
        assert later


def test_who_waits_gets_the_turn_of_a_process_that_is_killed(
    engine: Engine, fresh_database_url: str, start_child: StartChild
) -> None:
    child = start_child("turn", MPARCHIVE_DATABASE_URL=fresh_database_url)
    assert child.stdout and child.stdout.readline() == "open\n"
    with egress_lock(engine, "home", Hosts.PAGES) as at_once:
        assert not at_once
    with egress_lock(engine, "home", Hosts.PAGES, wait=60, on_wait=child.kill) as then:
        assert then


def test_what_goes_on_is_seen_while_it_does_and_leaves_no_connection(engine: Engine) -> None:
    ours = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
    with engine.connect() as watching:
        with run_lock(engine, 7), run_lock(engine, 9), egress_lock(engine, "home", Hosts.PAGES):
            assert sorted(watching.scalars(live_runs())) == [7, 9]
            assert watching.scalar(ours) == 4
        assert watching.scalars(live_runs()).all() == []


def test_a_crawl_outlives_a_database_that_forgot_its_turn(engine: Engine) -> None:
    with egress_lock(engine, "home", Hosts.PAGES) as mine, engine.connect() as other:
        assert mine
        other.execute(
            text(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory'"
                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
        )
        with egress_lock(engine, "home", Hosts.PAGES) as another:
            assert another
