"""Test that the upgrade takes old keys apart, and that a downgrade joins them again."""

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from archive.db.engine import transaction
from archive.repository.sources import plan_sources, source_statuses
from tests.archive.db.migrations.migrating import fill, migrate
from tests.archive.making import BIZ, NOW

BEFORE = "0015"
NAMES = ["album:3900000000000000001", "feed:rss.example/a:b", "neighbours", "own_backend"]
SOURCES = text("SELECT name, state, seen, new, failures FROM sources ORDER BY name")


def fill_sources(engine: Engine) -> None:
    """Store an account with sources as earlier versions did."""
    fill(engine, f"INSERT INTO accounts (biz) VALUES ('{BIZ}')")
    with transaction(engine) as session:
        insert = text(
            "INSERT INTO sources (account_id, name, state, since, seen, new, failures, next_try_at)"
            " VALUES (1, :name, 'ok', :now, 3, 2, 1, :now)"
        )
        session.execute(insert, [{"name": name, "now": NOW} for name in NAMES])


def test_sources_have_the_same_names_and_states_afterwards(engine: Engine) -> None:
    migrate(engine, BEFORE)
    fill_sources(engine)
    migrate(engine, "head")
    with transaction(engine) as session:
        statuses = source_statuses(session, BIZ)
        plan_sources(session, BIZ, dict.fromkeys(NAMES, NOW))
        assert len(source_statuses(session)) == len(NAMES)
    assert [one.name for one in statuses] == NAMES
    assert {(one.state, one.since, one.seen, one.new, one.failures, one.next_try_at) for one in statuses} == {
        ("ok", NOW, 3, 2, 1, NOW)
    }
    migrate(engine, BEFORE)
    with engine.connect() as connection:
        assert [tuple(row) for row in connection.execute(SOURCES)] == [
            (name, "ok", 3, 2, 1) for name in NAMES
        ]


def test_a_source_and_a_state_that_no_version_knew_stop_no_upgrade(engine: Engine) -> None:
    migrate(engine, BEFORE)
    fill_sources(engine)
    fill(engine, "UPDATE sources SET name = 'pigeon:1', state = 'asleep' WHERE name = 'neighbours'")
    migrate(engine, "head")
    with transaction(engine) as session:
        assert {(one.name, one.state) for one in source_statuses(session)} >= {("pigeon:1", "asleep")}


@pytest.mark.parametrize("change", ["type = 'pigeon'", "state = 'asleep'", "type = 'album'"])
def test_the_database_refuses_what_no_source_is(engine: Engine, change: str) -> None:
    migrate(engine, BEFORE)
    fill_sources(engine)
    migrate(engine, "head")
    fill(engine, "INSERT INTO sources (account_id, type) VALUES (1, 'album')")
    with pytest.raises(IntegrityError, match=r"ck__sources|uq__sources"):
        fill(engine, f"UPDATE sources SET {change} WHERE type = 'neighbours'")
