"""Unpacking gzip a piece at a time. Of a WARC file, which has a member for each record, damage costs one."""

import zlib
from collections import deque
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
# Where a member broke off. No record ends before it, so that the one in there is not taken for whole.
_BREAK = b"\r\n\r\n(damaged)\r\n\r\n"
LOST = b"WARC/0.0\r\nLost: all of a damaged member\r\n\r\n"  # stands for a record of which nothing came out


class DamagedGzip(Exception):
    """The rest cannot be unpacked; `rest`: packed bytes from its member's beginning, or later."""

    def __init__(self, rest: bytes):
        super().__init__("gzip is damaged")
        self.rest = rest


def gunzipped(raw: BinaryIO) -> Iterator[bytes]:
    """The content, in pieces of at most PIECE bytes; raises DamagedGzip unless it is a WARC file's."""
    rest, is_warc = raw.read(PIECE), None
    while rest:
        is_begun = False
        try:
            for piece in (member := _Member(raw, rest)):
                is_warc = piece.startswith(MARK) if is_warc is None else is_warc
                is_begun = is_begun or len(piece) > len(LOST)
                yield piece
            rest = member.behind
        except DamagedGzip as damage:
            rest = b"" if is_warc is False else _next_record(raw, damage.rest)
            if not is_warc and not rest:
                raise
            yield _BREAK if is_begun else b"\r\n\r\n" + LOST if is_warc else LOST
            is_warc = True


class _Member:
    """One member's content, in pieces; afterwards `behind` holds what follows, empty at the end."""

    def __init__(self, raw: BinaryIO, rest: bytes):
        self._raw, self._rest = raw, rest
        self.behind = b""

    def __iter__(self) -> Generator[bytes, None, None]:
        member, rest = zlib.decompressobj(_GZIP), self._rest
        fed = deque([rest])
        while not member.eof:
            try:
                piece = member.decompress(rest, PIECE)
            except zlib.error:
                raise DamagedGzip(b"".join(fed)) from None
            if piece:
                yield piece
            rest = member.unconsumed_tail or (b"" if member.eof else self._more(fed))
            if not rest and not member.eof:
                raise DamagedGzip(b"".join(fed))
        self.behind = member.unused_data.lstrip(b"\0") or self._raw.read(PIECE).lstrip(b"\0")  # some pad

    def _more(self, fed: deque[bytes]) -> bytes:
        fed.append(self._raw.read(PIECE))
        while len(fed) > _SEARCHED_AGAIN // PIECE:
            fed.popleft()
        return fed[-1]


def _next_record(raw: BinaryIO, rest: bytes) -> bytes:
    """The packed bytes from the next member on that holds a record; empty when there is none."""
    rest = rest[1:]
    while True:
        at = rest.find(MAGIC)
        if at < 0:
            more = raw.read(PIECE)
            if not more:
                return b""
            rest = rest[-len(MAGIC) :] + more
            continue
        candidate = rest[at:] if len(rest) - at >= _TRIED else rest[at:] + raw.read(PIECE)
        if _holds_record(candidate[:_TRIED]):
            return candidate
        rest = candidate[1:]


def _holds_record(packed: bytes) -> bool:
    try:
        return zlib.decompressobj(_GZIP).decompress(packed, len(MARK)) == MARK
    except zlib.error:
        return False
