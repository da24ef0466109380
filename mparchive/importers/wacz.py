"""Reading WACZ files: the WARC files in their folder `archive`, one after the other."""

import io
import re
import struct
from collections.abc import Generator, Iterator
from typing import Any, BinaryIO
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from mparchive.importers.items import (
    Flaw,
    InputError,
    NoInput,
    Passed,
    SavedMedium,
    SavedPage,
    Seek,
    TooLarge,
    seek_none,
)
from mparchive.importers.open import MAX_WARC, PIECE, ZIP, copied, gunzipped, pieces_of
from mparchive.importers.warc import read_media, read_pages

MAX_MEMBERS = 100_000  # of the zip; archiveweb.page writes fewer than 20

MAX_DIRECTORY = 16 * 1024 * 1024  # bytes, 180 MB in memory; that of so many members has 10 MB

_WARC = re.compile(r"archive/[^/]+\.warc(?:\.gz)?")

_LOCAL = struct.Struct("<4s22xHH")  # of a member's own header: mark, lengths of name and extra


def read_wacz(
    stream: BinaryIO, name: str, seek: Seek = seek_none
) -> Iterator[SavedPage | SavedMedium | Flaw | Passed]:
    """The pages of all its WARC files, then the media, as read_warc does it with one.

    Raises InputError when there is none, or they are too large.
    """
    with_media = yield from _pages(stream, name, _warcs(stream, name))
    for member in with_media:  # unpacked once more: there may be too many to keep them all unpacked
        with copied(_label(name, member), _content(stream, member)) as warc:
            yield from read_media(warc, _label(name, member), seek)


def _label(name: str, member: ZipInfo) -> str:
    return f"{name}, {member.filename}"


def _warcs(stream: BinaryIO, name: str) -> list[ZipInfo]:
    try:
        members = ZipFile(_Directory(stream, name)).infolist()
    except (BadZipFile, NotImplementedError, ValueError, OverflowError, OSError) as error:
        raise InputError(f"{name} is a damaged zip: {error}") from None
    if len(members) > MAX_MEMBERS:
        raise InputError(f"{name} has {len(members)} files in it, at most {MAX_MEMBERS} are looked at")
    warcs = [member for member in members if _WARC.fullmatch(member.filename)]
    if not warcs:
        raise NoInput(f"{name} is a zip, but no WACZ: it has no folder `archive` with a WARC file")
    return warcs


class _Directory:
    """A zip file whose directory may be read, unless it says that this is too large to be held in memory."""

    def __init__(self, stream: BinaryIO, name: str):
        self._name = name
        self.seek, self.tell, self.seekable, self._read = (
            stream.seek,
            stream.tell,
            stream.seekable,
            stream.read,
        )

    def read(self, size: int = -1) -> bytes:
        """As a file; raises InputError for more than a directory may have."""
        if size > MAX_DIRECTORY:
            raise InputError(
                f"{self._name} has a directory of {size} bytes, at most {MAX_DIRECTORY} are looked at"
            )
        return self._read(size)


def _pages(
    stream: BinaryIO, name: str, warcs: list[ZipInfo]
) -> Generator[SavedPage | Flaw | Passed, None, list[ZipInfo]]:
    """The pages; those of the WARC files that may hold media are the generator's value.

    All of the WARC files together have at most MAX_WARC bytes unpacked; reading ends with the one that goes
    beyond it.
    """
    left, with_media, over = MAX_WARC, [], _lying_over(warcs)
    for member in warcs:
        try:
            if member in over:
                raise InputError(
                    f"{member.filename} lies over another file of the zip; no program writes that"
                )
            with copied(_label(name, member), _content(stream, member), left) as warc:
                left -= warc.seek(0, 2)
                if (yield from read_pages(warc, _label(name, member))):
                    with_media.append(member)
        except TooLarge:
            words = f"{name} has more than {MAX_WARC} bytes unpacked; split it. Nothing from here on was read"
            yield Flaw(name, member.filename, words)
            break
        except InputError as error:
            yield Flaw(name, member.filename, str(error))
    return with_media


def _lying_over(members: list[ZipInfo]) -> set[ZipInfo]:
    """The members that begin before the one before them ends."""
    found, end = set(), 0
    for member in sorted(members, key=lambda one: one.header_offset):
        if member.header_offset < end:
            found.add(member)
        end = max(end, member.header_offset + _LOCAL.size + member.file_size)
    return found


def _content(stream: BinaryIO, member: ZipInfo) -> Iterator[bytes]:
    """A WARC file's bytes, unpacked. The zip's own check sum is not asked: records have theirs."""
    if member.compress_type != ZIP_STORED:
        raise InputError(f"{member.filename} is packed, which WACZ does not allow; pack it anew without")
    head = b""
    if 0 <= member.header_offset < stream.seek(0, io.SEEK_END):
        stream.seek(member.header_offset)
        head = stream.read(_LOCAL.size)
    mark, name_length, extra_length = _LOCAL.unpack(head) if len(head) == _LOCAL.size else (b"", 0, 0)
    if mark != ZIP:
        raise InputError(f"{member.filename} is not where the zip says; it is damaged")
    start = member.header_offset + _LOCAL.size + name_length + extra_length
    part = io.BufferedReader(_Part(stream, start, member.file_size), PIECE)
    return gunzipped(part) if member.filename.endswith(".gz") else pieces_of(part)


class _Part(io.RawIOBase):
    """Some bytes of a file."""

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
