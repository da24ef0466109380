"""Test that sightings get the run that saw them last, as far as the times tell."""

from sqlalchemy import Engine, text

from archive.db.engine import transaction
from tests.archive.db.migrations.migrating import fill, migrate

SEED = """
INSERT INTO runs (command, started_at, finished_at) VALUES ('backfill', now(), now() + interval '1 hour');
INSERT INTO addresses (key, url) VALUES ('s/once', 'u'), ('s/again', 'u');
INSERT INTO sightings (address_id, run_id, source, url, first_seen_at, last_seen_at)
SELECT a.id, r.id, 'list', 'u', now(), now() + (CASE key WHEN 's/again' THEN 2 ELSE 0 END) * interval '1 hour'
FROM addresses a, runs r
"""
BEFORE, AFTER = "0008", "0009"
LAST_RUNS = text(
    "SELECT key, last_run_id IS NOT NULL FROM sightings JOIN addresses a ON a.id = address_id ORDER BY key"
)


def test_an_address_seen_after_its_run_had_ended_was_seen_by_another(engine: Engine) -> None:
    migrate(engine, BEFORE)
    fill(engine, SEED)
    migrate(engine, AFTER)
    with transaction(engine) as session:
        found = [tuple(row) for row in session.execute(LAST_RUNS)]
    assert found == [("s/again", False), ("s/once", True)]
