"""Test that the job queue is made by the pinned schema of procrastinate."""

from pathlib import Path

from procrastinate.schema import SchemaManager
from sqlalchemy import Engine, inspect

from archive.db.migrations import versions


def test_the_queue_is_made_by_the_pinned_schema_and_not_by_the_installed_package() -> None:
    pinned = (Path(versions.__file__).parent / "v0003_procrastinate_3_10.sql").read_text(encoding="utf-8")
    assert "CREATE TABLE procrastinate_jobs" in pinned
    for file in Path(versions.__file__).parent.glob("v*.py"):
        assert "procrastinate.schema" not in file.read_text(encoding="utf-8"), file.name


def test_the_installed_queue_library_has_the_pinned_schema_or_a_migration_beside_it() -> None:
    """Notice an upgrade of procrastinate that changed its schema: it needs a migration here."""
    pinned = (Path(versions.__file__).parent / "v0003_procrastinate_3_10.sql").read_text(encoding="utf-8")
    assert pinned.endswith(SchemaManager.get_schema())


def test_the_queue_has_a_schema_of_its_own(engine: Engine) -> None:
    assert "procrastinate_jobs" in inspect(engine).get_table_names(schema="jobs")
    assert "procrastinate_jobs" not in inspect(engine).get_table_names()
