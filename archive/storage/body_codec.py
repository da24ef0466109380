"""A body in one zstd frame, alone or against the bytes of another; and out of it again, within bounds."""

import gzip
import hashlib
import io
import re
import zlib

from backports import zstd

from archive.domain.errors import IntegrityError

GZIP, WHOLE, AGAINST = "gzip", "zstd", "zstd-prefix"  # values of captures.body_encoding

MAX_BODY = 64 * 1024 * 1024  # bytes unpacked; a page is capped at 16 MB when it is fetched

MAX_WINDOW_LOG = 27  # 128 MB: a body and its reference together; zstd's command asks for --long=27 with it

MIN_WINDOW_LOG = 20

LEVEL = 3  # 590 MB/s against a reference; 1 and 5 store more than it, and 5 takes three times as long

LEVEL_WHOLE = (
    6  # 160 MB/s, a tenth less than 3; 9 takes half as long again for 2 %, 19 a second a page for 6 %
)

# Finds what a body shares with its reference however far apart. A hash of 2^18 places, one in 64 positions,
# holds 16 MB. Twice as fast as one place in 16, for 3 % more bytes.
_LONG_MATCHES: dict[int, int] = {
    zstd.CompressionParameter.compression_level: LEVEL,
    zstd.CompressionParameter.enable_long_distance_matching: 1,
    zstd.CompressionParameter.ldm_hash_log: 18,
    zstd.CompressionParameter.ldm_min_match: 32,
    zstd.CompressionParameter.ldm_hash_rate_log: 6,
}

_BOUNDED: dict[int, int] = {zstd.DecompressionParameter.window_log_max: MAX_WINDOW_LOG}


def encode(body: bytes) -> bytes:
    """The body in a frame that needs nothing else."""
    return zstd.compress(body, LEVEL_WHOLE)


def size_whole(body: bytes) -> int:
    """About as many bytes as `whole` makes of it, three times as fast."""
    return len(zstd.compress(body, LEVEL))


def encode_delta(body: bytes, reference: bytes) -> bytes:
    """The body in a frame that holds what `reference` does not; it is needed to unpack it."""
    window = (len(body) + len(reference)).bit_length()
    window = min(max(window, MIN_WINDOW_LOG), MAX_WINDOW_LOG)
    options = _LONG_MATCHES | {zstd.CompressionParameter.window_log: window}
    return zstd.compress(body, options=options, zstd_dict=_prefix(reference))


def unpack(stored: bytes, encoding: str, sha256: bytes, reference: bytes | None = None) -> bytes:
    """The exact bytes again; raises IntegrityError when they are not those that were stored."""
    body = decode_unverified(stored, encoding, reference)
    verify_sha256(body, sha256)
    return body


def verify_sha256(body: bytes, sha256: bytes) -> None:
    """Raise IntegrityError when these are not the bytes of this hash."""
    if hashlib.sha256(body).digest() != sha256:
        raise IntegrityError("the body does not have the hash it was stored with")


def decode_unverified(stored: bytes, encoding: str, reference: bytes | None = None) -> bytes:
    """What is in the stored bytes, whether or not it is what was; raises IntegrityError without any."""
    try:
        return _unpack(stored, encoding, reference)
    except (zstd.ZstdError, OSError, EOFError, ValueError, zlib.error) as error:
        raise IntegrityError(f"the body cannot be unpacked ({error})") from None


def _unpack(stored: bytes, encoding: str, reference: bytes | None) -> bytes:
    if (encoding == AGAINST) != (reference is not None):
        has = "no" if reference is None else "a"
        raise IntegrityError(f"the body is stored as {encoding!r} and has {has} reference")
    match encoding:
        case "gzip":
            with gzip.open(io.BytesIO(stored)) as stream:
                return stream.read(MAX_BODY)
        case "zstd" | "zstd-prefix":
            return _of_frame(stored, reference)
    raise IntegrityError(f"the body is stored as {encoding!r}, which this version does not know")


def _of_frame(stored: bytes, reference: bytes | None) -> bytes:
    dictionary = None if reference is None else _prefix(reference)
    frame = zstd.ZstdDecompressor(dictionary, _BOUNDED)
    body = frame.decompress(stored, max_length=MAX_BODY)
    if not frame.eof:
        told = f"it has more than {MAX_BODY} bytes" if len(body) == MAX_BODY else "its end is missing"
        raise IntegrityError(f"the body cannot be unpacked ({told})")
    if frame.unused_data:
        raise IntegrityError("the body cannot be unpacked (something follows it)")
    return body


def _prefix(reference: bytes) -> tuple[zstd.ZstdDict, int]:
    return zstd.ZstdDict(reference, is_raw=True).as_prefix


Sketch = frozenset[int]

# What stands behind a word that scripts and markup of any page are full of: the same words fall into the
# sample wherever they stand in a page, and another build of a script has others. Each begins with letters
# and not with a class, by which `re` looks for them at a gigabyte a second.
_SAMPLES = (re.compile(rb"function.{120}", re.DOTALL), re.compile(rb'="[a-z].{120}', re.DOTALL))


def sketch(body: bytes) -> Sketch:
    """Hashes of the samples, as this process hashes: a few thousand of a page of 3 MB."""
    return frozenset().union(*(map(hash, pattern.findall(body)) for pattern in _SAMPLES))


def likeness(page: Sketch, reference: Sketch) -> float:
    """Which share of the page's samples the reference has as well, 0 to 1."""
    return len(page & reference) / len(page) if page else 0.0
