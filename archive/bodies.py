"""Bodies of captures, small on disk and exact on return."""

import zstandard

from archive.errors import BodyDamaged

LEVEL = 1  # a 2.5 MB page packs to a tenth in about 8 ms; level 3 takes twice that for 5 % less
MAX_BODY = 64 * 1024 * 1024  # bytes unpacked; a page is capped at 16 MiB when fetched
ZSTD, IDENTITY = "zstd", "identity"


def pack(body: bytes) -> tuple[str, bytes]:
    """Encoding and bytes to store; raises ValueError for a body over MAX_BODY."""
    if len(body) > MAX_BODY:
        raise ValueError(f"a body of {len(body)} bytes is over the {MAX_BODY} an archive keeps")
    packed = zstandard.ZstdCompressor(level=LEVEL, write_checksum=False).compress(body)
    return (ZSTD, packed) if len(packed) < len(body) else (IDENTITY, body)


def unpack(encoding: str, stored: bytes, size: int) -> bytes:
    """The body of exactly `size` bytes; raises BodyDamaged when that is not what is stored."""
    body = stored if encoding == IDENTITY else _decompress(stored, size)
    if len(body) != size:
        raise BodyDamaged(f"{len(body)} bytes are stored where {size} were kept")
    return body


def _decompress(stored: bytes, size: int) -> bytes:
    try:
        if zstandard.frame_content_size(stored) != size or size > MAX_BODY:
            raise BodyDamaged(f"the stored frame does not announce the {size} bytes that were kept")
        return zstandard.ZstdDecompressor().decompress(stored)
    except zstandard.ZstdError as error:
        raise BodyDamaged(f"the stored bytes cannot be unpacked ({error})") from error
