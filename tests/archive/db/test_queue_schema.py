"""The job queue's schema follows the installed procrastinate, whichever version made it."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, text

from archive.db import queue_schema, schema
from archive.db.queue_schema import CARRIED, is_queue_current, shipped_migrations

OLDER = "03.00.00_01_pre_cancel_notification"  # of procrastinate 3.0, which earlier queues may be of
NEXT = "99.00.00_01_pre_invented"
OBJECTS = {
    "functions": "SELECT oid::regprocedure::text, prosrc FROM pg_proc"
    " WHERE pronamespace = 'jobs'::regnamespace",
    "columns": "SELECT table_name, column_name, data_type, column_default, is_nullable"
    " FROM information_schema.columns WHERE table_schema = 'jobs'",
    "indexes": "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'jobs'",
    "triggers": "SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal"
    " AND tgrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'jobs'::regnamespace)",
    "constraints": "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
    " WHERE connamespace = 'jobs'::regnamespace AND contype <> 'n'",
}


def objects(connection: Connection) -> Mapping[str, set[str]]:
    """Return what is in the queue's schema; spaces in functions do not count."""
    return {
        kind: {" ".join(" ".join(map(str, row)).split()) for row in connection.execute(text(query))}
        for kind, query in OBJECTS.items()
    }


def make_queue(connection: Connection, until: str) -> None:
    """Make the queue again by procrastinate's own migrations, up to one of them, with a job in it."""
    connection.execute(text("DROP SCHEMA jobs CASCADE"))
    connection.execute(text("CREATE SCHEMA jobs"))
    connection.execute(text("SET LOCAL search_path TO jobs"))
    for name, path in shipped_migrations().items():
        if name <= until:
            connection.exec_driver_sql(path.read_text(encoding="utf-8").replace("%", "%%"))
    connection.execute(text("INSERT INTO procrastinate_jobs (queue_name, task_name) VALUES ('q', 'fetch')"))
    connection.execute(text("SET LOCAL search_path TO DEFAULT"))
    connection.execute(text(f"COMMENT ON SCHEMA jobs IS 'procrastinate {until}'"))


def test_the_schema_carried_is_that_of_the_installed_procrastinate(engine: Engine) -> None:
    assert max(shipped_migrations()) >= CARRIED
    with engine.connect() as connection:
        assert is_queue_current(connection)


def test_a_queue_of_an_older_procrastinate_gets_the_migrations_it_lacks_and_keeps_its_jobs(
    engine: Engine,
) -> None:
    with engine.begin() as connection:
        carried = objects(connection)
        make_queue(connection, OLDER)
        assert objects(connection) != carried
        assert not is_queue_current(connection)
    for _ in range(2):
        schema.upgrade(engine)
    with engine.connect() as connection:
        assert is_queue_current(connection)
        assert objects(connection) == carried
        assert connection.scalar(text("SELECT task_name FROM jobs.procrastinate_jobs")) == "fetch"


@pytest.fixture
def newer_procrastinate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the installed procrastinate have a migration that the carried schema does not know."""
    for path in shipped_migrations().values():
        shutil.copy(path, tmp_path)
    (tmp_path / f"{NEXT}.sql").write_text("CREATE TABLE invented (share text DEFAULT '100%');")
    shipped = {path.stem: path for path in sorted(tmp_path.glob("*.sql"))}
    monkeypatch.setattr(queue_schema, "shipped_migrations", lambda: shipped)


def test_the_migrations_of_a_newer_procrastinate_are_applied_once(
    newer_procrastinate: None, engine: Engine
) -> None:
    for _ in range(2):
        schema.upgrade(engine)
    with engine.connect() as connection:
        connection.execute(text("INSERT INTO jobs.invented DEFAULT VALUES"))
        assert connection.scalar(text("SELECT share FROM jobs.invented")) == "100%"
        comment = connection.scalar(text("SELECT obj_description('jobs'::regnamespace)"))
    assert comment == f"procrastinate {NEXT}"
