"""`mparchive backup` and `restore`: write the whole archive to a file or a place, and restore it."""

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO

from pydantic import JsonValue
from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session

from archive.backup.backup_file import (
    PIECE,
    AnyManifest,
    Backup,
    BackupDamaged,
    BackupError,
    Manifest,
    opened,
    rows_of,
)
from archive.backup.incremental import write_incremental
from archive.backup.lease import Lease
from archive.backup.object_store import ObjectStore
from archive.backup.place import claim, is_place, open_incremental, split_source
from archive.backup.restore import Destination, refuse_full, restore
from archive.backup.retention import Retention, prune
from archive.backup.write import size_of, stream_backup, write_backup
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
from archive.system.child_processes import ParentWatch
from archive.system.files import make_private_folder
from mparchive.commands.verify import finding_text, read_heads, verify_with
from mparchive.console import say, steps
from mparchive.errors import CommandError, Exit, OutputError

MIB = 1024 * 1024

MIB_PER_LINE = 1024  # of the progress, where there is no terminal

_COUNTED = ("posts", "captures", "files")

STREAM = Path("-")  # stands for standard output or input

STDIN = Path("/dev/stdin")  # what messages call it

QUICK_CHECKS = tuple(dict.fromkeys(check.name for check in ALL_CHECKS if not check.is_heavy))


def back_up(path: Path, *, verified: bool) -> Exit:
    """Write a backup to a file or a pipe, verify the file, and with `verified` also the archive.

    A backup that was written whole is recorded as a run. Raises BackupError, BackupDamaged, CommandError.
    """
    settings, started_at = ArchiveSettings(), clock.now()
    is_pipe = path == STREAM
    if is_pipe and sys.stdout.isatty():
        raise CommandError(Message("mparchive.backup.to_terminal"))
    with open_archive(settings) as engine:
        with _progress(size_of(engine)) as step:
            if is_pipe:
                manifest = _to_stdout(engine, MediaFolder(settings), step)
            else:
                manifest = write_backup(engine, MediaFolder(settings), path, step)
        with transaction(engine) as session:
            _record(session, {"file": str(path)}, manifest, started_at)
        report = verify_with(engine, settings, QUICK_CHECKS) if verified else VerificationReport()
    _report_missing(manifest)
    code = "mparchive.backup.piped" if is_pipe else "mparchive.backup.written"
    say(Message(code, {"path": path, "summary": _summary(manifest)}))
    return _exit_code(report, manifest)


def _to_stdout(engine: Engine, folder: MediaFolder, step: Callable[[str, int], None]) -> Manifest:
    """Write a backup to standard output, which nothing else is printed on.

    Raises CommandError when whatever reads it stops doing so: it is not a backup then.
    """
    try:
        with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as out:
            return stream_backup(engine, folder, out, step)
    except BrokenPipeError:
        raise CommandError(Message("mparchive.backup.pipe_closed")) from None
    except OSError as error:
        raise OutputError(error) from None


def back_up_to(address: str, *, keep: str | None, verified: bool) -> Exit:
    """Send a backup to a place, and with `verified` also verify the archive; recorded as a run.

    With `keep` older backups are removed, unless one of them may have what the archive lacks. Raises
    BackupError, BackupDamaged, CommandError.
    """
    ParentWatch.from_environment(partial(os.kill, os.getpid(), signal.SIGKILL))
    retention = Retention.parse(keep) if keep is not None else None
    settings, started_at, store = ArchiveSettings(), clock.now(), ObjectStore(address)
    claim(store)
    with Lease(store) as lease, open_archive(settings) as engine:
        with _progress(size_of(engine)) as step:
            manifest, sent = write_incremental(engine, MediaFolder(settings), store, lease, step)
        with transaction(engine) as session:
            counts = {"sent": sent.objects, "sent_bytes": sent.size, "present": sent.kept}
            _record(session, {"to": store.shown, "backup": sent.name}, manifest, started_at, counts)
        report = verify_with(engine, settings, QUICK_CHECKS) if verified else VerificationReport()
        _report_missing(manifest)
        params = {"path": f"{store.shown}@{sent.name}", "summary": _summary(manifest)}
        say(
            Message(
                "mparchive.backup.sent", {**params, "n": sent.objects, "size": sent.size, "kept": sent.kept}
            )
        )
        ended = _exit_code(report, manifest)
        if retention:
            _prune(store, lease, retention, sent.name, is_whole=ended is Exit.DONE)
    return ended


def _prune(store: ObjectStore, lease: Lease, retention: Retention, made: str, *, is_whole: bool) -> None:
    if not is_whole:
        say(Message("mparchive.backup.not_pruned"))
        return
    removed = prune(store, lease, retention, made)
    params = {"n": removed.backups, "objects": removed.objects, "left": removed.left}
    say(Message("mparchive.backup.pruned", params))


def _record(
    session: Session,
    arguments: Mapping[str, JsonValue],
    manifest: AnyManifest,
    started_at: datetime,
    sent: Mapping[str, int] | None = None,
) -> None:
    run_id = runs.start_run(session, BACKUP, arguments, started_at)
    rows = rows_of(manifest)
    counts = {name: rows.get(name, 0) for name in _COUNTED} | {"lacking": len(manifest.lacking)}
    status = RunStatus.PARTLY_FAILED if manifest.lacking else RunStatus.DONE
    runs.finish_run(session, run_id, status, {**counts, **(sent or {})}, clock.now())


@dataclass(frozen=True)
class RestoreOptions:
    """The options of `restore`: a file of chain heads to compare with, and what to do about findings.

    `only_check` reads every byte; `only_verify` restores into a database that is removed afterwards.
    """

    only_check: bool = False
    head: Path | None = None
    allow_damage: bool = False
    only_verify: bool = False


def restore_archive(source: str, options: RestoreOptions) -> Exit:
    """Verify every byte of a backup, restore it into an empty archive, and verify that before the commit.

    `source` is a file, `-` for standard input, or a place with or without the name of a backup. Raises
    BackupError, BackupDamaged, NotEmpty, CommandError.
    """
    if options.only_check and (options.head or options.allow_damage or options.only_verify):
        raise CommandError(Message("mparchive.backup.check_loads_nothing"))
    if options.only_verify and options.allow_damage:
        raise CommandError(Message("mparchive.backup.verify_allows_nothing"))
    heads = read_heads(options.head) if options.head else SavedHeads(())
    with _source(source) as backup:
        if options.only_verify:
            return _restore_elsewhere(backup, heads)
        if not options.only_check:
            return _restore(backup, ArchiveSettings(), heads, allow_damage=options.allow_damage)
        _check(backup)
    say(Message("mparchive.backup.is_whole", {"path": backup.path, "summary": _summary(backup.manifest)}))
    return Exit.DONE


@contextmanager
def _source(source: str) -> Iterator[Backup]:
    """Open what is to be restored: a file, standard input, or a backup of a place."""
    if source == str(STREAM):
        with _spooled() as stream, opened(STDIN, stream) as backup:
            yield backup
    elif not Path(source).is_file() and is_place(source):
        address, name = split_source(source)
        yield open_incremental(ObjectStore(address), name)
    else:
        with opened(Path(source)) as backup:
            yield backup


@contextmanager
def _spooled() -> Iterator[BinaryIO]:
    """Copy standard input to a file without a name: the directory of a zip is at its end."""
    if sys.stdin.isatty():
        raise CommandError(Message("mparchive.backup.from_terminal"))
    room = ArchiveSettings().home
    try:
        make_private_folder(room)
        with tempfile.TemporaryFile(dir=room) as stream:
            with os.fdopen(os.dup(sys.stdin.fileno()), "rb") as incoming:
                shutil.copyfileobj(incoming, stream, PIECE)
            stream.seek(0)
            yield stream
    except OSError as error:
        raise BackupError("archive.backup.not_spooled", folder=str(room), reason=error.strerror) from None


def _restore_elsewhere(backup: Backup, heads: SavedHeads) -> Exit:
    """Restore a backup into an embedded server in a temporary folder, verify it, and remove it again."""
    with tempfile.TemporaryDirectory(prefix="mparchive-verify-") as folder:
        settings = ArchiveSettings(home=Path(folder) / "home", database_url=None, media=None)
        ended = _restore(backup, settings, heads, allow_damage=False)
    say(Message("mparchive.backup.verified", {"path": backup.path}))
    return ended


def _restore(backup: Backup, settings: ArchiveSettings, heads: SavedHeads, *, allow_damage: bool) -> Exit:
    manifest, folder = backup.manifest, MediaFolder(settings)
    damaged = False
    with open_archive(settings) as engine, ExitStack() as progress:
        refuse_full(engine, folder, manifest)
        if not backup.checks_while_reading:
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
