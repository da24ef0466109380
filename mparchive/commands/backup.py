"""`mparchive backup` and `mparchive restore`: write the whole archive to one file, and restore it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from archive.backup.backup_file import AnyManifest, Backup, BackupDamaged, opened, rows_of
from archive.backup.restore import Destination, refuse_full, restore
from archive.backup.write import size_of, write_backup
from archive.db.engine import open_archive, transaction
from archive.db.settings import ArchiveSettings
from archive.domain.messages import Message
from archive.domain.outcomes import RunStatus
from archive.integrity.check import Finding, VerificationReport, session_on
from archive.integrity.checks import ALL_CHECKS
from archive.integrity.saved_heads import SavedHeads, compare_with_heads
from archive.repository import runs
from archive.repository.runs import BACKUP
from archive.storage.media_files import MediaFolder
from archive.system import clock
from archive.system.files import make_private_folder
from mparchive.commands.verify import finding_text, read_heads, verify_with
from mparchive.console import say, steps
from mparchive.errors import CommandError, Exit

MIB = 1024 * 1024

MIB_PER_LINE = 1024  # of the progress, where there is no terminal

_COUNTED = ("posts", "captures", "files")

QUICK_CHECKS = tuple(dict.fromkeys(check.name for check in ALL_CHECKS if not check.is_heavy))


def back_up(path: Path, *, verified: bool) -> Exit:
    """Write a backup, verify the file, and with `verified` also the archive.

    A backup that was written whole is recorded as a run. Raises BackupError, BackupDamaged, CommandError.
    """
    settings, started_at = ArchiveSettings(), clock.now()
    with open_archive(settings) as engine:
        with _progress(size_of(engine)) as step:
            manifest = write_backup(engine, MediaFolder(settings), path, step)
        with transaction(engine) as session:
            _record(session, path, manifest, started_at)
        report = verify_with(engine, settings, QUICK_CHECKS) if verified else VerificationReport()
    _report_missing(manifest)
    say(Message("mparchive.backup.written", {"path": path, "summary": _summary(manifest)}))
    return _exit_code(report, manifest)


def _record(session: Session, path: Path, manifest: AnyManifest, started_at: datetime) -> None:
    run_id = runs.start_run(session, BACKUP, {"file": str(path)}, started_at)
    rows = rows_of(manifest)
    counts = {name: rows.get(name, 0) for name in _COUNTED} | {"lacking": len(manifest.lacking)}
    status = RunStatus.PARTLY_FAILED if manifest.lacking else RunStatus.DONE
    runs.finish_run(session, run_id, status, counts, clock.now())


@dataclass(frozen=True)
class RestoreOptions:
    """The options of `restore`: a file of chain heads to compare with, and what to do about findings."""

    only_check: bool = False
    head: Path | None = None
    allow_damage: bool = False


def restore_archive(path: Path, options: RestoreOptions) -> Exit:
    """Verify every byte of a backup, restore it into an empty archive, and verify that before the commit.

    Raises BackupError, BackupDamaged, NotEmpty, CommandError.
    """
    if options.only_check and (options.head or options.allow_damage):
        raise CommandError(Message("mparchive.backup.check_loads_nothing"))
    heads = read_heads(options.head) if options.head else SavedHeads(())
    with opened(path) as backup:
        if not options.only_check:
            return _restore(backup, ArchiveSettings(), heads, allow_damage=options.allow_damage)
        _check(backup)
    say(Message("mparchive.backup.is_whole", {"path": path, "summary": _summary(backup.manifest)}))
    return Exit.DONE


def _restore(backup: Backup, settings: ArchiveSettings, heads: SavedHeads, *, allow_damage: bool) -> Exit:
    manifest, folder = backup.manifest, MediaFolder(settings)
    damaged = False
    with open_archive(settings) as engine, ExitStack() as progress:
        refuse_full(engine, folder, manifest)
        _check(backup)
        make_private_folder(settings.home)
        step = progress.enter_context(_progress(_size(manifest)))

        def verify(connection: Connection) -> None:
            nonlocal damaged
            progress.close()
            damaged = _verify_restored(connection, backup, settings, heads, allow_damage=allow_damage)

        restore(Destination(engine, folder, settings.home), backup, verify, step)
    _report_missing(manifest)
    say(Message("mparchive.backup.restored", {"summary": _summary(manifest)}))
    if damaged:
        say(Message("mparchive.backup.restored_with_damage"))
        return Exit.INTEGRITY
    return Exit.PARTLY_FAILED if manifest.lacking else Exit.DONE


def _verify_restored(
    connection: Connection,
    backup: Backup,
    settings: ArchiveSettings,
    heads: SavedHeads,
    *,
    allow_damage: bool,
) -> bool:
    """Verify what was loaded, print the findings, and return whether there are any.

    Raises BackupDamaged for rows that do not pass, unless `allow_damage`; always where a chain does not
    pass through one of the heads.
    """
    with session_on(connection) as session:
        avoided = compare_with_heads(session, heads)
    _print_findings(avoided)
    if avoided:
        raise BackupDamaged("archive.backup.avoids_head", path=str(backup.path))
    report = verify_with(connection, settings, ())
    listed = _listed_as_missing(report.findings, backup.manifest)
    _print_findings([finding for finding in report.findings if finding not in listed])
    is_damaged = report.found.total() > len(listed)  # some findings may only be counted
    if is_damaged and not allow_damage:
        raise BackupDamaged("archive.backup.not_verified", path=str(backup.path))
    return is_damaged


def _print_findings(findings: Sequence[Finding]) -> None:
    for finding in findings:
        say(finding_text(finding))


def _listed_as_missing(findings: Sequence[Finding], manifest: AnyManifest) -> list[Finding]:
    """Return the findings about media files that the manifest says the backup lacks."""
    paths = {Message.load(reason).params.get("path") for reason in manifest.lacking}
    missing = (one for one in findings if one.message.code == "archive.integrity.file_missing")
    return [finding for finding in missing if finding.message.params["path"] in paths]


def _check(backup: Backup) -> None:
    with _progress(_size(backup.manifest)) as step:
        backup.check(step)


def _size(manifest: AnyManifest) -> int:
    return sum(member.size for member in manifest.members)


@contextmanager
def _progress(size: int) -> Iterator[Callable[[str, int], None]]:
    """Show how many MiB are done."""
    with steps(max(1, size // MIB), every=MIB_PER_LINE) as shown:
        last = 0

        def step(name: str, done: int) -> None:
            nonlocal last
            if done // MIB != last:
                last = done // MIB
                shown.step(f"MiB {name}", last)

        yield step


def _summary(manifest: AnyManifest) -> Message:
    rows = rows_of(manifest)
    counts = {name: rows.get(name, 0) for name in _COUNTED}
    made_at = f"{manifest.made_at:%Y-%m-%d %H:%M} UTC"
    return Message("mparchive.backup.summary", {**counts, "made_at": made_at, "bytes": _size(manifest)})


def _report_missing(manifest: AnyManifest) -> None:
    for reason in manifest.lacking:
        say(Message("mparchive.backup.missing", {"reason": Message.load(reason)}))


def _exit_code(report: VerificationReport, manifest: AnyManifest) -> Exit:
    _print_findings(report.findings)
    if not report.is_sound:
        say(Message("mparchive.backup.damaged"))
        return Exit.INTEGRITY
    return Exit.PARTLY_FAILED if manifest.lacking else Exit.DONE
