"""Bodies of captures as they lie in the database: compressed, and proved on every read."""

import hashlib

import zstandard

from archive.errors import IntegrityError

ENCODING = "zstd"
LEVEL = (
    1  # a 2.9 MB page: 0.5 MB in 6 ms; higher levels cost more than they save until there are dictionaries
)
MAX_BODY = 64 * 1024 * 1024  # bytes unpacked; a page is capped at 16 MB when it is fetched


def pack(body: bytes) -> bytes:
    """Compress a body for its column."""
    return zstandard.ZstdCompressor(level=LEVEL).compress(body)


def unpack(packed: bytes, encoding: str, sha256: bytes) -> bytes:
    """The exact bytes again; raises IntegrityError when they are not those that were stored."""
    if encoding != ENCODING:
        raise IntegrityError(f"the body is stored as {encoding!r}, which this version does not know")
    try:
        body = zstandard.ZstdDecompressor().decompress(packed, max_output_size=MAX_BODY)
    except zstandard.ZstdError as error:
        raise IntegrityError(f"the body cannot be unpacked ({error})") from None
    if hashlib.sha256(body).digest() != sha256:
        raise IntegrityError("the body does not have the hash it was stored with")
    return body
