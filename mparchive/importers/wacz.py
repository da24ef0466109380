"""Read WACZ files: the WARC files in their folder `archive`, one after the other."""

import io
import re
import struct
from collections.abc import Generator, Iterator
from typing import Any, BinaryIO
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from archive.domain.messages import Message
from mparchive.importers.items import (
    FindMedia,
    Flaw,
    InputError,
    InputTooLarge,
    NothingToImport,
    SavedMedium,
    SavedPage,
    Skipped,
    find_no_media,
)
from mparchive.importers.open import MAX_WARC, PIECE, ZIP, gunzip, read_pieces, spooled_copy
from mparchive.importers.warc import read_media, read_pages

MAX_MEMBERS = 100_000  # of the zip; archiveweb.page writes fewer than 20

MAX_DIRECTORY = 16 * 1024 * 1024  # bytes, 180 MB in memory; 100,000 members take 10 MB

_WARC = re.compile(r"archive/[^/]+\.warc(?:\.gz)?")

_LOCAL = struct.Struct("<4s22xHH")  # a member's header: signature, lengths of name and extra field


def read_wacz(
    stream: BinaryIO, name: str, find_media: FindMedia = find_no_media
) -> Iterator[SavedPage | SavedMedium | Flaw | Skipped]:
    """Yield the pages of all its WARC files, then the media, as read_warc does for one file.

    Raises InputError when there is no WARC file, or they are too large.
    """
    with_media = yield from _read_all_pages(stream, name, _warc_members(stream, name))
    for member in with_media:  # decompressed again: there may be too many to keep all of them decompressed
        with spooled_copy(_label(name, member), _content(stream, member)) as warc:
            yield from read_media(warc, _label(name, member), find_media)


def _label(name: str, member: ZipInfo) -> str:
    return f"{name}, {member.filename}"


def _warc_members(stream: BinaryIO, name: str) -> list[ZipInfo]:
    try:
        members = ZipFile(_BoundedDirectory(stream, name)).infolist()
    except (BadZipFile, NotImplementedError, ValueError, OverflowError, OSError) as error:
        raise InputError("mparchive.wacz.damaged", name=name, reason=str(error)) from None
    if len(members) > MAX_MEMBERS:
        raise InputError("mparchive.wacz.too_many_members", name=name, n=len(members), max=MAX_MEMBERS)
    warcs = [member for member in members if _WARC.fullmatch(member.filename)]
    if not warcs:
        raise NothingToImport("mparchive.wacz.no_warc", name=name)
    return warcs


class _BoundedDirectory:
    """A zip file whose directory is read only if it fits in memory."""

    def __init__(self, stream: BinaryIO, name: str):
        self._name = name
        self.seek, self.tell, self.seekable, self._read = (
            stream.seek,
            stream.tell,
            stream.seekable,
            stream.read,
        )

    def read(self, size: int = -1) -> bytes:
        """Read as a file does. Raises InputError for more bytes than MAX_DIRECTORY."""
        if size > MAX_DIRECTORY:
            raise InputError("mparchive.wacz.large_directory", name=self._name, bytes=size, max=MAX_DIRECTORY)
        return self._read(size)


def _read_all_pages(
    stream: BinaryIO, name: str, warcs: list[ZipInfo]
) -> Generator[SavedPage | Flaw | Skipped, None, list[ZipInfo]]:
    """Yield the pages; return the WARC files that may contain media.

    Reading ends with the WARC file that exceeds MAX_WARC decompressed bytes for all of them together.
    """
    left, with_media, overlapping = MAX_WARC, [], _overlapping(warcs)
    for member in warcs:
        try:
            if member in overlapping:
                raise InputError("mparchive.wacz.overlapping", member=member.filename)
            with spooled_copy(_label(name, member), _content(stream, member), left) as warc:
                left -= warc.seek(0, 2)
                if (yield from read_pages(warc, _label(name, member))):
                    with_media.append(member)
        except InputTooLarge:
            params = {"name": name, "bytes": MAX_WARC}
            yield Flaw(name, _member(member), Message("mparchive.wacz.too_large", params))
            break
        except InputError as error:
            yield Flaw(name, _member(member), error.message)
    return with_media


def _member(member: ZipInfo) -> Message:
    return Message("mparchive.wacz.member", {"name": member.filename})


def _overlapping(members: list[ZipInfo]) -> set[ZipInfo]:
    """Return the members that begin before the previous one ends."""
    found, end = set(), 0
    for member in sorted(members, key=lambda one: one.header_offset):
        if member.header_offset < end:
            found.add(member)
        end = max(end, member.header_offset + _LOCAL.size + member.file_size)
    return found


def _content(stream: BinaryIO, member: ZipInfo) -> Iterator[bytes]:
    """Yield a WARC file's bytes, decompressed, without the check sum of the zip: records have their own."""
    if member.compress_type != ZIP_STORED:
        raise InputError("mparchive.wacz.compressed", member=member.filename)
    head = b""
    if 0 <= member.header_offset < stream.seek(0, io.SEEK_END):
        stream.seek(member.header_offset)
        head = stream.read(_LOCAL.size)
    signature, name_length, extra_length = _LOCAL.unpack(head) if len(head) == _LOCAL.size else (b"", 0, 0)
    if signature != ZIP:
        raise InputError("mparchive.wacz.misplaced", member=member.filename)
    start = member.header_offset + _LOCAL.size + name_length + extra_length
    part = io.BufferedReader(_FileSection(stream, start, member.file_size), PIECE)
    return gunzip(part) if member.filename.endswith(".gz") else read_pieces(part)


class _FileSection(io.RawIOBase):
    """A section of a file, as a file."""

    def __init__(self, stream: BinaryIO, start: int, size: int):
        self._stream, self._at, self._end = stream, start, start + size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._stream.seek(self._at)
        piece = self._stream.read(min(len(buffer), self._end - self._at))
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)
