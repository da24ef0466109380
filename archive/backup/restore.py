"""Restoring a backup into an empty archive: all of it, or nothing.

Nothing in a backup is ever executed. Our own migrations make the tables; the rows go in by COPY statements
whose names come from our own schema, as a role that may insert rows and nothing else; and all of it is one
transaction, which is committed only when the rows agree with the manifest and pass verification. Until then
no other connection sees any of them.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine, func, select, text
from sqlalchemy import Table as SqlTable
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from archive.backup.backup_file import (
    AnyManifest,
    Backup,
    BackupDamaged,
    BackupError,
    Manifest,
    MediaFile,
    NotEmpty,
    Step,
    rows_of,
)
from archive.backup.old_format import TableRows, old_tables
from archive.backup.postgres import (
    advance_sequences,
    columns_of,
    copy_in,
    first_row,
    foreign_keys_checked_after,
    lock,
    only_inserting,
    prepare,
    set_triggers,
    tables_in,
)
from archive.db import schema
from archive.db.schema import add_capture_months, capture_months
from archive.domain.errors import MediaFolderError, error_message, first_line
from archive.repository.derived import refresh
from archive.repository.hash_chain import chain_heads
from archive.storage.media_files import MediaFolder, path_of

_SUFFIX = re.compile(r"(\.[a-z0-9]{1,8})?")  # of a media file

HAS_CHAINS_FROM = "0004"  # the first schema revision whose manifests list chain heads


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a backup is restored; `room` is a folder that may hold a copy of it meanwhile."""

    engine: Engine
    folder: MediaFolder
    room: Path


# Verifies the restored archive on the connection that has loaded it; raises to refuse the backup.
Verify = Callable[[Connection], None]


def restore(
    destination: Destination, backup: Backup, verify: Verify, step: Step = lambda name, done: None
) -> None:
    """Restore a checked backup; `step` receives the progress.

    `verify` is called before the commit; whatever it raises undoes the restore. Raises NotEmpty where there
    is an archive already, BackupError where this backup cannot be restored here, BackupDamaged. Whatever
    fails, the archive is empty again. After a kill only media files may be left, and
    the next restore of the same backup uses them.
    """
    _refuse_unknown(backup.manifest)
    folder = destination.folder
    present = refuse_full(destination.engine, folder, backup.manifest)
    put: list[str] = []
    try:
        progress = _Progress(step)
        _restore_media(folder, backup, present, put, progress)
        with destination.engine.begin() as connection:
            _restore_database(connection, backup, destination.room, progress)
            verify(connection)
    except BaseException as error:
        _remove(folder, put, error)
        raise


def refuse_full(engine: Engine, folder: MediaFolder, manifest: AnyManifest) -> frozenset[str]:
    """Raise NotEmpty unless there is no row, and no media file but of this backup; return those of it.

    Media files are named by their content, so that those an interrupted restore has left can stay.
    """
    with engine.connect() as connection:
        _refuse_rows(connection)
    ours, present = {file.path for file in manifest.media}, set()
    for path in folder.paths():
        if path not in ours:
            raise NotEmpty("archive.backup.media_folder_not_empty", path=path)
        present.add(path)
    return frozenset(present)


def _refuse_rows(connection: Connection) -> None:
    if (table := first_row(connection, tables_in(connection))) is not None:
        raise NotEmpty("archive.backup.archive_not_empty", table=table)


def _refuse_unknown(manifest: AnyManifest) -> None:
    if manifest.schema_revision > schema.newest_revision():
        raise BackupError("archive.backup.newer_schema")
    if manifest.schema_revision not in schema.revisions():
        raise BackupDamaged("archive.backup.unknown_schema", revision=manifest.schema_revision)


class _Progress:
    """Counts bytes as they are read, and reports them to `step`."""

    def __init__(self, step: Step):
        self._step, self._done = step, 0

    def over(self, name: str, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the pieces of something named."""
        for piece in pieces:
            yield piece
            self._done += len(piece)
            self._step(name, self._done)


def _restore_media(
    folder: MediaFolder, backup: Backup, present: frozenset[str], put: list[str], progress: _Progress
) -> None:
    """Write the media files; `put` receives the paths of those that were not there before."""
    files = backup.manifest.media
    contents = backup.contents(file.member for file in files)
    for file, (_, pieces) in zip(files, contents, strict=True):
        content = b"".join(progress.over(file.path, pieces))
        digest = _checked(backup, file, content)
        if file.path not in present:
            put.append(file.path)
        folder.put(content, digest, Path(file.path).suffix)


def _checked(backup: Backup, file: MediaFile, content: bytes) -> bytes:
    """Return the SHA-256 of a media file; raise BackupDamaged unless its name is made from it."""
    digest, suffix = hashlib.sha256(content).digest(), Path(file.path).suffix
    if file.path != path_of(digest, suffix) or not _SUFFIX.fullmatch(suffix):
        raise BackupDamaged("archive.backup.medium_misnamed", member=file.member.name, path=str(backup.path))
    return digest


def _restore_database(connection: Connection, backup: Backup, room: Path, progress: _Progress) -> None:
    """Make the schema the backup was made with, load the rows, compare, and bring the schema up to date."""
    prepare(connection)
    schema.migrate(connection, backup.manifest.schema_revision)
    prepare(connection)  # migrations have limits of their own
    _add_months(connection, backup.manifest)
    tables = tables_in(connection)
    lock(connection, tables)
    _refuse_rows(connection)
    set_triggers(connection, tables, fire=False)
    with foreign_keys_checked_after(connection, tables):
        _load(connection, tables, backup, room, progress)
    set_triggers(connection, tables, fire=True)
    advance_sequences(connection, tables)
    _compare_heads(connection, backup.manifest)
    schema.migrate(connection, "head")
    prepare(connection)
    refresh(connection)
    connection.execute(text("ANALYZE"))


def _add_months(connection: Connection, manifest: AnyManifest) -> None:
    """Make the partitions that the captures of the backup need, and the migration has not made."""
    wanted = manifest.capture_months if isinstance(manifest, Manifest) else ()
    try:
        add_capture_months(connection, sorted(set(wanted) - set(capture_months(connection))))
    except DBAPIError as error:
        raise BackupDamaged("archive.backup.no_month", reason=first_line(error)) from None


def _load(
    connection: Connection, tables: list[SqlTable], backup: Backup, room: Path, progress: _Progress
) -> None:
    """Load every table; raise BackupDamaged unless each has the rows that the manifest says."""
    place: str = connection.execute(select(func.current_schema())).scalar_one()
    missing = {table.name: table for table in tables}
    _compare_tables(missing, backup)
    expected = rows_of(backup.manifest)
    with only_inserting(connection, place, tables):
        for name, columns, rows in _tables(backup, room):
            table = missing.pop(name, None)
            if table is None:
                continue  # of a dump that held somebody else's table
            if set(columns) != set(columns_of(table)) or len(columns) != len(set(columns)):
                raise BackupDamaged("archive.backup.other_columns", table=name, path=str(backup.path))
            loaded = copy_in(connection, place, table, columns, progress.over(name, rows))
            _compare_rows(backup, name, loaded, expected[name])
    for name in missing:
        _compare_rows(backup, name, 0, expected[name])


def _tables(backup: Backup, room: Path) -> Iterator[TableRows]:
    if not isinstance(backup.manifest, Manifest):
        yield from old_tables(backup, backup.manifest, room)
        return
    for table in backup.manifest.tables:
        yield TableRows(table.name, table.columns, backup.pieces(table.member))


def _compare_tables(tables: dict[str, SqlTable], backup: Backup) -> None:
    listed = [table.name for table in backup.manifest.tables]
    if sorted(listed) != sorted(tables):
        raise BackupDamaged("archive.backup.other_tables", path=str(backup.path))


def _compare_rows(backup: Backup, table: str, loaded: int, expected: int) -> None:
    if loaded != expected:
        raise BackupDamaged(
            "archive.backup.row_count",
            table=table,
            path=str(backup.path),
            found=loaded,
            expected=expected,
        )


def _compare_heads(connection: Connection, manifest: AnyManifest) -> None:
    if (
        manifest.schema_revision >= HAS_CHAINS_FROM
        and tuple(chain_heads(Session(connection))) != manifest.heads
    ):
        raise BackupDamaged("archive.backup.other_heads")


def _remove(folder: MediaFolder, put: list[str], error: BaseException) -> None:
    """Remove the media files that were written; the database has undone its transaction by itself."""
    try:
        for path in put:
            folder.remove(path)
    except MediaFolderError as second:
        raise BackupError(
            "archive.backup.media_left", reason=error_message(error), second=error_message(second)
        ) from error
