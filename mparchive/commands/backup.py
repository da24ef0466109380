"""`mparchive backup` and `mparchive restore`: the whole archive in one file, and back again."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from archive.backup.backup_file import AnyManifest, Backup, opened, rows_of
from archive.backup.restore import refuse_full, restore
from archive.backup.write import size_of, write_backup
from archive.db.engine import open_archive
from archive.db.settings import ArchiveSettings
from archive.integrity.check import VerificationReport
from archive.integrity.checks import ALL_CHECKS
from archive.storage.media_files import MediaFolder
from archive.system.private_files import make_private_folder
from mparchive.commands.verify import verify_with
from mparchive.console import say, steps
from mparchive.errors import Exit

MIB = 1024 * 1024

LINE = 1024  # MiB a line of progress, where there is no terminal

QUICK = tuple(dict.fromkeys(check.name for check in ALL_CHECKS if not check.is_heavy))


def back_up(path: Path, *, verified: bool) -> Exit:
    """Write the backup, check what was written, and, unless told otherwise, that the archive is sound."""
    settings = ArchiveSettings()
    with open_archive(settings) as engine:
        with _progress(size_of(engine)) as step:
            manifest = write_backup(engine, MediaFolder(settings), path, step)
        report = verify_with(engine, settings, QUICK) if verified else VerificationReport()
    _say_lacking(manifest)
    say(f"{path}: {_summary(manifest)}; read again and found whole")
    return _exit(report, manifest)


def restore_archive(path: Path, *, only_check: bool) -> Exit:
    """Check every byte of a backup, and restore it into an empty place; then verify the archive."""
    with opened(path) as backup:
        if not only_check:
            return _restored(backup, ArchiveSettings())
        _check(backup)
    say(f"{path} is whole: {_summary(backup.manifest)}")
    return Exit.DONE


def _restored(backup: Backup, settings: ArchiveSettings) -> Exit:
    manifest, folder = backup.manifest, MediaFolder(settings)
    with open_archive(settings) as engine:
        refuse_full(engine, folder, manifest)
        _check(backup)
        make_private_folder(settings.home)
        with _progress(_size(manifest)) as step:
            restore(engine, folder, backup, settings.home, step)
        report = verify_with(engine, settings, ())
    _say_lacking(manifest)
    say(f"restored {_summary(manifest)}")
    return _exit(report, manifest)


def _check(backup: Backup) -> None:
    with _progress(_size(backup.manifest)) as step:
        backup.check(step)


def _size(manifest: AnyManifest) -> int:
    return sum(member.size for member in manifest.members)


@contextmanager
def _progress(size: int) -> Iterator[Callable[[str, int], None]]:
    """Shows how many MiB are done."""
    with steps(max(1, size // MIB), every=LINE) as shown:
        last = 0

        def step(name: str, done: int) -> None:
            nonlocal last
            if done // MIB != last:
                last = done // MIB
                shown.step(f"MiB {name}", last)

        yield step


def _summary(manifest: AnyManifest) -> str:
    rows = rows_of(manifest)
    counts = f"{rows.get('posts', 0)} posts, {rows.get('captures', 0)} captures, {rows.get('files', 0)} files"
    return f"{counts}, of {manifest.made_at:%Y-%m-%d %H:%M} UTC, {_size(manifest)} bytes"


def _say_lacking(manifest: AnyManifest) -> None:
    for sentence in manifest.lacking:
        say(f"not in the backup: {sentence}")


def _exit(report: VerificationReport, manifest: AnyManifest) -> Exit:
    for finding in report.findings:
        say(str(finding))
    if not report.is_sound:
        say(
            "the archive is damaged; what of it could be read is in the backup, `mparchive verify` tells more"
        )
        return Exit.INTEGRITY
    return Exit.PARTLY_FAILED if manifest.lacking else Exit.DONE
