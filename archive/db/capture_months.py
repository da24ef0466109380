"""Make the partitions of captures: one for each month (UTC) of recording, before the month begins.

The id of a capture has its month (see CaptureRow). Where the month has no partition, the database gives ids
without one, so that a capture is stored in any case: with those from before there were months.
"""

import logging
from collections.abc import Sequence

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from archive.domain.errors import first_line

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


def ensure_capture_months(connection: Connection) -> None:
    """Make the partitions of this month and of MONTHS_AHEAD more, where they are missing.

    It waits for nobody, so that it never stops a crawl: while another transaction writes nothing is made, and
    the next process that opens the archive tries again. That, and what else hinders it, is logged once the
    present month is concerned, or the cause is another one.
    """
    parameters = {"ahead": MONTHS_AHEAD}
    missing = connection.scalars(_MISSING, parameters).all()
    if not missing:
        return
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


def capture_months(connection: Connection) -> Sequence[int]:
    """Return the months that have a partition, as yyyymm; none where captures have no partitions."""
    return connection.scalars(_MONTHS).all()


def add_capture_months(connection: Connection, months: Sequence[int]) -> None:
    """Make the partitions of these months, given as yyyymm; others must not write meanwhile."""
    for month in months:
        connection.execute(_ADD, {"month": month})
