"""What a check finds: values, never exceptions."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, FromClause, SQLColumnExpression, select
from sqlalchemy.orm import Session

from archive.db.models import Run
from archive.domain.captures import Capture
from archive.domain.parsed_page import ParsedPage
from archive.repository import runs
from archive.repository.hash_chain import ChainHead
from archive.storage.media_files import MediaFolder

COUNTS = ("checked", "found", "notes")  # of a report

MAX_KEPT = 1000  # findings told one by one; an archive that has more is told how many there are


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was stored: in which row, and in a sentence what, and what to do.

    `id` is None where it is no row of a table. `subject` names the row in words.
    """

    check: str
    table: str
    id: int | None
    words: str

    @property
    def subject(self) -> str:
        """The row: posts 12."""
        return self.table if self.id is None else f"{self.table} {self.id}"

    def __str__(self) -> str:
        return f"{self.subject}: {self.words}"


@dataclass
class BatchResult:
    """What looking at some rows came to. `notes` are counts of what is worth knowing and not wrong."""

    rows: int = 0
    findings: list[Finding] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)


@dataclass
class VerificationReport:
    """What verifying came to: rows looked at by check, what was found, and the ends of the chains."""

    checked: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)
    heads: list[ChainHead] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        """Whether nothing was found."""
        return not self.found

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON values."""
        counts = {name: dict(getattr(self, name)) for name in COUNTS}
        findings = [asdict(finding) for finding in self.findings]
        return {**counts, "findings": findings, "heads": [head._asdict() for head in self.heads]}

    def add(self, check: str, found: BatchResult) -> None:
        """Take over what looking at some more rows came to."""
        self.checked[check] += found.rows
        self.notes.update(found.notes)
        self.find(found.findings)

    def find(self, findings: Iterable[Finding]) -> None:
        """Take over findings; beyond the bound they are only counted."""
        for finding in findings:
            self.found[finding.check] += 1
            if len(self.findings) < MAX_KEPT:
                self.findings.append(finding)


FIRST, LAST = -(2**63), 2**63 - 1  # ids; a flipped bit may have made any


def id_of(table: FromClause) -> ColumnElement[int]:
    """The column that names a table's rows."""
    (column,) = table.primary_key
    return column


@dataclass(frozen=True)
class CheckContext:
    """What checks need beside the database. `read` is the parser, of version `parser_version`."""

    folder: MediaFolder
    read: Callable[[Capture], ParsedPage]
    parser_version: int


@dataclass(frozen=True)
class RowRange:
    """Some rows to look at: those with ids after `after`, up to and with `last`."""

    session: Session
    means: CheckContext
    after: int = FIRST
    last: int = LAST

    def has(self, id_: SQLColumnExpression[int]) -> ColumnElement[bool]:
        """Whether a row is among them."""
        return (id_ > self.after) & (id_ <= self.last)


@dataclass(frozen=True)
class Check:
    """`name` is what people choose it by, `rows` how many are looked at at once.

    Several of one name look at several tables. One that `is_heavy` keeps a processor busy.
    """

    name: str
    table: str
    rows: int
    look: Callable[[RowRange], BatchResult]
    is_heavy: bool = False


_COMMAND = "verify"

_SOUND, _NOT_SOUND = "sound", "not_sound"


@dataclass(frozen=True, slots=True)
class Verified:
    """A time everything, or what `only` names, was verified: `found` things were not as archived.

    `at` is when it ended, in UTC; `looked` is rows by check.
    """

    at: datetime
    only: tuple[str, ...]
    looked: dict[str, int]
    found: int


def note_verified(
    session: Session, only: Sequence[str], report: VerificationReport, started_at: datetime, now: datetime
) -> None:
    """Note a verification that has ended, and what it came to."""
    run_id = runs.start_run(session, _COMMAND, {"only": list(only)}, started_at)
    verdict = _SOUND if report.is_sound else _NOT_SOUND
    runs.finish_run(session, run_id, verdict, {**report.checked, "found": report.found.total()}, now)


def last_verified(session: Session) -> Verified | None:
    """The last verification that ended; None: there was none."""
    ended = (Run.command == _COMMAND) & Run.finished_at.is_not(None)
    run = session.scalars(select(Run).where(ended).order_by(Run.id.desc()).limit(1)).first()
    if run is None or run.finished_at is None:
        return None
    looked = {name: count for name, count in run.counts.items() if name != "found"}
    return Verified(run.finished_at, tuple(run.arguments["only"]), looked, run.counts["found"])
