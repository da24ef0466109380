"""Test that runs and incidents of earlier versions are converted, and what cannot be stays as it was."""

import json
from typing import Any

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import IntegrityError

from archive.db.engine import transaction
from archive.db.models import Incident
from archive.repository.incidents import open_incidents
from tests.archive.db.migrations.migrating import migrate

BEFORE = "0015"
RUN = text(
    "INSERT INTO runs (command, arguments, started_at, verdict, counts) VALUES"
    " (:command, CAST(:arguments AS jsonb), '2026-03-01T00:00Z', :verdict, CAST(:counts AS jsonb))"
)
INCIDENT = text(
    "INSERT INTO incidents (key, code, params, opened_at, last_seen_at)"
    """ VALUES (:key, 'archive.verbatim', '{"text": "合成"}', '2026-03-01T00:00Z', '2026-03-01T00:00Z')"""
)
OWNERS = """
INSERT INTO accounts (biz) VALUES ('MjM=');
INSERT INTO sources (account_id, name) SELECT id, 'album:1' FROM accounts;
INSERT INTO egresses (name, seen_at, blocks, reason) VALUES ('home', now(), 0, '')
"""
# Every form of key that the program ever wrote; then some that none of its versions did.
KEYS = (
    "quiet:MjM=", "quiet:of an unknown account", "blind:MjM=", "unwatched:MjM=", "source:MjM=:album:1",
    "source:MjM=:feed:gone", "source:unknown:album:1", "verification:home", "verification:gone",
    "disk:/data:1", "jobs:fetch", "config", "alarms", "inbox", "capture:7", "capture:more", "other_posts",
    "capture:007", "capture:", "source:MjM=", "quiet:", "config:x", "other", "a key of later:1", "",
)  # fmt: skip


def store(engine: Engine, command: str, arguments: Any, counts: Any, verdict: str | None = "done") -> None:
    values = {"command": command, "verdict": verdict}
    values |= {"arguments": json.dumps(arguments), "counts": json.dumps(counts)}
    with engine.begin() as connection:
        connection.execute(RUN, values)


def run(engine: Engine) -> Any:
    """Return the only run."""
    columns = "arguments, counts, reasons, status, (SELECT name FROM egresses WHERE id = egress_id) AS egress"
    with engine.connect() as connection:
        return connection.execute(text(f"SELECT {columns} FROM runs")).one()


@pytest.mark.parametrize(
    ("command", "before", "after"),
    [
        (
            "backfill",
            {"inputs": "('a.json', 'b, \\'c\\'')", "limit": "5", "fetch": "True", "since": "2026-03-01"},
            {"inputs": ["a.json", "b, 'c'"], "limit": 5, "fetch": True, "since": "2026-03-01"},
        ),
        ("backfill", {"url": "('x',)", "replay": "1"}, {"url": "('x',)", "replay": "1"}),
        (
            "backfill",
            {"inputs": "('a', 1)", "x": "1_1", "y": "{}"},
            {"inputs": "('a', 1)", "x": "1_1", "y": "{}"},
        ),
        ("backfill", {"inputs": "('cut"}, {"inputs": "('cut"}),
        ("reparse", {"aids": "('1_1',)", "whole": "True"}, {"aids": ["1_1"], "whole": True}),
        ("forget", {"reason": "True", "files": ["a"]}, {"reason": "True", "files": ["a"]}),
        ("fetch", {"due": 3}, {"due": 3}),
    ],
)
def test_options_that_were_stored_as_python_writes_them_become_values(
    engine: Engine, command: str, before: dict[str, Any], after: dict[str, Any]
) -> None:
    migrate(engine, BEFORE)
    store(engine, command, before, {})
    migrate(engine, "head")
    assert run(engine).arguments == after


@pytest.mark.parametrize(
    ("before", "counts", "reasons"),
    [
        ({"fetched": 2, "found": 0}, {"fetched": 2, "found": 0}, {}),
        ({"fetched": 1, "outcomes": {"article": 1}}, {"fetched": 1, "outcomes.article": 1}, {}),
        ({"counts": {"new": 1}, "reasons": {"new": "合成"}}, {"new": 1}, {"new": "合成"}),
        ({"new": 1, "odd": "text", "yes": True}, {"new": 1}, {"odd": "text", "yes": True}),
    ],
)
def test_counts_get_one_shape(
    engine: Engine, before: dict[str, Any], counts: dict[str, int], reasons: dict[str, Any]
) -> None:
    migrate(engine, BEFORE)
    store(engine, "backfill", {}, before)
    migrate(engine, "head")
    assert (run(engine).counts, run(engine).reasons) == (counts, reasons)


def test_an_egress_of_a_run_has_a_row_and_goes_back_into_the_arguments(engine: Engine) -> None:
    migrate(engine, BEFORE)
    store(engine, "fetch", {"egress": "gone", "due": 1}, {"outcomes": {"article": 2}, "failed": 1})
    migrate(engine, "head")
    assert tuple(run(engine)) == ({"due": 1}, {"failed": 1, "outcomes.article": 2}, {}, "done", "gone")
    migrate(engine, BEFORE)
    with engine.connect() as connection:
        row = connection.execute(text("SELECT arguments, counts, verdict FROM runs")).one()
    assert row.arguments == {"egress": "gone", "due": 1}
    assert (row.counts, row.verdict) == ({"outcomes": {"article": 2}, "failed": 1}, "done")


def test_an_odd_verdict_stays_and_no_new_one_is_stored(engine: Engine) -> None:
    migrate(engine, BEFORE)
    store(engine, "fetch", {}, {}, "a verdict of nobody")
    migrate(engine, "head")
    assert run(engine).status == "a verdict of nobody"
    odd = text("INSERT INTO runs (command, started_at, status) VALUES ('fetch', now(), 'odd')")
    with pytest.raises(IntegrityError, match="ck__runs__status"), engine.begin() as connection:
        connection.execute(odd)


@pytest.mark.parametrize("value", ['{"a": "1"}', '{"a": {"b": 1}}', '{"a": null}', "[1]"])
def test_counts_are_numbers_by_name(engine: Engine, value: str) -> None:
    odd = text("INSERT INTO runs (command, started_at, counts) VALUES ('x', now(), CAST(:value AS jsonb))")
    with pytest.raises(IntegrityError, match="ck__runs__counts"), engine.begin() as connection:
        connection.execute(odd, {"value": value})


def test_the_key_of_an_incident_is_the_same_after_the_upgrade_and_after_the_downgrade(engine: Engine) -> None:
    migrate(engine, BEFORE)
    with transaction(engine) as session:
        for statement in OWNERS.strip().split(";"):
            session.execute(text(statement))
        for key in KEYS:
            session.execute(INCIDENT, {"key": key})
    migrate(engine, "head")
    with transaction(engine) as session:
        assert [one.key for one in session.scalars(select(Incident).order_by(Incident.id))] == list(KEYS)
        assert [one.key for one in open_incidents(session)] == sorted(KEYS)
        kinds = dict(session.execute(text("SELECT kind, count(*) FROM incidents GROUP BY kind")).all())
        assert kinds["other"] == 8
        columns = (
            "SELECT count(account_id), count(source_id), count(egress_id), count(capture_id) FROM incidents"
        )
        assert tuple(session.execute(text(columns)).one()) == (5, 1, 1, 1)
    migrate(engine, BEFORE)
    with engine.connect() as connection:
        found = connection.execute(text("SELECT key FROM incidents ORDER BY id"))
        assert found.scalars().all() == list(KEYS)


def test_no_two_incidents_about_one_subject_are_open(engine: Engine) -> None:
    migrate(engine, BEFORE)
    with engine.begin() as connection:
        connection.execute(INCIDENT, {"key": "config"})
    migrate(engine, "head")
    again = text(
        "INSERT INTO incidents (kind, code, opened_at, last_seen_at) VALUES ('config', 'x', now(), now())"
    )
    with pytest.raises(IntegrityError, match="uq__incidents__subject"), engine.begin() as connection:
        connection.execute(again)
