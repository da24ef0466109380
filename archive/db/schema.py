"""Bring the database's schema up to date with Alembic, which is loaded only when something is to be done.

Partitions of captures are made here too: one for each month (UTC) of recording, before the month begins. The
id of a capture has its month (see Capture). Where the month has no partition, the database gives ids
without one, so that a capture is stored in any case: with those from before there were months.
"""

import logging
import re
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from archive.db.queue_schema import is_queue_current, upgrade_queue
from archive.db.roles import grant_reader
from archive.domain.errors import DatabaseUnavailable, first_line

if TYPE_CHECKING:
    from alembic.config import Config

_MIGRATION_LOCK = 4_170_205_811  # any number; the process that migrates holds it

_MIGRATIONS = resources.files("archive.db") / "migrations"

_STOPPED = ("57", "08")  # classes of SQLSTATE: somebody stopped it, or there is no connection

_NAME = re.compile(r"v(\d+)_\w+\.py")  # of a migration's file; the number is its revision

MONTHS_AHEAD = 3  # an archive that nobody has opened for so long has the next month at its first crawl

_MISSING = text("""
SELECT month FROM generate_series(0, :ahead) n,
  LATERAL (SELECT to_char(timezone('UTC', now()) + make_interval(months => n), 'YYYYMM')::integer AS month) m
WHERE to_regclass('partitions.captures_' || month) IS NULL
  AND NOT current_setting('transaction_read_only')::boolean
ORDER BY month
""")

# What attaching a partition locks: both sides of each foreign key.
_LOCKED = text("""
SELECT DISTINCT one::regclass::text FROM pg_constraint c, unnest(ARRAY[conrelid, confrelid]) one
WHERE contype = 'f' AND conparentid = 0 AND 'captures'::regclass IN (conrelid, confrelid)
""")

_MONTHS = text("""
SELECT substring(c.relname FROM '^captures_([0-9]{6})$')::integer AS month
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = to_regclass('captures') AND c.relname ~ '^captures_[0-9]{6}$' ORDER BY month
""")

_ADD = text("SELECT partitions.add_capture_month(:month)")

logger = logging.getLogger("archive")


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
    make_capture_months(engine)


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


def make_capture_months(engine: Engine) -> None:
    """Make the partitions of the next months where they are missing, and then gather statistics of all.

    Autovacuum gathers those of each partition, but none of the table as a whole.
    """
    with engine.begin() as connection:
        is_made = ensure_capture_months(connection)
    if is_made:
        with engine.begin() as connection:
            connection.execute(text("ANALYZE captures"))


def ensure_capture_months(connection: Connection) -> bool:
    """Make the partitions of this month and of MONTHS_AHEAD more; return whether any were made.

    It waits for nobody, so that it never stops a crawl: while another transaction writes nothing is made, and
    the next process that opens the archive tries again. That, and what else hinders it, is logged once the
    present month is concerned, or the cause is another one.
    """
    parameters = {"ahead": MONTHS_AHEAD}
    missing = connection.scalars(_MISSING, parameters).all()
    if not missing:
        return False
    try:
        with connection.begin_nested():
            tables = ", ".join(connection.scalars(_LOCKED))
            connection.execute(text(f"LOCK TABLE {tables} IN SHARE ROW EXCLUSIVE MODE NOWAIT"))
            # Another process may have made them while this one began.
            add_capture_months(connection, connection.scalars(_MISSING, parameters).all())
    except DBAPIError as error:
        is_busy = getattr(error.orig, "sqlstate", None) == "55P03"  # lock_not_available
        fields = {"action": "months_not_made", "months": missing, "reason": first_line(error)}
        is_serious = not is_busy or len(missing) > MONTHS_AHEAD
        logger.log(logging.WARNING if is_serious else logging.DEBUG, "no partition made", extra=fields)
        return False
    return True


def capture_months(connection: Connection) -> Sequence[int]:
    """Return the months that have a partition, as yyyymm; none where captures have no partitions."""
    return connection.scalars(_MONTHS).all()


def add_capture_months(connection: Connection, months: Sequence[int]) -> None:
    """Make the partitions of these months, given as yyyymm; others must not write meanwhile."""
    for month in months:
        connection.execute(_ADD, {"month": month})
