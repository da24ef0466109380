"""How far verifying has come, in a small file: the same command goes on there."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from archive.domain.errors import ArchiveError
from archive.integrity.check import COUNTS, FIRST, BatchResult, Check, Finding, VerificationReport
from archive.system.private_files import make_private_folder, private_opener

_ARCHIVE = text(
    "SELECT format('%s/%s/%s', (SELECT system_identifier FROM pg_control_system()), oid,"
    " (SELECT version_num FROM alembic_version)) FROM pg_database WHERE datname = current_database()"
)


class ProgressLost(ArchiveError):
    """The file of the progress cannot be written."""


def archive_id(connection: Connection) -> str:
    """Which database this is, in which version of the schema: another one's progress is none of it."""
    return str(connection.scalar(_ARCHIVE))


@dataclass
class Progress:
    """Up to which id each check has looked, and what it found. `place` is its file, if it has one."""

    archive: str
    names: tuple[str, ...]
    place: Path | None = None
    upto: dict[str, int] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    report: VerificationReport = field(default_factory=VerificationReport)

    def after(self, check: Check) -> int:
        """The last id a check has looked at."""
        return self.upto.get(_key(check), FIRST)

    def is_done(self, check: Check) -> bool:
        """Whether a check has looked at all rows."""
        return _key(check) in self.done

    def rows(self) -> int:
        """How many rows were looked at."""
        return sum(self.report.checked.values())

    def note(self, check: Check, last: int, found: BatchResult) -> None:
        """Take over what some rows came to."""
        self.report.add(check.name, found)
        self.upto[_key(check)] = last
        self._write()

    def finish(self, check: Check) -> None:
        """Note that a check has looked at all rows."""
        self.done.add(_key(check))
        self._write()

    def forget(self) -> None:
        """Remove the file: all was looked at."""
        if self.place is not None:
            self.place.unlink(missing_ok=True)

    def _write(self) -> None:
        if self.place is None:
            return
        state = {"archive": self.archive, "names": self.names, "upto": self.upto, "done": sorted(self.done)}
        part = self.place.with_suffix(".part")
        try:
            make_private_folder(self.place.parent)
            with open(part, "w", encoding="utf-8", opener=private_opener) as file:
                json.dump({**state, "report": self.report.as_dict()}, file)
            part.replace(self.place)
        except OSError as error:
            raise ProgressLost(
                f"how far verifying has come cannot be written to {self.place} ({error.strerror});"
                " make room, or set MPARCHIVE_HOME"
            ) from None


def _key(check: Check) -> str:
    return f"{check.name} {check.table}"


def resumed(archive: str, names: tuple[str, ...], place: Path | None) -> Progress:
    """The progress that is in the file, if it is of this archive and these checks; else none yet."""
    new = Progress(archive, names, place)
    if place is None:
        return new
    try:
        state: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
        if (state["archive"], tuple(state["names"])) != (archive, names):
            return new
        return Progress(archive, names, place, state["upto"], set(state["done"]), _report(state["report"]))
    except (OSError, ValueError, KeyError, TypeError):
        return new  # none, or half a one: verifying from the start is always right


def _report(state: dict[str, Any]) -> VerificationReport:
    report = VerificationReport(findings=[Finding(**finding) for finding in state["findings"]])
    for name in COUNTS:
        getattr(report, name).update(state[name])
    return report
