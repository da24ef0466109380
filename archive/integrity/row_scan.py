"""Check a range of rows in its own transaction; where the database cannot read it, row by row."""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Engine, func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from archive.db.models import Base
from archive.domain.errors import first_line
from archive.domain.messages import Message
from archive.integrity.check import BatchResult, Check, CheckContext, Finding, RowRange, id_column

T = TypeVar("T")

# SQLSTATE classes for damaged pages, rows, indexes, files and characters; any other error is no finding.
_DAMAGE = ("XX", "22", "58")

_LAST_SEQUENCE_VALUE = text("SELECT last_value FROM pg_sequences WHERE sequencename = :name")


def last_id_of_batch(engine: Engine, check: Check, after: int) -> int | None:
    """Return the last id of the next batch above an id, or None when there are no more rows."""
    id_ = id_column(Base.metadata.tables[check.table])
    rows = select(id_).where(id_ > after).order_by(id_).limit(check.batch_size).subquery()

    def query(session: Session) -> int | None:
        last: int | None = session.scalar(select(func.max(rows.c[0])))
        return last

    return read_or_else(engine, query, lambda: _last_id_by_sequence(engine, check, max(after, 0)))


def _last_id_by_sequence(engine: Engine, check: Check, after: int) -> int | None:
    highest = _last_sequence_value(engine, check)
    return min(after + check.batch_size, highest) if after < highest else None


def count_rows(engine: Engine, check: Check) -> int:
    """Return the number of rows of a check's table, or the last id given where they cannot be counted."""
    rows = select(func.count()).select_from(Base.metadata.tables[check.table])
    return read_or_else(
        engine, lambda session: session.scalar(rows) or 0, lambda: _last_sequence_value(engine, check)
    )


def _last_sequence_value(engine: Engine, check: Check) -> int:
    with engine.connect() as connection:
        return connection.scalar(_LAST_SEQUENCE_VALUE, {"name": f"{check.table}_id_seq"}) or 0


def read_or_else(engine: Engine, query: Callable[[Session], T], otherwise: Callable[[], T]) -> T:
    """Return what `query` reads, or `otherwise()` where the data is damaged. Raises DBAPIError."""
    try:
        with Session(engine) as session:
            return query(session)
    except DBAPIError as error:
        _damage_reason(error)
    return otherwise()


def check_rows(engine: Engine, check: Check, context: CheckContext, after: int, last: int) -> BatchResult:
    """Check the rows with ids above `after` and at most `last`; an unreadable row is a finding.

    Raises DBAPIError where something other than the data is wrong.
    """
    try:
        return _check_in_snapshot(engine, check, context, after, last)
    except DBAPIError as error:
        reason = _damage_reason(error)
    if last - after == 1:
        message = Message("archive.integrity.row_unreadable", {"reason": reason})
        return BatchResult(1, [Finding(check.name, check.table, last, message)])
    middle = (after + last) // 2
    lower = check_rows(engine, check, context, after, middle)
    upper = check_rows(engine, check, context, middle, last)
    return BatchResult(lower.rows + upper.rows, lower.findings + upper.findings, lower.notes + upper.notes)


def _check_in_snapshot(
    engine: Engine, check: Check, context: CheckContext, after: int, last: int
) -> BatchResult:
    """Let all statements of the check see the same rows, whoever writes meanwhile."""
    snapshot = engine.execution_options(isolation_level="REPEATABLE READ")
    with Session(snapshot) as session:
        return check.run(RowRange(session, context, after, last))


def _damage_reason(error: DBAPIError) -> str:
    """Return what the database says of damaged data; raise the error again when it is another one."""
    state = getattr(error.orig, "sqlstate", None) or ""
    if not state.startswith(_DAMAGE):
        raise error
    return first_line(error)
