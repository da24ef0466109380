"""Making a backup: database, chain heads and media files of one moment, in one file."""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import Connection, Engine, func, select, text
from sqlalchemy.orm import Session

from archive.backup.backup_file import (
    MEDIA,
    TABLES,
    BackupError,
    Manifest,
    MediaFile,
    Step,
    Table,
    TableFile,
    Writer,
    opened,
)
from archive.backup.postgres import copy_out, described, prepare, tables_in
from archive.db import schema
from archive.db.models import File
from archive.db.schema import capture_months
from archive.domain.errors import IntegrityError, MediaMissing
from archive.repository.hash_chain import chain_heads
from archive.storage.media_files import MediaFolder
from archive.system.files import atomically

ROWS_AT_ONCE = 1000  # of files, fetched at once

ONLY_OWNER = 0o600  # mode of a backup: it holds everything the archive holds


@dataclass
class Snapshot:
    """The archive as it was when the backup began: what one transaction sees."""

    connection: Connection
    at: datetime
    server: int
    tables: Sequence[Table]


def size_of(engine: Engine) -> int:
    """Return about how many bytes a backup will have, for a progress bar."""
    with Session(engine) as session:
        database = session.scalar(text("SELECT pg_database_size(current_database())")) or 0
        return database + int(session.scalar(select(func.coalesce(func.sum(File.size), 0))) or 0)


def write_backup(
    engine: Engine, folder: MediaFolder, path: Path, step: Step = lambda name, done: None
) -> Manifest:
    """Write the file whole or not at all, then read it again; `step` receives the progress.

    Raises BackupError, FileWriteError.
    """
    if path.exists():
        raise BackupError("archive.backup.exists", path=str(path))
    with engine.connect() as connection:
        snapshot = snapshot_of(connection)
        manifest = atomically(path, lambda out: _write(out, snapshot, folder, step), is_private=True)
    with opened(path) as backup:
        backup.check()
    return manifest


def stream_backup(
    engine: Engine, folder: MediaFolder, out: BinaryIO, step: Step = lambda name, done: None
) -> Manifest:
    """Write the file to a pipe; nothing reads it again. Raises what the pipe raises."""
    with engine.connect() as connection:
        return _write(out, snapshot_of(connection), folder, step)


def snapshot_of(connection: Connection) -> Snapshot:
    """Begin a transaction that sees the archive as it is now, and describe its tables."""
    connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
    prepare(connection)
    now, server = connection.execute(
        text("SELECT now(), current_setting('server_version_num')::int / 10000")
    ).one()
    return Snapshot(connection, now, server, described(connection, tables_in(connection)))


def manifest_of(
    snapshot: Snapshot, tables: tuple[TableFile, ...], media: tuple[MediaFile, ...], lacking: Sequence[str]
) -> Manifest:
    """Return the manifest of what was written of a snapshot."""
    return Manifest(
        program=version("mparchive"),
        schema_revision=schema.revision(snapshot.connection) or "",
        server=snapshot.server,
        made_at=snapshot.at,
        heads=tuple(chain_heads(Session(snapshot.connection))),
        tables=tables,
        media=media,
        lacking=tuple(lacking),
        capture_months=tuple(capture_months(snapshot.connection)),
    )


def _write(out: BinaryIO, snapshot: Snapshot, folder: MediaFolder, step: Step) -> Manifest:
    is_file = stat.S_ISREG(os.fstat(out.fileno()).st_mode)
    if is_file:
        os.fchmod(out.fileno(), ONLY_OWNER)
    lacking = list[str]()
    with Writer(out, step) as writer:
        tables = tuple(_write_tables(snapshot, writer))
        media = tuple(_write_media(snapshot, folder, writer, lacking))
        manifest = manifest_of(snapshot, tables, media, lacking)
        writer.close(manifest)
    out.flush()
    if is_file:
        os.fsync(out.fileno())
    return manifest


def _write_tables(snapshot: Snapshot, writer: Writer) -> Iterator[TableFile]:
    for table in snapshot.tables:
        with closing(copy_out(snapshot.connection, table)) as rows:  # else a failure waits for it forever
            member = writer.add(f"{TABLES}{table.name}.copy", rows, compressed=True)
        yield TableFile(**table.model_dump(), size=member.size, sha256=member.sha256)


def _write_media(
    snapshot: Snapshot, folder: MediaFolder, writer: Writer, lacking: list[str]
) -> Iterator[MediaFile]:
    for path, _, content in media_in(snapshot, folder, lacking):
        member = writer.add(f"{MEDIA}{path}", [content], compressed=False)
        yield MediaFile(path=path, size=member.size, sha256=member.sha256)


def media_in(
    snapshot: Snapshot, folder: MediaFolder, lacking: list[str]
) -> Iterator[tuple[str, bytes, bytes]]:
    """Yield path, SHA-256 and content of each file once.

    A message is added to `lacking` for each that cannot be read.
    """
    rows = select(File.path, File.sha256).order_by(File.path)
    for path, sha256 in snapshot.connection.execute(rows, execution_options={"yield_per": ROWS_AT_ONCE}):
        try:
            content = folder.get(path, sha256)
        except (MediaMissing, IntegrityError) as error:
            lacking.append(error.message.dump())
        else:
            yield path, sha256, content
