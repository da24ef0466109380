"""What a check is, what it reports, and which verification was the last."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Engine, FromClause, SQLColumnExpression, func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from archive.db.models import SERIALS, Base, Capture, Run
from archive.db.schema import capture_months
from archive.domain.captures import CaptureData
from archive.domain.errors import first_line
from archive.domain.messages import Message
from archive.domain.outcomes import RunStatus
from archive.domain.parsed_page import ParsedPage
from archive.repository import runs
from archive.repository.hash_chain import ChainHead
from archive.repository.runs import RunArguments
from archive.storage.media_files import MediaFolder

MAX_FINDINGS = 1000  # findings that a report holds in full; further ones are only counted

FIRST_ID, LAST_ID = -(2**63), 2**63 - 1  # a flipped bit may have made any number of an id


@dataclass(frozen=True, slots=True)
class Finding:
    """A row that is not as it was stored; `id` is None where the finding is about a whole table."""

    check: str
    table: str
    id: int | None
    message: Message

    @property
    def subject(self) -> str:
        """Return the table and the id, such as `posts 12`."""
        return self.table if self.id is None else f"{self.table} {self.id}"

    def __str__(self) -> str:
        return f"{self.subject}: {self.message}"

    def as_dict(self) -> dict[str, Any]:
        """Return the finding as `verify --json` prints it, in English."""
        return {
            "check": self.check,
            "table": self.table,
            "id": self.id,
            "words": str(self.message),
            "code": self.message.code,
        }


@dataclass
class BatchResult:
    """The result of checking some rows.

    `notes` counts, by message code, what is worth knowing and not wrong.
    """

    rows: int = 0
    findings: list[Finding] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)


@dataclass
class VerificationReport:
    """The result of a verification.

    `checked` counts rows by check, `found` findings by check, `notes` remarks by message code. `heads` are
    the last entries of the hash chains.
    """

    checked: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)
    heads: list[ChainHead] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        """Return whether nothing was found."""
        return not self.found

    def as_dict(self) -> dict[str, Any]:
        """Return the report as `verify --json` prints it, in English."""
        return {
            "checked": dict(self.checked),
            "found": dict(self.found),
            "notes": {str(Message(code)): count for code, count in self.notes.items()},
            "findings": [finding.as_dict() for finding in self.findings],
            "heads": [head._asdict() for head in self.heads],
        }

    def add(self, check: str, result: BatchResult) -> None:
        """Add the result of checking some more rows."""
        self.checked[check] += result.rows
        self.notes.update(result.notes)
        self.add_findings(result.findings)

    def add_findings(self, findings: Iterable[Finding]) -> None:
        """Add findings; those beyond MAX_FINDINGS are only counted."""
        for finding in findings:
            self.found[finding.check] += 1
            if len(self.findings) < MAX_FINDINGS:
                self.findings.append(finding)


@dataclass(frozen=True)
class CheckContext:
    """What checks need besides the database; `parse` is the parser, of version `parser_version`."""

    folder: MediaFolder
    parse: Callable[[CaptureData], ParsedPage]
    parser_version: int


@dataclass(frozen=True)
class RowRange:
    """The rows to check: those with an id above `after` and at most `last`."""

    session: Session
    context: CheckContext
    after: int = FIRST_ID
    last: int = LAST_ID

    def contains(self, id_: SQLColumnExpression[int]) -> ColumnElement[bool]:
        """Return the SQL condition that a row is in the range."""
        return (id_ > self.after) & (id_ <= self.last)


@dataclass(frozen=True)
class Check:
    """One check of one table; `name` is what `verify --only` takes, and several checks may share it.

    `run` checks `batch_size` rows at once. A check that `is_heavy` keeps a processor busy.
    """

    name: str
    table: str
    batch_size: int
    run: Callable[[RowRange], BatchResult]
    is_heavy: bool = False


def id_column(table: FromClause) -> ColumnElement[int]:
    """Return the primary key of a table, which has one column."""
    (column,) = table.primary_key
    return column


@dataclass(frozen=True, slots=True)
class PastVerification:
    """A verification that has ended.

    `at` is when it ended (UTC), `only` the checks it was limited to (empty: all), `checked` counts rows by
    check, `found` is the number of findings.
    """

    at: datetime
    only: tuple[str, ...]
    checked: dict[str, int]
    found: int


def note_verified(
    session: Session, only: Sequence[str], report: VerificationReport, started_at: datetime, now: datetime
) -> None:
    """Record a verification that has ended, and its result, as a run. Instants are UTC."""
    run_id = runs.start_run(session, runs.VERIFY, {"only": list(only)}, started_at)
    status = RunStatus.SOUND if report.is_sound else RunStatus.NOT_SOUND
    runs.finish_run(session, run_id, status, {**report.checked, "found": report.found.total()}, now)


def last_verified(session: Session) -> PastVerification | None:
    """Return the last verification that ended, or None where there was none."""
    ended = (Run.command == runs.VERIFY) & Run.finished_at.is_not(None)
    run = session.scalars(select(Run).where(ended).order_by(Run.id.desc()).limit(1)).first()
    if run is None or run.finished_at is None:
        return None
    checked = {name: count for name, count in run.counts.items() if name != "found"}
    return PastVerification(
        run.finished_at, RunArguments.model_validate(run.arguments).only, checked, run.counts["found"]
    )


T = TypeVar("T")

# Checks of a connection see what its open transaction has written, and write nothing themselves.
Database = Engine | Connection

# SQLSTATE classes for damaged pages, rows, indexes, files and characters; any other error is no finding.
_DAMAGE = ("XX", "22", "58")

_LAST_SEQUENCE_VALUE = text("SELECT last_value FROM pg_sequences WHERE sequencename = :name")


def session_on(database: Database) -> Session:
    """Return a session; on a connection it has a savepoint, so that an error spares the transaction."""
    return Session(database, join_transaction_mode="create_savepoint")


def last_id_of_batch(database: Database, check: Check, after: int) -> int | None:
    """Return the last id of the next batch above an id, or None when there are no more rows."""
    id_ = id_column(Base.metadata.tables[check.table])
    rows = select(id_).where(id_ > after).order_by(id_).limit(check.batch_size).subquery()

    def query(session: Session) -> int | None:
        last: int | None = session.scalar(select(func.max(rows.c[0])))
        return last

    return read_or_else(database, query, lambda: _last_id_by_sequence(database, check, max(after, 0)))


def _last_id_by_sequence(database: Database, check: Check, after: int) -> int | None:
    highest = _last_sequence_value(database, check)
    for base in _id_bases(database, check):
        if after < base + highest:
            return min(max(after, base) + check.batch_size, base + highest)
    return None


def _id_bases(database: Database, check: Check) -> list[int]:
    """Return what the numbers of the sequence are added to: nothing, and for captures each month as well."""
    if check.table != Capture.__tablename__:
        return [0]
    with session_on(database) as session:
        return [0, *(month * SERIALS for month in capture_months(session.connection()))]


def count_rows(database: Database, check: Check) -> int:
    """Return the number of rows of a check's table, or the last id given where they cannot be counted."""
    rows = select(func.count()).select_from(Base.metadata.tables[check.table])
    return read_or_else(
        database, lambda session: session.scalar(rows) or 0, lambda: _last_sequence_value(database, check)
    )


def _last_sequence_value(database: Database, check: Check) -> int:
    with session_on(database) as session:
        return session.scalar(_LAST_SEQUENCE_VALUE, {"name": f"{check.table}_id_seq"}) or 0


def read_or_else(database: Database, query: Callable[[Session], T], otherwise: Callable[[], T]) -> T:
    """Return what `query` reads, or `otherwise()` where the data is damaged. Raises DBAPIError."""
    try:
        with session_on(database) as session:
            return query(session)
    except DBAPIError as error:
        _damage_reason(error)
    return otherwise()


def check_rows(database: Database, check: Check, context: CheckContext, after: int, last: int) -> BatchResult:
    """Check the rows with ids above `after` and at most `last`; an unreadable row is a finding.

    Raises DBAPIError where something other than the data is wrong.
    """
    try:
        return _check_in_snapshot(database, check, context, after, last)
    except DBAPIError as error:
        reason = _damage_reason(error)
    if last - after == 1:
        message = Message("archive.integrity.row_unreadable", {"reason": reason})
        return BatchResult(1, [Finding(check.name, check.table, last, message)])
    middle = (after + last) // 2
    lower = check_rows(database, check, context, after, middle)
    upper = check_rows(database, check, context, middle, last)
    return BatchResult(lower.rows + upper.rows, lower.findings + upper.findings, lower.notes + upper.notes)


def _check_in_snapshot(
    database: Database, check: Check, context: CheckContext, after: int, last: int
) -> BatchResult:
    """Let all statements of the check see the same rows, whoever writes meanwhile."""
    if isinstance(database, Engine):
        database = database.execution_options(isolation_level="REPEATABLE READ")
    with session_on(database) as session:
        return check.run(RowRange(session, context, after, last))


def _damage_reason(error: DBAPIError) -> str:
    """Return what the database says of damaged data; raise the error again when it is another one."""
    state = getattr(error.orig, "sqlstate", None) or ""
    if not state.startswith(_DAMAGE):
        raise error
    return first_line(error)
