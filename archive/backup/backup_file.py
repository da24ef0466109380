"""The file of a backup: a plain zip whose manifest has the size and SHA-256 of every member."""

import hashlib
import os
import stat
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, BinaryIO, Literal, Protocol, Self
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from archive.domain.errors import ArchiveError, IntegrityError
from archive.repository.hash_chain import ChainHead

FORMAT = 2  # of the backups this program writes; it also reads format 1

MEDIA = "media/"

TABLES = "tables/"

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]

Count = Annotated[int, Field(ge=0, lt=2**63)]

MAX_MONTHS = 1200  # of captures; in a hundred years as many partitions


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Member(_Frozen):
    """One member of the zip; `size` in bytes before compression."""

    name: str
    size: Count
    sha256: Sha256


class Table(_Frozen):
    """One table: its columns in the order they were copied, and how many rows it has."""

    name: str
    columns: tuple[str, ...]
    rows: Count


class TableFile(Table):
    """One table with the size and SHA-256 of its rows, as COPY wrote them."""

    size: Count
    sha256: Sha256

    @property
    def member(self) -> Member:
        """The member that holds the rows."""
        return Member(name=f"{TABLES}{self.name}.copy", size=self.size, sha256=self.sha256)


class MediaFile(_Frozen):
    """One file of the media folder; `path` is its place within the folder."""

    path: str
    size: Count
    sha256: Sha256

    @property
    def member(self) -> Member:
        """The member that holds the file."""
        return Member(name=f"{MEDIA}{self.path}", size=self.size, sha256=self.sha256)


class _Common(_Frozen):
    program: str
    schema_revision: Annotated[str, Field(pattern="^[0-9]{4}$")]
    server: int
    made_at: AwareDatetime
    heads: tuple[ChainHead, ...]
    lacking: tuple[str, ...]


class Manifest(_Common):
    """The manifest of format 2. `made_at` is UTC; `server` is the major version of PostgreSQL.

    `lacking` has a stored message for each media file that could not be read when the backup was made;
    `capture_months` are the months, as yyyymm, for which there are partitions of captures.
    """

    format: Literal[2] = 2
    tables: tuple[TableFile, ...]
    media: tuple[MediaFile, ...]
    capture_months: tuple[Annotated[int, Field(ge=197001, le=999912)], ...] = Field((), max_length=MAX_MONTHS)

    @property
    def members(self) -> tuple[Member, ...]:
        """The members of the zip in their order, without its first and the manifest."""
        return (*(table.member for table in self.tables), *(file.member for file in self.media))


class ManifestV1(_Common):
    """The manifest of format 1, which earlier versions wrote.

    `database` says how the tables were written, `tool` by which version of pg_dump.
    """

    format: Literal[1] = 1
    database: Literal["pg_dump", "copy"]
    tool: int
    tables: tuple[Table, ...]
    members: tuple[Member, ...]

    @property
    def media(self) -> tuple[MediaFile, ...]:
        """The files of the media folder."""
        return tuple(
            MediaFile(path=member.name.removeprefix(MEDIA), size=member.size, sha256=member.sha256)
            for member in self.members
            if member.name.startswith(MEDIA)
        )


AnyManifest = Manifest | ManifestV1


def rows_of(manifest: AnyManifest) -> dict[str, int]:
    """Return how many rows each table has."""
    return {table.name: table.rows for table in manifest.tables}


MARK = "mparchive-backup"  # the first member: it distinguishes a backup from other zips

MANIFEST = "manifest.json"

PIECE = 1024 * 1024  # bytes read or written at once

LEVEL = 1  # of deflate: most bytes are compressed bodies in hexadecimal, which a higher level does not shrink

MAX_MANIFEST = 256 * 1024 * 1024  # bytes; about 200 for each media file

MAX_MEDIA_FILE = 1024 * 1024 * 1024  # bytes, held in memory while it is restored; a crawl takes half of it

MAX_RATIO = 100  # bytes unpacked for a byte of the file; bodies in hexadecimal have 2, texts up to 20

RATIO_APPLIES_FROM = 64 * 1024 * 1024  # bytes unpacked; less does no harm whatever the ratio

_FIRST_BYTES = 64  # a local header of 30 bytes, and the name of the first member

_LOCAL_HEADER = 30  # bytes before a member's name

_ENCRYPTED = 0x1  # flag of a member

_DAMAGE = (BadZipFile, EOFError, NotImplementedError, ValueError, RuntimeError, KeyError, zlib.error, OSError)


class Step(Protocol):
    """Receives the progress: the member at hand, and the bytes done before compression."""

    def __call__(self, name: str, done: int, /) -> None: ...


class BackupError(ArchiveError):
    """A backup cannot be made or used."""


class NotEmpty(BackupError):
    """There is an archive already where a backup should be restored."""


class BackupDamaged(IntegrityError):
    """A backup is not what was written."""


class _Version(BaseModel):
    """The only part of a manifest that every format has; format 1 did not always write it."""

    format: int = 1


class Writer:
    """Write the members one after the other. `step` receives the progress."""

    def __init__(self, out: BinaryIO, step: Step):
        self._zip = ZipFile(out, "w", ZIP_DEFLATED, compresslevel=LEVEL)
        self._step, self._written = step, 0
        try:
            self._zip.writestr(ZipInfo(MARK), f"mparchive backup, format {FORMAT}\n")
        except OSError:
            self.__exit__()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError, ValueError):  # of a backup that failed, and is removed
            self._zip.close()

    def add(self, name: str, pieces: Iterable[bytes], *, compressed: bool) -> Member:
        """Write a member, and return its size and SHA-256."""
        digest, size = hashlib.sha256(), 0
        with self._zip.open(name if compressed else ZipInfo(name), "w", force_zip64=True) as member:
            for piece in pieces:
                member.write(piece)
                digest.update(piece)
                size += len(piece)
                self._step(name, self._written + size)
        self._written += size
        return Member(name=name, size=size, sha256=digest.hexdigest())

    def close(self, manifest: Manifest) -> None:
        """Write the manifest and the zip's directory."""
        self.add(MANIFEST, [manifest.model_dump_json(indent=1).encode()], compressed=True)
        self._zip.close()


@dataclass(frozen=True)
class Backup(ABC):
    """An open backup. `path` is what messages call it; `size` is that of the file in bytes, packed."""

    path: Path | str
    manifest: AnyManifest
    size: int

    checks_while_reading = False  # whether `pieces` never yields what is not as it was written

    @abstractmethod
    def pieces(self, member: Member) -> Iterator[bytes]:
        """Yield a member's bytes piece by piece, no more than the manifest says; raises BackupDamaged."""

    def contents(self, members: Iterable[Member]) -> Iterator[tuple[Member, Iterator[bytes]]]:
        """Yield members with their pieces, which must be read before the next member is."""
        return ((member, self.pieces(member)) for member in members)

    def check(self, step: Step = lambda name, done: None) -> None:
        """Read every member and compare its SHA-256 with the manifest; raises BackupDamaged."""
        done = 0
        for member, pieces in self.contents(self.manifest.members):
            digest = hashlib.sha256()
            for piece in pieces:
                digest.update(piece)
            if digest.hexdigest() != member.sha256:
                raise BackupDamaged("archive.backup.member_changed", member=member.name, path=str(self.path))
            done += member.size
            step(member.name, done)


@dataclass(frozen=True)
class BackupFile(Backup):
    """A backup in one file, whose directory agrees with its manifest."""

    zip: ZipFile

    def pieces(self, member: Member) -> Iterator[bytes]:
        """Yield a member's bytes piece by piece; raises BackupDamaged."""
        left = member.size
        try:
            with self.zip.open(member.name) as content:
                while piece := content.read(PIECE):
                    left -= len(piece)
                    if left < 0:
                        break
                    yield piece
        except _DAMAGE:
            raise BackupDamaged(
                "archive.backup.member_damaged", member=member.name, path=str(self.path)
            ) from None
        if left:
            raise BackupDamaged("archive.backup.member_changed", member=member.name, path=str(self.path))


@contextmanager
def opened(path: Path, stream: BinaryIO | None = None) -> Iterator[Backup]:
    """Open a backup of any format; raises BackupError for another file, BackupDamaged for a changed one.

    With `stream`, a seekable one, the backup is read from there, and `path` only names it in messages.
    """
    try:
        stream = stream or path.open("rb")
    except OSError as error:
        raise BackupError("archive.backup.unreadable", path=str(path), reason=error.strerror) from None
    with stream, _zip(path, stream) as file:
        _check_entries(path, file)
        manifest, size = _manifest(path, file), os.fstat(stream.fileno()).st_size
        _check_directory(path, size, file, manifest)
        yield BackupFile(path, manifest, size, file)


def _zip(path: Path, stream: BinaryIO) -> ZipFile:
    try:
        first = stream.read(_FIRST_BYTES)
    except OSError as error:  # a folder, or a failing disk
        raise BackupError("archive.backup.unreadable", path=str(path), reason=error.strerror) from None
    if not (first.startswith(b"PK") and MARK.encode() in first):
        raise BackupError("archive.backup.not_a_backup", path=str(path))
    try:
        return ZipFile(stream)
    except _DAMAGE:
        raise BackupDamaged("archive.backup.truncated", path=str(path)) from None


def _check_entries(path: Path, file: ZipFile) -> None:
    """Refuse what no backup has: encrypted, linked, duplicate or overlapping members, other compressions."""
    entries = file.infolist()
    for entry in entries:
        if wrong := _wrong_with(entry):
            raise BackupDamaged(wrong, member=_shown(entry.filename), path=str(path))
    if len({entry.filename for entry in entries}) != len(entries):
        raise BackupDamaged("archive.backup.duplicate_members", path=str(path))
    places = sorted((entry.header_offset, _end(entry)) for entry in entries)
    places = [(0, 0), *places, (file.start_dir, file.start_dir)]
    if any(end > start for (_, end), (start, _) in pairwise(places)) or (places[1][0] != 0):
        raise BackupDamaged("archive.backup.overlapping_members", path=str(path))


def _wrong_with(entry: ZipInfo) -> str | None:
    """Return the code of the message about what is wrong with a member."""
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if entry.flag_bits & _ENCRYPTED:
        return "archive.backup.member_encrypted"
    if kind not in (0, stat.S_IFREG) or entry.is_dir():
        return "archive.backup.member_not_a_file"
    if entry.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        return "archive.backup.member_compression_unknown"
    if entry.compress_type == ZIP_STORED and entry.compress_size != entry.file_size:
        return "archive.backup.member_two_sizes"
    return None


def _end(entry: ZipInfo) -> int:
    """Return the first byte behind a member, without what may stand between its name and its content."""
    return entry.header_offset + _LOCAL_HEADER + len(entry.filename.encode()) + entry.compress_size


def _manifest(path: Path, file: ZipFile) -> AnyManifest:
    try:
        if file.getinfo(MANIFEST).file_size > MAX_MANIFEST:
            raise BackupDamaged("archive.backup.manifest_too_large", path=str(path), limit=MAX_MANIFEST)
        content = file.read(MANIFEST)
    except _DAMAGE:
        raise BackupDamaged("archive.backup.manifest_damaged", path=str(path)) from None
    try:
        version = _Version.model_validate_json(content).format
        if version > FORMAT:
            raise BackupError("archive.backup.newer_format", path=str(path))
        return (ManifestV1 if version == 1 else Manifest).model_validate_json(content)
    except ValidationError:
        raise BackupDamaged("archive.backup.manifest_damaged", path=str(path)) from None


def _check_directory(path: Path, size: int, file: ZipFile, manifest: AnyManifest) -> None:
    """Compare names, order and sizes of the members with the manifest, and the sizes with the limits."""
    sizes = {entry.filename: entry.file_size for entry in file.infolist()}
    listed = {member.name: member.size for member in manifest.members}
    names = [*listed, MANIFEST] if MARK in listed else [MARK, *listed, MANIFEST]
    if list(sizes) != names or len(listed) != len(manifest.members):
        different = [_shown(name) for name in sorted(set(sizes) ^ set(names))[:3]]
        code = "archive.backup.other_members" if different else "archive.backup.member_order"
        raise BackupDamaged(code, path=str(path), members=different)
    for name, of_member in listed.items():
        if sizes[name] != of_member:
            raise BackupDamaged("archive.backup.member_changed", member=_shown(name), path=str(path))
    for medium in manifest.media:
        if medium.size > MAX_MEDIA_FILE:
            raise BackupDamaged(
                "archive.backup.member_too_large",
                member=_shown(medium.path),
                path=str(path),
                limit=MAX_MEDIA_FILE,
            )
    check_ratio(path, size, sum(listed.values()))


def check_ratio(path: Path | str, size: int, unpacked: int) -> None:
    """Raise BackupDamaged where a backup of this size in bytes unpacks to more than MAX_RATIO times that."""
    if unpacked > RATIO_APPLIES_FROM and unpacked > MAX_RATIO * size:
        raise BackupDamaged("archive.backup.ratio", path=str(path), ratio=MAX_RATIO)


def _shown(name: str) -> str:
    """Return a name from the file as it may be printed."""
    return "".join(char if char.isprintable() else "?" for char in name)[:200]
