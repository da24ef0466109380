"""Migrations stay what they were: they import nothing of the program, and released schemas are upgraded."""

import ast
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import ZipFile

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import URL, Connection, create_engine, make_url, text

from archive.backup.postgres import find_tool
from archive.db import migrations
from archive.db.engine import open_archive
from archive.db.models import Base
from archive.db.settings import ArchiveSettings
from tests.archive.db.test_schema import is_ours
from tests.fixtures.make_archive_v0_1 import FIXTURE
from tests.support.database import as_superuser

FOLDER = Path(migrations.__file__).parent
SHARED = "archive.db.migrations.row_seals"  # a part of the migrations themselves
OURS = ("archive", "crawler", "mparchive", "scheduler", "web")
QUEUE = FOLDER / "versions" / "v0003_procrastinate_3_10.sql"  # dumps of the archive do not have the queue
# By version: a backup whose database.dump has the schema too.
RELEASED = {"0.1.0": FIXTURE / "pg_dump.backup"}


def imported(path: Path) -> Iterator[str]:
    """Yield the modules that a file imports, at its top or within a function."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.py")), ids=lambda path: path.stem)
def test_a_migration_imports_nothing_of_the_program(path: Path) -> None:
    of_program = {name for name in imported(path) if name.split(".")[0] in OURS}
    assert of_program <= ({SHARED} if path.stem != "row_seals" else set())


@contextmanager
def begun(url: URL) -> Iterator[Connection]:
    """Open a database without migrating it."""
    engine = create_engine(url)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


@pytest.mark.parametrize("version", RELEASED)
def test_the_schema_of_a_release_is_upgraded(version: str, empty_database_url: str, tmp_path: Path) -> None:
    """It comes from that version's own dump, not from the migrations as they are now."""
    with ZipFile(RELEASED[version]) as backup:
        dump = backup.extract("database.dump", tmp_path)
    superuser = make_url(as_superuser(empty_database_url))
    tool = find_tool("pg_restore", 18)
    assert tool
    target = superuser.set(drivername="postgresql").update_query_dict({"requirepeer": ()})
    address = target.render_as_string(hide_password=False)
    with begun(superuser) as connection:
        owner = make_url(empty_database_url).username
        connection.execute(text("DROP SCHEMA public"))
        connection.execute(text(f"CREATE SCHEMA public AUTHORIZATION {owner}"))
        connection.execute(text(f"CREATE SCHEMA jobs AUTHORIZATION {owner}"))
    ran = subprocess.run(
        [tool.path, "--no-owner", "--no-privileges", f"--role={owner}", "--exit-on-error", "--schema=public",
         f"--dbname={address}", dump],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    with begun(make_url(empty_database_url)) as connection:
        connection.execute(text("SET LOCAL search_path TO jobs"))
        connection.exec_driver_sql(QUEUE.read_text(encoding="utf-8").replace("%", "%%"))
    with open_archive(ArchiveSettings(database_url=empty_database_url)) as engine, engine.connect() as after:
        context = MigrationContext.configure(after, opts={"compare_type": True, "include_object": is_ours})
        assert compare_metadata(context, Base.metadata) == []
        assert after.scalar(text("SELECT count(*) FROM posts")) == 25
        assert after.scalar(text("SELECT sum(value) FROM derived.counters WHERE name = 'posts'")) == 25
