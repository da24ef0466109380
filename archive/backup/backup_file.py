"""What a backup says of itself: its members with their hashes, and what the archive held."""

import hashlib
import json
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Literal
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from pydantic import BaseModel, ConfigDict, ValidationError

from archive.domain.errors import ArchiveError, IntegrityError
from archive.repository.hash_chain import ChainHead

FORMAT = 1  # of backups; what reads them knows this one


class Member(BaseModel):
    """One file in the backup; `size` in bytes, `sha256` in hexadecimal."""

    model_config = ConfigDict(frozen=True)

    name: str
    size: int
    sha256: str


class Table(BaseModel):
    """One table: its columns in the order they were copied, and how many rows it has."""

    model_config = ConfigDict(frozen=True)

    name: str
    columns: tuple[str, ...]
    rows: int


class Manifest(BaseModel):
    """The whole of it. `made_at` is UTC; `database` says how the tables were written, `tool` by which version
    of PostgreSQL's programs.

    `lacking` are sentences about media files that could not be read when the backup was made.
    """

    model_config = ConfigDict(frozen=True)

    format: Literal[1] = 1
    program: str
    schema_revision: str
    server: int
    database: Literal["pg_dump", "copy"]
    tool: int
    made_at: datetime
    tables: tuple[Table, ...]
    heads: tuple[ChainHead, ...]
    lacking: tuple[str, ...]
    members: tuple[Member, ...]

    @property
    def rows(self) -> dict[str, int]:
        """How many rows each table has."""
        return {table.name: table.rows for table in self.tables}


MARK = "mparchive-backup"  # the first member: what tells a backup from other zips

MANIFEST = "manifest.json"

MEDIA = "media/"

PIECE = 1024 * 1024  # bytes at a time

MAX_MANIFEST = 256 * 1024 * 1024  # bytes; it has 150 for each media file

_LOCAL_HEAD = struct.Struct("<4s14xLLHH")  # of a member in the zip: mark, packed and whole size, lengths

_LOCAL_MARK = b"PK\x03\x04"

_ZIP64_SIZES = struct.Struct("<HHQQ")

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest a zip can say; the manifest has the date

Step = Callable[[str, int], None]


class BackupError(ArchiveError):
    """A backup cannot be made or used."""


class NotEmpty(BackupError):
    """There is something already where a backup should be restored."""


class BackupDamaged(IntegrityError):
    """A backup is not what was written."""


class Writer:
    """Writes members one after the other, and remembers their hashes. `step` hears the bytes written."""

    def __init__(self, out: BinaryIO, step: Step):
        self._zip, self._step = ZipFile(out, "w"), step
        self.members: list[Member] = []
        self.written = 0
        self.add(MARK, [b"mparchive backup, format %d\n" % FORMAT])

    def add(self, name: str, pieces: Iterable[bytes]) -> None:
        """Write a member."""
        digest, size = hashlib.sha256(), 0
        with self._zip.open(ZipInfo(name, _EPOCH), "w", force_zip64=True) as member:
            for piece in pieces:
                member.write(piece)
                digest.update(piece)
                size += len(piece)
                self._step(name, self.written + size)
        self.written += size
        self.members.append(Member(name=name, size=size, sha256=digest.hexdigest()))

    def close(self, manifest: Manifest) -> None:
        """Write the manifest, and the end."""
        self.add(MANIFEST, [manifest.model_dump_json(indent=1).encode()])
        self._zip.close()


@dataclass(frozen=True, slots=True)
class Backup:
    """An open backup."""

    path: Path
    zip: ZipFile
    manifest: Manifest

    def pieces(self, member: Member) -> Iterator[bytes]:
        """A member's bytes, a piece at a time; raises BackupDamaged."""
        try:
            with self.zip.open(member.name) as content:
                while piece := content.read(PIECE):
                    yield piece
        except (BadZipFile, EOFError, NotImplementedError, ValueError, RuntimeError, KeyError):
            raise BackupDamaged(f"{member.name} in {self.path} is damaged; use another backup") from None

    def check(self, step: Step = lambda name, done: None) -> None:
        """Read every member and compare it with the manifest; raises BackupDamaged."""
        self._check_names()
        done = 0
        for member in self.manifest.members:
            self._check(member)
            done += member.size
            step(member.name, done)

    def _check_names(self) -> None:
        names = [info.filename for info in self.zip.infolist()]
        listed = [*(member.name for member in self.manifest.members), MANIFEST]
        if names != listed:
            other = sorted(set(names) ^ set(listed)) or ["its order"]
            raise BackupDamaged(
                f"{self.path} does not hold what it lists ({', '.join(other[:3])}); use another backup"
            )

    def _check(self, member: Member) -> None:
        digest, size = hashlib.sha256(), 0
        for piece in self.pieces(member):
            digest.update(piece)
            size += len(piece)
            if size > member.size:
                break
        if (size, digest.hexdigest()) != (member.size, member.sha256):
            raise BackupDamaged(f"{member.name} in {self.path} is not what was written; use another backup")


@contextmanager
def opened(path: Path) -> Iterator[Backup]:
    """Open a backup. Raises BackupError where it is none, BackupDamaged where it is not whole."""
    try:
        with path.open("rb") as stream, _zip(path, stream) as file:
            yield Backup(path, file, _manifest(path, file))
    except OSError as error:
        raise BackupError(f"{path} cannot be read ({error.strerror})") from None


def _zip(path: Path, stream: BinaryIO) -> ZipFile:
    if not _is_backup(stream):
        raise BackupError(f"{path} is no backup; name a file that `mparchive backup` wrote")
    try:
        file = ZipFile(stream)
    except (BadZipFile, ValueError, NotImplementedError):
        raise BackupDamaged(
            f"{path} is cut off or damaged in {_last_member(stream)}; use another backup"
        ) from None
    for member in file.infolist():
        if member.compress_type != ZIP_STORED:  # a flipped bit; each packing has errors of its own
            raise BackupDamaged(f"{member.filename} in {path} is listed as packed; use another backup")
    return file


def _manifest(path: Path, file: ZipFile) -> Manifest:
    try:
        if file.getinfo(MANIFEST).file_size > MAX_MANIFEST:
            raise BackupDamaged(
                f"{MANIFEST} in {path} has more than {MAX_MANIFEST} bytes; use another backup"
            )
        content = file.read(MANIFEST)
    except (BadZipFile, KeyError, EOFError, NotImplementedError, RuntimeError):
        raise BackupDamaged(f"{MANIFEST} in {path} is missing or damaged; use another backup") from None
    return _parsed(path, content)


def _parsed(path: Path, content: bytes) -> Manifest:
    try:
        if json.loads(content).get("format", FORMAT) > FORMAT:
            raise BackupError(f"{path} was made by a newer mparchive; install that")
        return Manifest.model_validate_json(content)
    except (ValidationError, ValueError, TypeError, AttributeError):
        raise BackupDamaged(f"{MANIFEST} in {path} is damaged; use another backup") from None


def _is_backup(stream: BinaryIO) -> bool:
    head = stream.read(_LOCAL_HEAD.size + len(MARK))
    stream.seek(0)
    return head.startswith(_LOCAL_MARK) and head.endswith(MARK.encode())


def _last_member(stream: BinaryIO) -> str:
    """The member in which the file ends, or its list of members; found by going from one to the next."""
    end, at, name = stream.seek(0, 2), 0, MARK
    while True:
        stream.seek(at)
        head = stream.read(_LOCAL_HEAD.size)
        if len(head) < _LOCAL_HEAD.size or not head.startswith(_LOCAL_MARK):
            return name if at >= end else "its list of members"
        _, size, _, name_length, extra_length = _LOCAL_HEAD.unpack(head)
        name = stream.read(name_length).decode("utf-8", "replace")
        extra = stream.read(extra_length)
        if size == 0xFFFFFFFF and len(extra) >= _ZIP64_SIZES.size:
            size = _ZIP64_SIZES.unpack_from(extra)[3]
        at += _LOCAL_HEAD.size + name_length + extra_length + size
        if at > end:
            return name
