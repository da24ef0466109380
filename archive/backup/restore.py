"""Restoring a backup into an empty place: all of it, or nothing."""

import hashlib
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from psycopg.conninfo import make_conninfo
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from archive.backup.backup_file import (
    MEDIA,
    Backup,
    BackupDamaged,
    BackupError,
    Manifest,
    Member,
    NotEmpty,
    Step,
)
from archive.backup.postgres import (
    TIMEOUT,
    Tool,
    copy_in,
    empty,
    find_tool,
    first_row,
    output_of,
    reset_sequences,
    set_triggers,
    tables_in,
)
from archive.backup.write import DUMP, TABLES
from archive.db import schema
from archive.domain.errors import ArchiveError
from archive.storage.media_files import MediaFolder, path_of

_ENTRY = re.compile(r"(\d+); .* (TABLE DATA|SEQUENCE SET) (?P<schema>\S+) (?P<name>\S+) \S+")


def restore(
    engine: Engine,
    folder: MediaFolder,
    backup: Backup,
    room: Path,
    step: Step = lambda name, done: None,
) -> None:
    """Restore a checked backup; `step` hears member and bytes done. `room` is a folder that may hold a copy.

    Raises NotEmpty where there is anything already, BackupError where it cannot be restored here,
    BackupDamaged. Whatever fails, the place is empty again.
    """
    _refuse_unfit(engine, backup.manifest)
    refuse_full(engine, folder)
    tool = _tool(backup.manifest)
    put: list[str] = []
    try:
        _restore_media(folder, backup, put, step)
        _restore_database(engine, backup, tool, room)
    except BaseException as error:
        _cleared_after(error, engine, folder, put)
        raise


def refuse_full(engine: Engine, folder: MediaFolder) -> None:
    """Raise NotEmpty unless there is no row and no media file."""
    with engine.connect() as connection:
        table = first_row(connection, tables_in(connection))
    if table is not None:
        raise NotEmpty(
            f"there is an archive here already (a row in {table}); a backup is restored into an empty place "
            "only: name another database, or another folder with MPARCHIVE_HOME"
        )
    if (file := next(folder.paths(), None)) is not None:
        raise NotEmpty(
            f"the media folder is not empty ({file}); a backup is restored into an empty place only: "
            "name another folder with MPARCHIVE_HOME or MPARCHIVE_MEDIA"
        )


def _refuse_unfit(engine: Engine, manifest: Manifest) -> None:
    if manifest.schema_revision > schema.newest_revision():
        raise BackupError(
            f"the backup is of mparchive {manifest.program}, which is newer than this one; install that"
        )
    with engine.connect() as connection:
        server = int(connection.scalar(text("SHOW server_version_num")) or 0) // 10_000
    if manifest.database == "pg_dump" and server < manifest.server:
        raise BackupError(
            f"the backup is of PostgreSQL {manifest.server}, and this server is {server}; "
            f"restore it into one of {manifest.server} or later"
        )


def _tool(manifest: Manifest) -> Tool | None:
    if manifest.database == "copy":
        return None
    tool = find_tool("pg_restore", manifest.tool)
    if tool is None:
        raise BackupError(
            f"the backup was written by pg_dump {manifest.tool}, and there is no pg_restore of that version "
            f"or later here; install PostgreSQL's client programs of version {manifest.tool}"
        )
    return tool


def _restore_media(folder: MediaFolder, backup: Backup, put: list[str], step: Step) -> None:
    done = 0
    for member in backup.manifest.members:
        if member.name.startswith(MEDIA):
            _restore_file(folder, backup, member, put)
        done += member.size
        step(member.name, done)


def _restore_file(folder: MediaFolder, backup: Backup, member: Member, put: list[str]) -> None:
    """A name is never taken at its word: what is `put` is removed again when restoring fails."""
    content, name = b"".join(backup.pieces(member)), member.name.removeprefix(MEDIA)
    digest, suffix = hashlib.sha256(content).digest(), Path(name).suffix
    if name != path_of(digest, suffix):
        raise BackupDamaged(f"{member.name} in {backup.path} is not named by its content; use another backup")
    put.append(name)
    folder.put(content, digest, suffix)


def _restore_database(engine: Engine, backup: Backup, tool: Tool | None, room: Path) -> None:
    """The schema by our own migrations, as it was then; the rows as they were; then today's schema."""
    with engine.begin() as connection:
        schema.migrate(connection, backup.manifest.schema_revision)
        set_triggers(connection, tables_in(connection), fire=False)
        if tool is None:
            _copy_all(connection, backup)
    if tool is not None:
        _load_dump(engine, backup, tool, room)
    with engine.begin() as connection:
        tables = tables_in(connection)
        set_triggers(connection, tables, fire=True)
        reset_sequences(connection, tables)
        schema.migrate(connection, "head")
        connection.execute(text("ANALYZE"))


def _copy_all(connection: Connection, backup: Backup) -> None:
    connection.execute(text(f"SET LOCAL statement_timeout = '{TIMEOUT}s'"))
    for table in backup.manifest.tables:
        copy_in(connection, table, backup.pieces(_member(backup, f"{TABLES}{table.name}.copy.zst")))


def _load_dump(engine: Engine, backup: Backup, tool: Tool, room: Path) -> None:
    """Have pg_restore put the rows in; it must jump about in the dump, so it gets a file of its own."""
    with tempfile.TemporaryDirectory(prefix=".restoring-", dir=room) as place:
        dump, wanted = Path(place) / DUMP, Path(place) / "entries"
        with dump.open("wb") as out:
            out.writelines(backup.pieces(_member(backup, DUMP)))
        listed = b"".join(output_of([tool.path, "--list", str(dump)], engine)).decode()
        wanted.write_text("\n".join(_in_order(listed, backup.manifest)) + "\n")
        load = [tool.path, "--data-only", "--single-transaction", "--exit-on-error", "--no-owner"]
        database = make_conninfo(dbname=_name(engine))
        for _ in output_of([*load, "--dbname", database, "--use-list", str(wanted), str(dump)], engine):
            pass


def _name(engine: Engine) -> str:
    with engine.connect() as connection:
        name: str = connection.execute(text("SELECT current_database()")).scalar_one()
        return name


def _member(backup: Backup, name: str) -> Member:
    for member in backup.manifest.members:
        if member.name == name:
            return member
    raise BackupDamaged(f"{backup.path} lacks {name}; use another backup")


def _in_order(listed: str, manifest: Manifest) -> Iterator[str]:
    """The dump's entries of our tables' rows; those that others refer to first."""
    entries = {entry["name"]: line for line in listed.splitlines() if (entry := _ENTRY.fullmatch(line))}
    for table in manifest.tables:
        if table.name not in entries:
            raise BackupError(f"the dump in the backup lacks the table {table.name}; use another backup")
        yield entries[table.name]


def _cleared_after(error: BaseException, engine: Engine, folder: MediaFolder, put: list[str]) -> None:
    try:
        _clear(engine, folder, put)
    except (DBAPIError, ArchiveError) as second:
        first = str(error).partition("\n")[0]
        raise BackupError(
            f"restoring failed ({first}), and what was restored by then could not be removed "
            f"({type(second).__name__}): drop the database and empty the media folder before you try again"
        ) from error


def _clear(engine: Engine, folder: MediaFolder, put: list[str]) -> None:
    """Leave the place as it was found: no row, no file."""
    with engine.begin() as connection:
        tables = tables_in(connection)
        empty(connection, tables)
        set_triggers(connection, tables, fire=True)
        schema.migrate(connection, "head")
    for path in put:
        folder.remove(path)
