"""Making a backup: database, chain heads and media files of one moment, in one file."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from sqlalchemy import Connection, Engine, func, select, text
from sqlalchemy.orm import Session

from archive.backup.backup_file import MEDIA, BackupError, Manifest, Step, Table, Writer, opened
from archive.backup.postgres import TIMEOUT, Tool, copied_out, described, find_tool, output_of, tables_in
from archive.db import schema
from archive.db.models import FileRow
from archive.domain.errors import IntegrityError, MediaMissing
from archive.repository.hash_chain import chain_heads
from archive.storage.media_files import MediaFolder
from archive.system.files import atomically

DUMP = "database.dump"

TABLES = "tables/"

COPY_FORMAT = 1  # of what this module writes where there is no pg_dump

STREAMED = 1000  # rows of files a fetch


@dataclass
class _Moment:
    """The archive as it was when the backup began: what one transaction sees."""

    connection: Connection
    snapshot: str
    at: datetime
    server: int
    tables: Sequence[Table]


def size_of(engine: Engine) -> int:
    """About how many bytes a backup will have, for a progress bar."""
    with Session(engine) as session:
        database = session.scalar(text("SELECT pg_database_size(current_database())")) or 0
        return database + int(session.scalar(select(func.coalesce(func.sum(FileRow.size), 0))) or 0)


def write_backup(
    engine: Engine,
    folder: MediaFolder,
    path: Path,
    step: Step = lambda name, done: None,
    *,
    with_tool: bool = True,
) -> Manifest:
    """Write the file whole or not at all, then read it again; `step` hears member and bytes written.

    `with_tool` says whether pg_dump is used where there is one. Raises BackupError, FileWriteError.
    """
    if path.exists():
        raise BackupError(f"{path} is there already, and a backup is never overwritten; name another file")
    with engine.connect() as connection:
        moment = _moment(connection)
        tool = find_tool("pg_dump", moment.server) if with_tool else None
        manifest = atomically(path, lambda out: _write(engine, moment, folder, tool, Writer(out, step)))
    with opened(path) as backup:
        backup.check()
    return manifest


def _moment(connection: Connection) -> _Moment:
    connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
    for limit in ("statement_timeout", "idle_in_transaction_session_timeout"):
        connection.execute(text(f"SET LOCAL {limit} = '{TIMEOUT}s'"))
    now, snapshot, server = connection.execute(
        text("SELECT now(), pg_export_snapshot(), current_setting('server_version_num')::int / 10000")
    ).one()
    return _Moment(connection, snapshot, now, server, described(connection, tables_in(connection)))


def _write(
    engine: Engine, moment: _Moment, folder: MediaFolder, tool: Tool | None, writer: Writer
) -> Manifest:
    if tool:
        writer.add(DUMP, _dumped(engine, moment, tool))
    else:
        for table in moment.tables:
            writer.add(f"{TABLES}{table.name}.copy.zst", copied_out(moment.connection, table))
    lacking = list(_write_media(moment, folder, writer))
    manifest = Manifest(
        program=version("mparchive"),
        schema_revision=schema.revision(moment.connection) or "",
        server=moment.server,
        database="pg_dump" if tool else "copy",
        tool=tool.version if tool else COPY_FORMAT,
        made_at=moment.at,
        tables=tuple(moment.tables),
        heads=tuple(chain_heads(Session(moment.connection))),
        lacking=tuple(lacking),
        members=tuple(writer.members),
    )
    writer.close(manifest)
    return manifest


def _dumped(engine: Engine, moment: _Moment, tool: Tool) -> Iterator[bytes]:
    place = moment.connection.scalar(text("SELECT current_schema()"))
    command = [
        tool.path,
        "--format=custom",
        "--compress=1",  # most bytes are packed bodies already
        "--no-owner",
        "--no-privileges",
        f"--snapshot={moment.snapshot}",
        f'--schema="{place}"',
    ]
    return output_of(command, engine)


def _write_media(moment: _Moment, folder: MediaFolder, writer: Writer) -> Iterator[str]:
    """Write each file once; yields a sentence for each that cannot be read."""
    rows = select(FileRow.path, FileRow.sha256).order_by(FileRow.path)
    for path, sha256 in moment.connection.execute(rows, execution_options={"yield_per": STREAMED}):
        try:
            writer.add(f"{MEDIA}{path}", [folder.get(path, sha256)])
        except (MediaMissing, IntegrityError) as error:
            yield str(error)
