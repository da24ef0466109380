"""The file of a backup: a zip with the tables' rows, the media files and, as the last member, the manifest.

A backup is hostile input: what this module returns was checked against the manifest, and the manifest
against the limits below.
"""

import hashlib
import stat
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, Protocol
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from pydantic import BaseModel, ValidationError

from archive.backup.manifest import FORMAT, AnyManifest, Manifest, ManifestV1, Member
from archive.errors import ArchiveError, IntegrityError

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
        self._zip.writestr(ZipInfo(MARK), f"mparchive backup, format {FORMAT}\n")

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


@dataclass(frozen=True, slots=True)
class Backup:
    """An open backup, whose directory agrees with its manifest."""

    path: Path
    zip: ZipFile
    manifest: AnyManifest

    def pieces(self, member: Member) -> Iterator[bytes]:
        """Yield a member's bytes piece by piece, no more than the manifest says; raises BackupDamaged."""
        left = member.size
        try:
            with self.zip.open(member.name) as content:
                while piece := content.read(PIECE):
                    left -= len(piece)
                    if left < 0:
                        break
                    yield piece
        except _DAMAGE:
            raise BackupDamaged(f"{member.name} in {self.path} is damaged; use another backup") from None
        if left:
            raise BackupDamaged(f"{member.name} in {self.path} is not what was written; use another backup")

    def check(self, step: Step = lambda name, done: None) -> None:
        """Read every member and compare its SHA-256 with the manifest; raises BackupDamaged."""
        done = 0
        for member in self.manifest.members:
            digest = hashlib.sha256()
            for piece in self.pieces(member):
                digest.update(piece)
            if digest.hexdigest() != member.sha256:
                raise BackupDamaged(
                    f"{member.name} in {self.path} is not what was written; use another backup"
                )
            done += member.size
            step(member.name, done)


@contextmanager
def opened(path: Path) -> Iterator[Backup]:
    """Open a backup of any format; raises BackupError for another file, BackupDamaged for a changed one."""
    try:
        stream = path.open("rb")
    except OSError as error:
        raise BackupError(f"{path} cannot be read ({error.strerror})") from None
    with stream, _zip(path, stream) as file:
        _check_entries(path, file)
        manifest = _manifest(path, file)
        _check_directory(path, file, manifest)
        yield Backup(path, file, manifest)


def _zip(path: Path, stream: BinaryIO) -> ZipFile:
    try:
        first = stream.read(_FIRST_BYTES)
    except OSError as error:  # a folder, or a failing disk
        raise BackupError(f"{path} cannot be read ({error.strerror})") from None
    if not (first.startswith(b"PK") and MARK.encode() in first):
        raise BackupError(f"{path} is no backup; name a file that `mparchive backup` wrote")
    try:
        return ZipFile(stream)
    except _DAMAGE:
        raise BackupDamaged(f"{path} is cut off or damaged; use another backup") from None


def _check_entries(path: Path, file: ZipFile) -> None:
    """Refuse what no backup has: encrypted, linked, duplicate or overlapping members, other compressions."""
    entries = file.infolist()
    for entry in entries:
        if wrong := _wrong_with(entry):
            raise BackupDamaged(f"{_shown(entry.filename)} in {path} is {wrong}; use another backup")
    if len({entry.filename for entry in entries}) != len(entries):
        raise BackupDamaged(f"{path} has two members of one name; use another backup")
    places = sorted((entry.header_offset, _end(entry)) for entry in entries)
    places = [(0, 0), *places, (file.start_dir, file.start_dir)]
    if any(end > start for (_, end), (start, _) in pairwise(places)) or (places[1][0] != 0):
        raise BackupDamaged(f"the members of {path} overlap; use another backup")


def _wrong_with(entry: ZipInfo) -> str | None:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if entry.flag_bits & _ENCRYPTED:
        return "listed as encrypted"
    if kind not in (0, stat.S_IFREG) or entry.is_dir():
        return "no ordinary file"
    if entry.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        return "listed as compressed in an unknown way"
    if entry.compress_type == ZIP_STORED and entry.compress_size != entry.file_size:
        return "listed with two sizes"
    return None


def _end(entry: ZipInfo) -> int:
    """Return the first byte behind a member, without what may stand between its name and its content."""
    return entry.header_offset + _LOCAL_HEADER + len(entry.filename.encode()) + entry.compress_size


def _manifest(path: Path, file: ZipFile) -> AnyManifest:
    try:
        if file.getinfo(MANIFEST).file_size > MAX_MANIFEST:
            raise BackupDamaged(f"{MANIFEST} in {path} has over {MAX_MANIFEST} bytes; use another backup")
        content = file.read(MANIFEST)
    except _DAMAGE:
        raise BackupDamaged(f"{MANIFEST} in {path} is missing or damaged; use another backup") from None
    try:
        version = _Version.model_validate_json(content).format
        if version > FORMAT:
            raise BackupError(f"{path} was made by a newer mparchive; install that")
        return (ManifestV1 if version == 1 else Manifest).model_validate_json(content)
    except ValidationError:
        raise BackupDamaged(f"{MANIFEST} in {path} is damaged; use another backup") from None


def _check_directory(path: Path, file: ZipFile, manifest: AnyManifest) -> None:
    """Compare names, order and sizes of the members with the manifest, and the sizes with the limits."""
    sizes = {entry.filename: entry.file_size for entry in file.infolist()}
    listed = {member.name: member.size for member in manifest.members}
    names = [*listed, MANIFEST] if MARK in listed else [MARK, *listed, MANIFEST]
    if list(sizes) != names or len(listed) != len(manifest.members):
        other = ", ".join(map(_shown, sorted(set(sizes) ^ set(names))[:3])) or "their order"
        raise BackupDamaged(f"the members of {path} are not those it lists ({other}); use another backup")
    for name, size in listed.items():
        if sizes[name] != size:
            raise BackupDamaged(f"{_shown(name)} in {path} is not what was written; use another backup")
    for medium in manifest.media:
        if medium.size > MAX_MEDIA_FILE:
            raise BackupDamaged(f"{_shown(medium.path)} in {path} has over {MAX_MEDIA_FILE} bytes")
    check_ratio(path, sum(listed.values()))


def check_ratio(path: Path, unpacked: int) -> None:
    """Raise BackupDamaged where a backup unpacks to more than MAX_RATIO times its size."""
    if unpacked > RATIO_APPLIES_FROM and unpacked > MAX_RATIO * path.stat().st_size:
        raise BackupDamaged(f"{path} unpacks to over {MAX_RATIO} times its size, which no backup does")


def _shown(name: str) -> str:
    """Return a name from the file as it may be printed."""
    return "".join(char if char.isprintable() else "?" for char in name)[:200]
