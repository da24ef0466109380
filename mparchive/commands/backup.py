"""`mparchive backup` and `mparchive restore`: write the whole archive to one file, and restore it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from archive.backup.backup_file import AnyManifest, Backup, opened, rows_of
from archive.backup.restore import refuse_full, restore
from archive.backup.write import size_of, write_backup
from archive.db.engine import open_archive
from archive.db.settings import ArchiveSettings
from archive.domain.messages import Message
from archive.integrity.check import VerificationReport
from archive.integrity.checks import ALL_CHECKS
from archive.storage.media_files import MediaFolder
from archive.system.files import make_private_folder
from mparchive.commands.verify import finding_text, verify_with
from mparchive.console import say, steps
from mparchive.errors import Exit

MIB = 1024 * 1024

MIB_PER_LINE = 1024  # of the progress, where there is no terminal

QUICK_CHECKS = tuple(dict.fromkeys(check.name for check in ALL_CHECKS if not check.is_heavy))


def back_up(path: Path, *, verified: bool) -> Exit:
    """Write a backup, verify the file, and with `verified` also the archive.

    Raises BackupError, BackupDamaged, CommandError.
    """
    settings = ArchiveSettings()
    with open_archive(settings) as engine:
        with _progress(size_of(engine)) as step:
            manifest = write_backup(engine, MediaFolder(settings), path, step)
        report = verify_with(engine, settings, QUICK_CHECKS) if verified else VerificationReport()
    _report_missing(manifest)
    say(Message("mparchive.backup.written", {"path": path, "summary": _summary(manifest)}))
    return _exit_code(report, manifest)


def restore_archive(path: Path, *, only_check: bool) -> Exit:
    """Verify every byte of a backup, restore it into an empty archive, and verify that.

    Raises BackupError, BackupDamaged, NotEmpty, CommandError.
    """
    with opened(path) as backup:
        if not only_check:
            return _restore(backup, ArchiveSettings())
        _check(backup)
    say(Message("mparchive.backup.is_whole", {"path": path, "summary": _summary(backup.manifest)}))
    return Exit.DONE


def _restore(backup: Backup, settings: ArchiveSettings) -> Exit:
    manifest, folder = backup.manifest, MediaFolder(settings)
    with open_archive(settings) as engine:
        refuse_full(engine, folder, manifest)
        _check(backup)
        make_private_folder(settings.home)
        with _progress(_size(manifest)) as step:
            restore(engine, folder, backup, settings.home, step)
        report = verify_with(engine, settings, ())
    _report_missing(manifest)
    say(Message("mparchive.backup.restored", {"summary": _summary(manifest)}))
    return _exit_code(report, manifest)


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
    counts = {name: rows.get(name, 0) for name in ("posts", "captures", "files")}
    made_at = f"{manifest.made_at:%Y-%m-%d %H:%M} UTC"
    return Message("mparchive.backup.summary", {**counts, "made_at": made_at, "bytes": _size(manifest)})


def _report_missing(manifest: AnyManifest) -> None:
    for reason in manifest.lacking:
        say(Message("mparchive.backup.missing", {"reason": Message.load(reason)}))


def _exit_code(report: VerificationReport, manifest: AnyManifest) -> Exit:
    for finding in report.findings:
        say(finding_text(finding))
    if not report.is_sound:
        say(Message("mparchive.backup.damaged"))
        return Exit.INTEGRITY
    return Exit.PARTLY_FAILED if manifest.lacking else Exit.DONE
