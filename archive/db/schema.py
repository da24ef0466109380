"""Bring the database's schema up to date with Alembic, which is loaded only when something is to be done."""

import re
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from archive.db.capture_months import ensure_capture_months
from archive.db.queue_schema import is_queue_current, upgrade_queue
from archive.db.roles import grant_reader
from archive.domain.errors import DatabaseUnavailable, first_line

if TYPE_CHECKING:
    from alembic.config import Config

_MIGRATION_LOCK = 4_170_205_811  # any number; the process that migrates holds it

_MIGRATIONS = resources.files("archive.db") / "migrations"

_STOPPED = ("57", "08")  # classes of SQLSTATE: somebody stopped it, or there is no connection

_NAME = re.compile(r"v(\d+)_\w+\.py")  # of a migration's file; the number is its revision


def upgrade(engine: Engine) -> None:
    """Migrate to the newest revision, the queue to the installed procrastinate, and grant what readers lack.

    Partitions for the captures of the next months are made as well.

    Of several processes that start at once one does it, the others wait.
    Raises DatabaseUnavailable for a database of a newer mparchive, and where a migration fails (on a full
    disk, for example), which then has changed nothing; DBAPIError when the database cannot be reached.
    """
    with engine.begin() as connection:
        if revision(connection) != newest_revision():
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
            _migrate(connection)
        if not is_queue_current(connection):
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
            upgrade_queue(connection)
        grant_reader(connection)
        ensure_capture_months(connection)


def migrate(connection: Connection, wanted: str) -> None:
    """Migrate an empty archive to a revision, up or down; `head` is the newest."""
    from alembic import command  # noqa: PLC0415 - a quarter second, not needed at most starts

    has, target = revision(connection) or "", newest_revision() if wanted == "head" else wanted
    if has < target:
        command.upgrade(alembic_config(connection), target)
    elif has > target:
        command.downgrade(alembic_config(connection), target)
    if target == newest_revision():
        upgrade_queue(connection)
        grant_reader(connection)


def revision(connection: Connection) -> str | None:
    """Return the revision of the database; None for an empty one."""
    if connection.scalar(text("SELECT to_regclass('alembic_version')")) is None:
        return None
    version: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return version


def newest_revision() -> str:
    """Return the last migration's revision."""
    return max(revisions())


@cache
def revisions() -> frozenset[str]:
    """Return all revisions, read from the names of the files: asking Alembic takes a quarter second."""
    names = (file.name for file in (_MIGRATIONS / "versions").iterdir())
    return frozenset(found[1] for found in map(_NAME.fullmatch, names) if found)


def _migrate(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415 - a quarter second, not needed at most starts
    from alembic.util import CommandError  # noqa: PLC0415

    try:
        command.upgrade(alembic_config(connection), "head")
    except CommandError as error:
        raise DatabaseUnavailable("archive.database.newer", reason=str(error)) from None
    except DBAPIError as error:
        state = getattr(error.orig, "sqlstate", None)
        if state is None or state.startswith(_STOPPED):
            raise
        raise DatabaseUnavailable("archive.database.upgrade_failed", reason=first_line(error)) from None


def alembic_config(connection: Connection) -> "Config":
    """Return Alembic's configuration for this connection; the migrations are in the package."""
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    return config
