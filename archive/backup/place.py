"""Places that hold backups of one archive: their layout, and how a backup is read from one.

    mparchive-backups                  marks the place
    rows/ab/HASH.zst                   rows of a table as COPY writes them; HASH is the SHA-256 of these rows
    media/ab/cd/HASH.png               a media file, as in the media folder
    backups/20261129T193000Z.json.zst  what one backup consists of, written last: it names only what is there
    lease/00000001                     who writes there now

docs/explanation/adr/incremental-backups.md explains it.
"""

import hashlib
import re
import sys
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from archive.backup.backup_file import (
    MAX_MANIFEST,
    MAX_MEDIA_FILE,
    MEDIA,
    TABLES,
    Backup,
    BackupDamaged,
    BackupError,
    Manifest,
    Member,
    Sha256,
)
from archive.backup.object_store import ObjectStore
from archive.storage.media_files import path_of

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

FORMAT = 1

MARK = "mparchive-backups"

ROWS, BACKUPS = "rows", "backups"

MAX_ROWS = 256 * 1024 * 1024  # bytes of rows in one object: a body of 64 MiB as hexadecimal, and more

AT_ONCE = 8  # objects sent or fetched at a time

MAX_WAITING = 64 * 1024 * 1024  # bytes of objects that wait meanwhile, but for one object of more

SHOWN = 5  # names of backups in a message

_PACKING: dict[int, int] = {
    zstd.CompressionParameter.compression_level: 3,
    zstd.CompressionParameter.checksum_flag: 1,
}

_NAME = re.compile(r"\d{8}T\d{6}Z(?:-\d{1,4})?")

_SOURCE = re.compile(rf"(.+)@({_NAME.pattern})")

_SUFFIX = ".json.zst"


class IncrementalManifest(BaseModel):
    """What one backup consists of: the manifest of any backup, and the objects that hold its rows.

    `origins` has the digest of the first entry of each hash chain: it tells one archive from another.
    """

    model_config = ConfigDict(frozen=True)

    format: Annotated[int, Field(ge=1)] = FORMAT
    backup: Manifest
    rows: dict[str, tuple[Sha256, ...]]
    origins: dict[str, Sha256] = {}

    def objects(self) -> Iterator[str]:
        """Yield the names of the objects that the backup needs."""
        for hashes in self.rows.values():
            yield from map(rows_object, hashes)
        yield from (file.member.name for file in self.backup.media)


def rows_object(sha256: str) -> str:
    """Return the name of the object that holds rows with this SHA-256."""
    return f"{ROWS}/{sha256[:2]}/{sha256}.zst"


def split_source(source: str) -> tuple[str, str | None]:
    """Split ADDRESS@NAME into the address and the name of a backup; None: the newest."""
    match = _SOURCE.fullmatch(source)
    return (match[1], match[2]) if match else (source, None)


def is_place(source: str) -> bool:
    """Tell whether what `restore` was given is a place of backups, not a file."""
    address = split_source(source)[0]
    return "://" in address or Path(address).is_dir()


def backup_names(store: ObjectStore) -> list[str]:
    """Return the names of the backups in a place, the oldest first."""
    names = (name.removesuffix(_SUFFIX) for name in store.names(BACKUPS) if name.endswith(_SUFFIX))
    return sorted(name for name in names if _NAME.fullmatch(name))


def made_at(name: str) -> datetime:
    """Return when a backup of this name was made (UTC). Raises ValueError."""
    return datetime.strptime(f"{name.partition('-')[0]}+0000", "%Y%m%dT%H%M%SZ%z")


def claim(store: ObjectStore) -> None:
    """Mark an empty place as one of backups. Raises BackupError where it holds something else."""
    found = set(store.names(""))
    if MARK in found:
        return
    if found:
        raise BackupError(
            "archive.backup.target.something_else", target=store.shown, name=sorted(found)[0][:100]
        )
    store.write(MARK, f"mparchive backups, format {FORMAT}\n".encode())


def write_manifest(store: ObjectStore, manifest: IncrementalManifest) -> str:
    """Write what a backup consists of; return the name of the backup."""
    name = _free_name(manifest.backup.made_at, backup_names(store))
    store.write(manifest_object(name), packed(manifest.model_dump_json().encode()))
    return name


def manifest_object(name: str) -> str:
    """Return the name of the object that says what a backup consists of."""
    return f"{BACKUPS}/{name}{_SUFFIX}"


def _free_name(at: datetime, taken: Iterable[str]) -> str:
    name = f"{at:%Y%m%dT%H%M%SZ}"
    number = sum(one.partition("-")[0] == name for one in taken)
    return f"{name}-{number + 1}" if number else name


def read_manifest(store: ObjectStore, name: str) -> IncrementalManifest:
    """Return what a backup consists of. Raises BackupDamaged, BackupError for a newer format."""
    at = f"{store.shown}@{name}"
    try:
        stored = store.read(manifest_object(name))
    except FileNotFoundError:
        raise BackupDamaged("archive.backup.target.object_missing", target=store.shown, name=name) from None
    try:
        manifest = IncrementalManifest.model_validate_json(unpacked(stored, MAX_MANIFEST))
    except (zstd.ZstdError, ValueError, ValidationError):
        raise BackupDamaged("archive.backup.manifest_damaged", path=at) from None
    if manifest.format > FORMAT:
        raise BackupError("archive.backup.newer_format", path=at)
    for file in manifest.backup.media:
        suffix = Path(file.path).suffix
        if file.path != path_of(bytes.fromhex(file.sha256), suffix) or file.size > MAX_MEDIA_FILE:
            raise BackupDamaged("archive.backup.medium_misnamed", member=file.path[:200], path=at)
    return manifest


def packed(content: bytes) -> bytes:
    """Pack bytes into a zstd frame with a checksum."""
    return zstd.compress(content, options=_PACKING)


def unpacked(stored: bytes, most: int) -> bytes:
    """Unpack a whole zstd frame. Raises ZstdError, ValueError for one that is cut off or has over `most`."""
    frame = zstd.ZstdDecompressor()
    content = frame.decompress(stored, max_length=most)
    if not frame.eof or frame.unused_data:
        raise ValueError("not one whole frame")
    return content


def open_incremental(store: ObjectStore, name: str | None) -> "IncrementalBackup":
    """Open the backup of this name, or the newest. Raises BackupError where there is none, BackupDamaged."""
    names = backup_names(store)
    if not names:
        code = "no_backup" if MARK in store.names("") else "not_backups"
        raise BackupError(f"archive.backup.target.{code}", target=store.shown)
    if name is not None and name not in names:
        raise BackupError(
            "archive.backup.target.no_such_backup", target=store.shown, name=name, names=names[-SHOWN:]
        )
    name = name or names[-1]
    whole = read_manifest(store, name)
    return IncrementalBackup(f"{store.shown}@{name}", whole.backup, 0, store, whole.rows)


class _Object(NamedTuple):
    """An object to fetch; `size` in bytes, 0 where only the object itself tells it."""

    name: str
    sha256: str
    size: int = 0


@dataclass(frozen=True)
class IncrementalBackup(Backup):
    """A backup whose rows and media files are objects; each is compared with its name when it is read."""

    store: ObjectStore
    rows: dict[str, tuple[str, ...]]

    checks_while_reading = True

    def pieces(self, member: Member) -> Iterator[bytes]:
        """Yield a member's bytes, verified; raises BackupDamaged."""
        for _, pieces in self.contents([member]):
            yield from pieces

    def contents(self, members: Iterable[Member]) -> Iterator[tuple[Member, Iterator[bytes]]]:
        """Yield members with their pieces, whose objects are fetched some at a time."""
        members = list(members)
        objects = (one for member in members for one in self._objects_of(member))
        with closing(self._fetched(objects)) as fetched:
            for member in members:
                own = islice(fetched, len(self._objects_of(member)))
                yield member, self._verified(member, own)

    def _objects_of(self, member: Member) -> list[_Object]:
        if member.name.startswith(MEDIA):
            return [_Object(member.name, member.sha256, member.size)]
        table = member.name.removeprefix(TABLES).removesuffix(".copy")
        return [_Object(rows_object(sha256), sha256) for sha256 in self.rows.get(table, ())]

    def _verified(self, member: Member, fetched: Iterator[tuple[_Object, bytes]]) -> Iterator[bytes]:
        size = 0
        for one, stored in fetched:
            try:
                piece = stored if member.name.startswith(MEDIA) else unpacked(stored, MAX_ROWS)
            except (zstd.ZstdError, ValueError):
                piece = b""  # has another hash
            if hashlib.sha256(piece).hexdigest() != one.sha256:
                raise self._damaged("object_damaged", one)
            size += len(piece)
            yield piece
        if size != member.size:
            raise BackupDamaged("archive.backup.member_changed", member=member.name, path=str(self.path))

    def _damaged(self, what: str, one: _Object) -> BackupDamaged:
        return BackupDamaged(f"archive.backup.target.{what}", target=self.store.shown, name=one.name)

    def _fetched(self, objects: Iterator[_Object]) -> Generator[tuple[_Object, bytes]]:
        """Yield objects in their order, some fetched ahead. Raises BackupDamaged for one that is missing."""
        waiting: deque[tuple[_Object, Future[bytes]]] = deque()
        with ThreadPoolExecutor(AT_ONCE, "restore") as pool:
            try:
                for one in objects:
                    ahead = sum(before.size for before, _ in waiting)
                    while waiting and (len(waiting) >= AT_ONCE or ahead + one.size > MAX_WAITING):
                        ahead -= waiting[0][0].size
                        yield self._taken(*waiting.popleft())
                    waiting.append((one, pool.submit(self.store.read, one.name)))
                while waiting:
                    yield self._taken(*waiting.popleft())
            finally:
                pool.shutdown(cancel_futures=True)

    def _taken(self, one: _Object, future: Future[bytes]) -> tuple[_Object, bytes]:
        try:
            return one, future.result()
        except FileNotFoundError:
            raise self._damaged("object_missing", one) from None
