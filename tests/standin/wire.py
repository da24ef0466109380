"""A page in the two forms it goes over the wire: as it is, and packed by gzip, the shared parts only once."""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"  # gzip, deflate, no name, no time
_LEVEL = 6
SHARED_FROM = 64 * 1024  # bytes: parts of this size are script weight, the same in many pages
BOMB_BLOCK = 1024 * 1024
BOMB_BLOCKS = 1100  # a little over 1 GB unpacked, about 1 MB packed


@dataclass(frozen=True)
class Packed:
    """Content in parts, and all of it in gzip."""

    parts: tuple[bytes, ...]
    gzip: bytes

    @property
    def body(self) -> bytes:
        """The content itself."""
        return b"".join(self.parts)


def pack(parts: Sequence[bytes]) -> Packed:
    """Pack parts into one gzip member. A full flush after each lets a packed part be used again."""
    check, size = 0, 0
    packed = [_HEADER]
    for part in parts:
        check, size = zlib.crc32(part, check), size + len(part)
        packed.append(_shared(part) if len(part) >= SHARED_FROM else _deflate(part))
    packed += [zlib.compressobj(_LEVEL, zlib.DEFLATED, -15).flush(), struct.pack("<II", check, size)]
    return Packed(tuple(parts), b"".join(packed))


def _deflate(part: bytes) -> bytes:
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -15)
    return packer.compress(part) + packer.flush(zlib.Z_FULL_FLUSH)


_shared = lru_cache(maxsize=32)(_deflate)


@lru_cache(maxsize=1)
def bomb() -> bytes:
    """Gzip of more than 1 GB of spaces after the beginning of a page."""
    head, block = b"<!DOCTYPE html><html><head><title></title></head><body>", b" " * BOMB_BLOCK
    check = zlib.crc32(head)
    for _ in range(BOMB_BLOCKS):
        check = zlib.crc32(block, check)
    size = len(head) + BOMB_BLOCK * BOMB_BLOCKS
    end = zlib.compressobj(_LEVEL, zlib.DEFLATED, -15).flush()
    trailer = struct.pack("<II", check, size & 0xFFFFFFFF)
    return b"".join([_HEADER, _deflate(head), _deflate(block) * BOMB_BLOCKS, end, trailer])
