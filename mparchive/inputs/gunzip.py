"""Unpacking gzip a piece at a time. Of a WARC file, which has a member for each record, damage costs one."""

import zlib
from collections.abc import Generator, Iterator
from typing import BinaryIO

PIECE = 1024 * 1024  # bytes, packed or unpacked, at a time
MAGIC = b"\x1f\x8b\x08"
MARK = b"WARC/"  # every record of a WARC file begins with it
_GZIP = 16 + zlib.MAX_WBITS
# Bytes of a member that are searched once more when it turns out to be damaged: by then it may have swallowed
# the next ones. More than any page packed.
_SEARCHED_AGAIN = 16 * PIECE
_TRIED = 512  # bytes of a member that tell whether a record is in it
_FED = 512  # bytes given to the unpacker at first; few, for a forged member breaks off soon
# How often the file's size may be searched again all in all. Damage of real files takes it once or twice.
_TIMES_AGAIN = 16
# Where a member broke off. No record ends before it, so that the one in there is not taken for whole.
_BREAK = b"\r\n\r\n(damaged)\r\n\r\n"
LOST = b"WARC/0.0\r\nLost: all of a damaged member\r\n\r\n"  # stands for a record of which nothing came out


class DamagedGzip(Exception):
    """A member cannot be unpacked."""


class _Packed:
    """The packed bytes by their place in the file; the latest can be read once more, without a seek."""

    def __init__(self, raw: BinaryIO):
        self._raw, self._buffer, self.start = raw, bytearray(), 0

    @property
    def end(self) -> int:
        """How far the file has been read."""
        return self.start + len(self._buffer)

    def at(self, place: int, size: int) -> bytes:
        """Up to `size` bytes from a place that is no earlier than `start`; empty at the end."""
        while self.end < place + size and self._more():
            pass
        offset = place - self.start
        return bytes(self._buffer[offset : offset + size])

    def find(self, mark: bytes, place: int) -> int:
        """Where the mark stands at or behind a place; -1 where it does not."""
        while (found := self._buffer.find(mark, max(0, place - self.start))) < 0:
            place = max(place, self.end - len(mark) + 1)
            if not self._more():
                return -1
        return self.start + found

    def _more(self) -> bool:
        if len(self._buffer) > 2 * _SEARCHED_AGAIN:
            spare = len(self._buffer) - _SEARCHED_AGAIN
            del self._buffer[:spare]
            self.start += spare
        piece = self._raw.read(PIECE)
        self._buffer += piece
        return bool(piece)


def gunzipped(raw: BinaryIO) -> Iterator[bytes]:
    """The content, in pieces of at most PIECE bytes; raises DamagedGzip unless it is a WARC file's.

    The time grows with what is read and unpacked: damaged members are searched for others only as long as
    that reads no more than _TIMES_AGAIN times the file.
    """
    packed, place, searched_again, is_warc = _Packed(raw), 0, 0, None
    while packed.at(place, 1):
        member, is_begun = _Member(packed, place), False
        try:
            for piece in member:
                is_warc = piece.startswith(MARK) if is_warc is None else is_warc
                is_begun = is_begun or len(piece) > len(LOST)
                yield piece
            place = member.behind()
        except DamagedGzip:
            begin = max(place + 1, packed.start)
            if searched_again > _TIMES_AGAIN * packed.end:
                begin = max(begin, member.place)
            searched_again += max(0, member.place - begin)
            place = -1 if is_warc is False else _next_record(packed, begin)
            if place < 0:
                if not is_warc:
                    raise
                place = packed.end
            yield _BREAK if is_begun else b"\r\n\r\n" + LOST if is_warc else LOST
            is_warc = True


class _Member:
    """One member's content, in pieces; `place` is how far it was read."""

    def __init__(self, packed: _Packed, place: int):
        self._packed, self.place = packed, place

    def __iter__(self) -> Generator[bytes, None, None]:
        member, fed, rest = zlib.decompressobj(_GZIP), _FED, b""
        while not member.eof:
            if not rest:
                rest = self._packed.at(self.place, fed)
                self.place += len(rest)
                fed = min(PIECE, 2 * fed)
                if not rest:
                    raise DamagedGzip("gzip ends in the middle")
            try:
                piece = member.decompress(rest, PIECE)
            except zlib.error:
                raise DamagedGzip("gzip is damaged") from None
            if piece:
                yield piece
            rest = member.unconsumed_tail
        self.place -= len(member.unused_data)

    def behind(self) -> int:
        """Where the next member begins, or the file ends; some writers pad with zeros."""
        while piece := self._packed.at(self.place, _FED):
            filled = len(piece.lstrip(b"\0"))
            self.place += len(piece) - filled
            if filled:
                break
        return self.place


def _next_record(packed: _Packed, place: int) -> int:
    """Where the next member begins that holds a record, at or behind a place; -1 where there is none."""
    while (place := packed.find(MAGIC, place)) >= 0:
        if _holds_record(packed.at(place, _TRIED)):
            return place
        place += 1
    return -1


def _holds_record(packed: bytes) -> bool:
    try:
        return zlib.decompressobj(_GZIP).decompress(packed, len(MARK)) == MARK
    except zlib.error:
        return False
