"""Test that open runs keep their claims when claims move from sightings to addresses, and back."""

from sqlalchemy import Engine, text

from archive.db.engine import transaction
from tests.archive.db.migrations.migrating import fill, migrate

SEED = """
INSERT INTO runs (command, started_at, finished_at) VALUES ('fetch', now(), NULL), ('fetch', now(), now());
INSERT INTO addresses (key, url) VALUES ('s/open', 'u'), ('s/over', 'u');
INSERT INTO sightings (address_id, run_id, source, url, first_seen_at, last_seen_at)
SELECT a.id, r.id, 'list', 'u', now(), now() FROM addresses a JOIN runs r
ON (a.key = 's/open') = (r.finished_at IS NULL)
"""
BEFORE, AFTER = "0007", "0008"
CLAIMS = text("SELECT key, claimed_by_run_id IS NOT NULL, claimed_until > now() FROM addresses ORDER BY key")
SEALS = text("SELECT bool_and(a.seal = seal_of(a)) FROM addresses a")


def test_only_claims_of_open_runs_are_taken_over(engine: Engine) -> None:
    migrate(engine, BEFORE)
    fill(engine, SEED)
    migrate(engine, AFTER)
    with transaction(engine) as session:
        assert [tuple(row) for row in session.execute(CLAIMS)] == [
            ("s/open", True, True),
            ("s/over", False, None),
        ]


def test_a_downgrade_gives_open_claims_back_to_the_sightings(engine: Engine) -> None:
    migrate(engine, AFTER)
    fill(engine, SEED)
    with transaction(engine) as session:
        session.execute(text("UPDATE sightings SET run_id = NULL"))
        session.execute(
            text("UPDATE addresses SET claimed_by_run_id = r.id FROM runs r WHERE r.finished_at IS NULL")
        )
    migrate(engine, BEFORE)
    with transaction(engine) as session:
        rows = session.execute(
            text("SELECT s.run_id = r.id FROM sightings s, runs r WHERE r.finished_at IS NULL")
        )
        assert rows.scalars().all() == [True, True]
        assert session.scalar(SEALS)
