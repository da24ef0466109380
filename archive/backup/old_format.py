"""Reading the tables of a backup of format 1, which earlier versions wrote: as data only.

Such a backup has its tables as COPY's text packed with zstd, or as a dump of pg_dump. A dump holds SQL, and
that of a forged one could run programs on the server. So pg_restore only turns it into text, without any
database, and of that text only the rows after `COPY … FROM stdin;` are used; every statement is ignored.
"""

import re
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, NamedTuple

from archive.backup.backup_file import (
    PIECE,
    TABLES,
    Backup,
    BackupDamaged,
    BackupError,
    ManifestV1,
    Member,
    check_ratio,
)
from archive.backup.postgres import find_tool, output_of

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

DUMP = "database.dump"

# The dump is read from standard input, so that nothing in it is taken for the name of a file or a folder.
AS_TEXT = ("--format=custom", "--data-only", "--no-owner", "--no-privileges", "--file=-")

_NAME = r'"?([a-z_][a-z0-9_]*)"?'  # of ours; pg_dump quotes those that are key words

_COPY = re.compile(rb"COPY (.+) \((.*)\) FROM stdin;\n")

_TABLE = re.compile(rf'(?:(?:"(?:[^"]|"")+"|[^".]+)\.)?{_NAME}')

_COLUMN = re.compile(_NAME)

_END = b"\\.\n"  # a row's own backslash is doubled: no row looks like this


class TableRows(NamedTuple):
    """One table's rows as COPY's text; `rows` must be read before the next table."""

    name: str
    columns: tuple[str, ...]
    rows: Iterator[bytes]


def old_tables(backup: Backup, manifest: ManifestV1, room: Path) -> Iterator[TableRows]:
    """Yield the tables in the order of the file. `room` is a folder that may hold a copy of the dump.

    Raises BackupDamaged, BackupError where pg_restore is missing.
    """
    members = {member.name: member for member in manifest.members}
    if manifest.database == "pg_dump":
        yield from _dumped(backup, manifest, _member(backup, members, DUMP), room)
        return
    for table in manifest.tables:
        member = _member(backup, members, f"{TABLES}{table.name}.copy.zst")
        yield TableRows(table.name, table.columns, _bounded(backup, _unpacked(backup, member)))


def _member(backup: Backup, members: dict[str, Member], name: str) -> Member:
    if name not in members:
        raise BackupDamaged("archive.backup.member_missing", member=name, path=str(backup.path))
    return members[name]


def _bounded(backup: Backup, pieces: Iterable[bytes]) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        size += len(piece)
        check_ratio(backup.path, backup.size, size)
        yield piece


def _unpacked(backup: Backup, member: Member) -> Iterator[bytes]:
    unpacker = zstd.ZstdDecompressor()
    try:
        for piece in backup.pieces(member):
            rest = piece
            while not unpacker.eof and (rest or not unpacker.needs_input):
                yield unpacker.decompress(rest, PIECE)
                rest = b""
    except zstd.ZstdError:
        raise BackupDamaged(
            "archive.backup.member_damaged", member=member.name, path=str(backup.path)
        ) from None


def _dumped(backup: Backup, manifest: ManifestV1, member: Member, room: Path) -> Iterator[TableRows]:
    tool = find_tool("pg_restore", manifest.tool)
    if tool is None:
        raise BackupError("archive.backup.no_pg_restore", version=manifest.tool)
    with tempfile.TemporaryFile(dir=room) as dump:  # it has no name: nothing is left of it after a kill
        dump.writelines(backup.pieces(member))
        dump.seek(0)
        with output_of(tool, AS_TEXT, dump) as output:
            yield from tables_of_dump(_bounded(backup, _lines(output)))


def _lines(output: IO[bytes]) -> Iterator[bytes]:
    """Yield lines; one longer than PIECE comes in several pieces."""
    while piece := output.readline(PIECE):
        yield piece


def tables_of_dump(lines: Iterator[bytes]) -> Iterator[TableRows]:
    """Yield what stands between `COPY … FROM stdin;` and its end; nothing else is looked at."""
    at_start = True
    for line in lines:
        if at_start and (found := _COPY.fullmatch(line)):
            rows = _rows(lines)
            if table := _TABLE.fullmatch(found[1].decode("utf-8", "replace")):
                yield TableRows(table[1], _columns(found[2].decode("utf-8", "replace")), rows)
            for _ in rows:  # of a table that is not ours
                pass
        at_start = line.endswith(b"\n")


def _columns(listed: str) -> tuple[str, ...]:
    """Return the columns' names; one that cannot be ours stays as it is, and is refused when compared."""
    found = ((_COLUMN.fullmatch(part), part) for part in listed.split(", "))
    return tuple(match[1] if match else part for match, part in found)


def _rows(lines: Iterator[bytes]) -> Iterator[bytes]:
    """Yield rows, some at once, up to the end of the table."""
    gathered, size, at_start = [], 0, True
    for line in lines:
        if at_start and line == _END:
            break
        at_start = line.endswith(b"\n")
        gathered.append(line)
        size += len(line)
        if size >= PIECE:
            yield b"".join(gathered)
            gathered, size = [], 0
    if gathered:
        yield b"".join(gathered)
