"""The progress of a verification, in a small file from which the same command resumes."""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from archive.domain.errors import ArchiveError
from archive.domain.messages import Message
from archive.integrity.check import FIRST_ID, BatchResult, Check, Finding, VerificationReport
from archive.system.private_files import make_private_folder, private_opener

_ARCHIVE = text(
    "SELECT format('%s/%s/%s', (SELECT system_identifier FROM pg_control_system()), oid,"
    " (SELECT version_num FROM alembic_version)) FROM pg_database WHERE datname = current_database()"
)


class ProgressNotSaved(ArchiveError):
    """The file with the progress of a verification cannot be written."""


def archive_id(connection: Connection) -> str:
    """Return what identifies this database and the version of its schema."""
    return str(connection.scalar(_ARCHIVE))


@dataclass
class Progress:
    """Up to which id each check has come, and its findings; `file` is where that is saved, if anywhere."""

    archive: str
    names: tuple[str, ...]
    file: Path | None = None
    last_ids: dict[str, int] = field(default_factory=dict)
    finished: set[str] = field(default_factory=set)
    report: VerificationReport = field(default_factory=VerificationReport)

    def last_id(self, check: Check) -> int:
        """Return the last id that a check has come to."""
        return self.last_ids.get(_key(check), FIRST_ID)

    def is_finished(self, check: Check) -> bool:
        """Return whether a check has come to the last row."""
        return _key(check) in self.finished

    def add(self, check: Check, last: int, result: BatchResult) -> None:
        """Add the result of the rows up to an id. Raises ProgressNotSaved."""
        self.report.add(check.name, result)
        self.last_ids[_key(check)] = last
        self._save()

    def finish(self, check: Check) -> None:
        """Record that a check has come to the last row. Raises ProgressNotSaved."""
        self.finished.add(_key(check))
        self._save()

    def remove_file(self) -> None:
        """Remove the file once every check has finished."""
        if self.file is not None:
            self.file.unlink(missing_ok=True)

    def _save(self) -> None:
        if self.file is None:
            return
        state = {
            "archive": self.archive,
            "names": self.names,
            "last_ids": self.last_ids,
            "finished": sorted(self.finished),
            "report": _report_state(self.report),
        }
        part = self.file.with_suffix(".part")
        try:
            make_private_folder(self.file.parent)
            with open(part, "w", encoding="utf-8", opener=private_opener) as out:
                json.dump(state, out)
            part.replace(self.file)
        except OSError as error:
            raise ProgressNotSaved(
                "archive.integrity.progress_not_saved", path=self.file, reason=error.strerror
            ) from None


def _key(check: Check) -> str:
    return f"{check.name} {check.table}"


def load_progress(archive: str, names: tuple[str, ...], file: Path | None) -> Progress:
    """Return the progress saved for this archive and these checks, or an empty one."""
    new = Progress(archive, names, file)
    if file is None:
        return new
    try:
        state: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if (state["archive"], tuple(state["names"])) != (archive, names):
            return new
        report = _restored_report(state["report"])
        return Progress(archive, names, file, state["last_ids"], set(state["finished"]), report)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return new  # missing, damaged or of an earlier version: to start from the beginning is always right


def _report_state(report: VerificationReport) -> dict[str, Any]:
    findings = [[one.check, one.table, one.id, one.message.as_json()] for one in report.findings]
    return {"checked": report.checked, "found": report.found, "notes": report.notes, "findings": findings}


def _restored_report(state: dict[str, Any]) -> VerificationReport:
    return VerificationReport(
        Counter(state["checked"]),
        Counter(state["found"]),
        [Finding(check, table, id_, Message.from_json(one)) for check, table, id_, one in state["findings"]],
        Counter(state["notes"]),
    )
