"""Test that the upgrade takes old keys apart, and that a downgrade joins them again."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, insert, select, text
from sqlalchemy.exc import IntegrityError

from archive.db.engine import transaction
from archive.db.models import Address
from archive.db.settings import ArchiveSettings
from archive.domain.addresses import AddressColumns, parse_address
from archive.domain.captures import SightingData
from archive.integrity.verifier import verify_archive
from archive.repository.derived import counts
from archive.repository.frontier import record_sightings
from archive.repository.sources import plan_sources, source_statuses
from archive.storage.media_files import MediaFolder
from tests.archive.db.migrations.migrating import fill, migrate
from tests.archive.integrity.filling import context_at
from tests.archive.integrity.filling import fill as fill_archive
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


# What identifies an address, by its key.
KEYS = {
    f"{BIZ}:1001:1": (BIZ, 1001, 1, None, None),
    f"{BIZ}:999999999999999999:999": (BIZ, 999999999999999999, 999, None, None),
    f"{BIZ}:0:0": (BIZ, 0, 0, None, None),
    f"{BIZ}:01001:1": (BIZ, None, None, None, f"{BIZ}:01001:1"),
    f"{BIZ}:1001:01": (BIZ, None, None, None, f"{BIZ}:1001:01"),
    f"{BIZ}:1001:1000": (BIZ, None, None, None, f"{BIZ}:1001:1000"),
    "s/A:1:2": ("s/A", 1, 2, None, None),
    "s/AbCdEfGhIjKlMnOpQrStUv": (None, None, None, "AbCdEfGhIjKlMnOpQrStUv", None),
    "s/a:b": (None, None, None, "a:b", None),
    "of no kind": (None, None, None, None, "of no kind"),
}
BARE = [key for key, one in KEYS.items() if one[3] is None]


def fill_addresses(engine: Engine) -> None:
    """Store addresses as earlier versions did."""
    with transaction(engine) as session:
        insert = text("INSERT INTO addresses (key, url, next_fetch_at) VALUES (:key, 'u', now())")
        session.execute(insert, [{"key": key} for key in KEYS])


def test_the_keys_of_addresses_are_taken_apart_and_joined_again(engine: Engine) -> None:
    migrate(engine, BEFORE)
    fill_addresses(engine)
    migrate(engine, "head")
    with transaction(engine) as session:
        rows = session.scalars(select(Address).order_by(Address.id)).all()
        found = {row.key: (row.biz, row.mid, row.idx, row.short_token, row.other_key) for row in rows}
        assert found == KEYS
        assert found == {key: tuple(AddressColumns.of_key(key)) for key in KEYS}
        assert list(session.scalars(select(Address.key).order_by(Address.id))) == list(KEYS)
        assert counts(session, ["addresses_bare"])["addresses_bare"].total() == len(BARE)
    migrate(engine, BEFORE)
    with engine.connect() as connection:
        keys = connection.execute(text("SELECT key FROM addresses ORDER BY id")).scalars()
        assert list(keys) == list(KEYS)


@pytest.mark.parametrize(
    "values",
    [
        {"mid": 1, "idx": 1},
        {"biz": BIZ, "mid": 1},
        {"biz": BIZ},
        {"biz": BIZ, "mid": 1, "idx": 1, "short_token": "a"},
        {"short_token": "a", "other_key": "b"},
        {"biz": BIZ, "short_token": "a"},
        {},
    ],
)
def test_an_address_has_exactly_one_identity(engine: Engine, values: dict[str, str | int]) -> None:
    with pytest.raises(IntegrityError, match="ck__addresses__one_identity"), transaction(engine) as session:
        session.execute(insert(Address).values(url="u", **values))


def test_the_facts_in_the_chains_are_those_of_before(engine: Engine, tmp_path: Path) -> None:
    context = context_at(MediaFolder(ArchiveSettings(media=str(tmp_path))))
    digests = text("SELECT chain_id, position, digest FROM chain_entries ORDER BY chain_id, position")
    with transaction(engine) as session:
        fill_archive(session, context)
        zeros = parse_address(f"http://mp.weixin.qq.com/s?__biz={BIZ}&mid=0077&idx=01&sn=x")
        short = parse_address("https://mp.weixin.qq.com/s/AbCdEfGhIjKlMnOpQrStUv")
        seen = [SightingData(one, "list", NOW) for one in (zeros, short)]
        record_sightings(session, None, seen, NOW)
        known = record_sightings(session, None, seen, NOW)
        assert [(one.key, one.is_new) for one in known] == [(zeros.key, False), (short.key, False)]
    assert verify_archive(engine, context).findings == []
    with engine.connect() as connection:
        before = connection.execute(digests).all()
    for revision in (BEFORE, "head"):
        migrate(engine, revision)
    with engine.connect() as connection:
        assert connection.execute(digests).all() == before
    assert verify_archive(engine, context).findings == []
