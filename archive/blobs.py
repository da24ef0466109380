"""Bodies of captures as they lie in the database: compressed, and proved on every read."""

import gzip
import hashlib
import io
import zlib

import zstandard

from archive.capture import Capture
from archive.errors import IntegrityError

ZSTD, GZIP = "zstd", "gzip"
LEVEL = (
    1  # a 2.9 MB page: 0.5 MB in 6 ms; higher levels cost more than they save until there are dictionaries
)
MAX_BODY = 64 * 1024 * 1024  # bytes unpacked; a page is capped at 16 MB when it is fetched


def packed(capture: Capture) -> dict[str, bytes | str]:
    """The columns `body` and `body_encoding`: as the server sent it where that was gzip, else in zstd."""
    if capture.gzipped is not None:
        return {"body": capture.gzipped, "body_encoding": GZIP}
    return {"body": zstandard.ZstdCompressor(level=LEVEL).compress(capture.body), "body_encoding": ZSTD}


def unpack(body: bytes, encoding: str, sha256: bytes) -> bytes:
    """The exact bytes again; raises IntegrityError when they are not those that were stored."""
    try:
        unpacked = _unpack(body, encoding)
    except (zstandard.ZstdError, OSError, EOFError, zlib.error) as error:
        raise IntegrityError(f"the body cannot be unpacked ({error})") from None
    if hashlib.sha256(unpacked).digest() != sha256:
        raise IntegrityError("the body does not have the hash it was stored with")
    return unpacked


def _unpack(body: bytes, encoding: str) -> bytes:
    match encoding:
        case "zstd":
            if zstandard.frame_content_size(body) > MAX_BODY:  # the limit below does not hold for these
                raise IntegrityError(f"the body says it has more than {MAX_BODY} bytes")
            return zstandard.ZstdDecompressor().decompress(body, max_output_size=MAX_BODY)
        case "gzip":
            with gzip.open(io.BytesIO(body)) as stream:
                return stream.read(MAX_BODY)
    raise IntegrityError(f"the body is stored as {encoding!r}, which this version does not know")
