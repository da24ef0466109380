"""Test that incidents of the new kinds can be stored, and keep their subjects in an earlier version."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from archive.db.engine import transaction
from archive.domain.messages import Message
from archive.domain.monitoring import HealthProblem, IncidentKind, IncidentSubject
from archive.repository.accounts import account_id
from archive.repository.incidents import open_incidents, record_problems
from tests.archive.db.migrations.migrating import migrate

NOW = datetime(2026, 3, 2, tzinfo=UTC)
BIZ = "Mzk5OTAwMDAwMQ=="
PROBLEMS = [
    HealthProblem(IncidentSubject(IncidentKind.ANNOUNCED, BIZ), Message("a")),
    HealthProblem(IncidentSubject(IncidentKind.LOGIN, name="weread:default"), Message("b")),
    HealthProblem(IncidentSubject(IncidentKind.DISK, name="/data"), Message("c")),
]
KEYS = [f"announced:{BIZ}", "disk:/data", "login:weread:default"]


def test_a_downgrade_keeps_the_subjects(engine: Engine) -> None:
    with transaction(engine) as session:
        account_id(session, BIZ)
        record_problems(session, PROBLEMS, NOW)
    with transaction(engine) as session:
        assert sorted(one.key for one in open_incidents(session)) == KEYS
    migrate(engine, "0018")
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT kind, subject FROM incidents ORDER BY kind, subject")).all()
    assert rows == [("disk", "/data"), ("other", f"announced:{BIZ}"), ("other", "login:weread:default")]
    migrate(engine, "0019")
    with transaction(engine) as session:
        assert sorted(one.key for one in open_incidents(session)) == KEYS


def test_other_kinds_are_still_refused(engine: Engine) -> None:
    row = "INSERT INTO incidents (kind, code, opened_at, last_seen_at) VALUES ('nothing', 'a', now(), now())"
    with pytest.raises(IntegrityError, match="ck__incidents__kind"), engine.begin() as connection:
        connection.execute(text(row))
