"""Looking at some rows: in a transaction of their own, and one by one where the database cannot read them."""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Engine, func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from archive.db.models import Base
from archive.domain.errors import first_line
from archive.integrity.check import BatchResult, Check, CheckContext, Finding, RowRange, id_of

T = TypeVar("T")

# What Postgres says of damaged pages, rows, indexes, files and characters; anything else is no finding.
_DAMAGE = ("XX", "22", "58")

UNREADABLE = "cannot be read ({reason}); restore it from a backup"

_LAST_GIVEN = text("SELECT last_value FROM pg_sequences WHERE sequencename = :name")


def next_rows(engine: Engine, check: Check, after: int) -> int | None:
    """The last id of the next rows to look at; None when there are no more."""
    id_ = id_of(Base.metadata.tables[check.table])
    rows = select(id_).where(id_ > after).order_by(id_).limit(check.rows).subquery()

    def last_of_them(session: Session) -> int | None:
        last: int | None = session.scalar(select(func.max(rows.c[0])))
        return last

    return readable(engine, last_of_them, otherwise=lambda: _next_by_number(engine, check, max(after, 0)))


def _next_by_number(engine: Engine, check: Check, after: int) -> int | None:
    """Where even the ids cannot be read: so many numbers further."""
    return after + check.rows if after < _last_given(engine, check) else None


def count(engine: Engine, check: Check) -> int:
    """How many rows there are to look at; where they cannot be counted, how many there ever were."""
    rows = select(func.count()).select_from(Base.metadata.tables[check.table])
    return readable(
        engine,
        lambda session: session.scalar(rows) or 0,
        otherwise=lambda: _last_given(engine, check),
    )


def _last_given(engine: Engine, check: Check) -> int:
    with engine.connect() as connection:
        return connection.scalar(_LAST_GIVEN, {"name": f"{check.table}_id_seq"}) or 0


def readable(engine: Engine, work: Callable[[Session], T], otherwise: Callable[[], T]) -> T:
    """What `work` reads, or what there is otherwise where the database cannot read it."""
    try:
        with Session(engine) as session:
            return work(session)
    except DBAPIError as error:
        _reason(error)
    return otherwise()


def look(engine: Engine, check: Check, means: CheckContext, after: int, last: int) -> BatchResult:
    """Look at the rows with ids after `after`, up to `last`."""
    try:
        return _look(engine, check, means, after, last)
    except DBAPIError as error:
        reason = _reason(error)
    if last - after == 1:
        return BatchResult(1, [Finding(check.name, check.table, last, UNREADABLE.format(reason=reason))])
    middle = (after + last) // 2
    found = look(engine, check, means, after, middle)
    rest = look(engine, check, means, middle, last)
    return BatchResult(found.rows + rest.rows, found.findings + rest.findings, found.notes + rest.notes)


def _look(engine: Engine, check: Check, means: CheckContext, after: int, last: int) -> BatchResult:
    """All statements see the same rows, whoever writes meanwhile."""
    same = engine.execution_options(isolation_level="REPEATABLE READ")
    with Session(same) as session:
        return check.look(RowRange(session, means, after, last))


def _reason(error: DBAPIError) -> str:
    """What the database says of a damage; raises the error again when it is none."""
    state = getattr(error.orig, "sqlstate", None) or ""
    if not state.startswith(_DAMAGE):
        raise error
    return first_line(error)
