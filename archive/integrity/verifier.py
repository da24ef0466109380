"""Verify an archive: run the checks over all rows, resumably."""

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from archive.domain.errors import ArchiveError
from archive.domain.messages import Message
from archive.integrity.check import (
    FIRST_ID,
    BatchResult,
    Check,
    CheckContext,
    Database,
    Finding,
    VerificationReport,
    count_rows,
    last_id_of_batch,
    read_or_else,
    session_on,
)
from archive.integrity.checks import ALL_CHECKS, CHECK_NAMES
from archive.integrity.process_pool import CheckPool
from archive.repository.hash_chain import chain_heads
from archive.system.files import make_private_folder, private_opener

_ARCHIVE = text(
    "SELECT format('%s/%s/%s', (SELECT system_identifier FROM pg_control_system()), oid,"
    " (SELECT version_num FROM alembic_version)) FROM pg_database WHERE datname = current_database()"
)


class ProgressNotSaved(ArchiveError):
    """The file with the progress of a verification cannot be written."""


def archive_id(session: Session) -> str:
    """Return what identifies this database and the version of its schema."""
    return str(session.scalar(_ARCHIVE))


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


OnProgress = Callable[[str, int, int], None]


def verify_archive(
    database: Database,
    context: CheckContext,
    *,
    only: Collection[str] = (),
    progress_file: Path | None = None,
    on_progress: OnProgress = lambda check, done, total: None,
) -> VerificationReport:
    """Run the checks with the names in `only`, or all, and return what they found.

    The progress is saved in `progress_file`, and a verification that was stopped resumes from there.
    `on_progress` receives the name of the check, the rows checked and the rows in all. Raises
    CheckProcessKilled, ProgressNotSaved, MediaFolderError, DBAPIError.
    """
    names = tuple(name for name in CHECK_NAMES if not only or name in only)
    checks = [check for check in ALL_CHECKS if check.name in names]
    with session_on(database) as session:
        progress = load_progress(archive_id(session), names, progress_file)
    counts = {check: count_rows(database, check) for check in checks}
    with CheckPool(database, context) as pool:
        for check in checks:
            if progress.is_finished(check):
                continue
            ranges = _ranges(database, check, progress.last_id(check))
            for last, result in pool.run(check, ranges, counts[check]):
                progress.add(check, last, result)
                on_progress(check.name, progress.report.checked.total(), sum(counts.values()))
            progress.finish(check)
    progress.remove_file()
    progress.report.heads = read_or_else(database, chain_heads, list)
    return progress.report


def _ranges(database: Database, check: Check, after: int) -> Iterator[tuple[int, int]]:
    while (last := last_id_of_batch(database, check, after)) is not None:
        yield after, last
        after = last
