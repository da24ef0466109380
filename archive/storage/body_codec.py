"""Encode a page body as one zstd frame, whole or as a delta against another body; decode it within bounds."""

import gzip
import hashlib
import io
import re
import sys
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from archive.domain.captures import CaptureData
from archive.domain.errors import IntegrityError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

GZIP, WHOLE, DELTA = "gzip", "zstd", "zstd-prefix"  # values of bodies.codec

MAX_BODY_BYTES = 64 * 1024 * 1024  # bytes decoded; a page is capped at 16 MB when it is fetched

MAX_WINDOW_LOG = 27  # 128 MB: a body and its delta base together; zstd's command asks for --long=27 with it

MIN_WINDOW_LOG = 20

DELTA_LEVEL = 3  # 590 MB/s as a delta; 1 and 5 take more space, and 5 takes three times as long

WHOLE_LEVEL = (
    6  # 160 MB/s, a tenth less than 3; 9 takes half as long again for 2 %, 19 a second a page for 6 %
)

# Finds what a body shares with its delta base however far apart. A hash of 2^18 places, one in 64 positions,
# holds 16 MB. Twice as fast as one place in 16, for 3 % more bytes.
_LONG_MATCHES: dict[int, int] = {
    zstd.CompressionParameter.compression_level: DELTA_LEVEL,
    zstd.CompressionParameter.enable_long_distance_matching: 1,
    zstd.CompressionParameter.ldm_hash_log: 18,
    zstd.CompressionParameter.ldm_min_match: 32,
    zstd.CompressionParameter.ldm_hash_rate_log: 6,
}

_BOUNDED: dict[int, int] = {zstd.DecompressionParameter.window_log_max: MAX_WINDOW_LOG}


def encode(body: bytes) -> bytes:
    """Encode a body on its own."""
    return zstd.compress(body, WHOLE_LEVEL)


def size_whole(body: bytes) -> int:
    """Estimate the size in bytes of what `encode` returns, in a third of its time."""
    return len(zstd.compress(body, DELTA_LEVEL))


def encode_delta(body: bytes, base: bytes) -> bytes:
    """Encode what `base` does not hold of a body; decoding needs the same base."""
    window = (len(body) + len(base)).bit_length()
    window = min(max(window, MIN_WINDOW_LOG), MAX_WINDOW_LOG)
    options = _LONG_MATCHES | {zstd.CompressionParameter.window_log: window}
    return zstd.compress(body, options=options, zstd_dict=_prefix(base))


def decode_verified(stored: bytes, encoding: str, sha256: bytes, base: bytes | None = None) -> bytes:
    """Return the exact bytes of a body. Raises IntegrityError when they are not those that were stored."""
    body = decode_unverified(stored, encoding, base)
    verify_sha256(body, sha256)
    return body


def verify_sha256(body: bytes, sha256: bytes) -> None:
    """Raise IntegrityError when the bytes do not have this hash."""
    if hashlib.sha256(body).digest() != sha256:
        raise IntegrityError("archive.body.wrong_hash")


def decode_unverified(stored: bytes, encoding: str, base: bytes | None = None) -> bytes:
    """Decode a body without checking its hash. Raises IntegrityError when nothing can be decoded."""
    try:
        return _decode(stored, encoding, base)
    except (zstd.ZstdError, OSError, EOFError, ValueError, zlib.error) as error:
        raise IntegrityError("archive.body.not_decodable", reason=str(error)) from None


def _decode(stored: bytes, encoding: str, base: bytes | None) -> bytes:
    if encoding == DELTA and base is None:
        raise IntegrityError("archive.body.without_base", encoding=encoding)
    if encoding != DELTA and base is not None:
        raise IntegrityError("archive.body.with_base", encoding=encoding)
    match encoding:
        case "gzip":
            with gzip.open(io.BytesIO(stored)) as stream:
                return stream.read(MAX_BODY_BYTES)
        case "zstd" | "zstd-prefix":
            return _decode_frame(stored, base)
    raise IntegrityError("archive.body.unknown_encoding", encoding=encoding)


def _decode_frame(stored: bytes, base: bytes | None) -> bytes:
    dictionary = None if base is None else _prefix(base)
    frame = zstd.ZstdDecompressor(dictionary, _BOUNDED)
    body = frame.decompress(stored, max_length=MAX_BODY_BYTES)
    if not frame.eof:
        if len(body) == MAX_BODY_BYTES:
            raise IntegrityError("archive.body.too_large", limit=MAX_BODY_BYTES)
        raise IntegrityError("archive.body.truncated")
    if frame.unused_data:
        raise IntegrityError("archive.body.trailing_data")
    return body


def _prefix(base: bytes) -> tuple[zstd.ZstdDict, int]:
    return zstd.ZstdDict(base, is_raw=True).as_prefix


Signature = frozenset[int]

# Samples begin at byte strings that scripts and markup of every page are full of: equal code gives equal
# samples wherever it stands in a page, and another build of a script gives others. Each pattern begins with
# literal bytes, which `re` searches at a gigabyte a second.
_SAMPLES = (re.compile(rb"function.{120}", re.DOTALL), re.compile(rb'="[a-z].{120}', re.DOTALL))


def signature(body: bytes) -> Signature:
    """Return the hashes of samples of a body: a few thousand for 3 MB, comparable within this process."""
    return frozenset().union(*(map(hash, pattern.findall(body)) for pattern in _SAMPLES))


def similarity(page: Signature, base: Signature) -> float:
    """Return the share of the page's samples that the base has as well, from 0 to 1."""
    return len(page & base) / len(page) if page else 0.0


MIN_DELTA_SIZE = 4096  # bytes of a body; below, a delta saves less than finding its base costs

MAX_BASE_SIZE = 16 * 1024 * 1024  # bytes; the cap on a page that is fetched

MAX_SIZE_RATIO = 4  # of page and base either way; beyond it the base costs more time than the page

# A delta may take this share of what the page takes whole (in gzip as served, else in zstd). More means that
# the template has changed: a page of it as a new base pays for itself within a dozen pages. It is below a
# tenth because a server's fastest gzip is 22 % larger than that of a WARC writer.
MAX_DELTA_SHARE = 0.08

MAX_TRIES = 2  # bases tried, 5 ms each: the most similar, and the next when that one is not enough


@dataclass(frozen=True, slots=True)
class DeltaBase:
    """A body, stored whole, that others may be stored against."""

    sha256: bytes
    body: bytes
    signature: Signature


@dataclass(frozen=True, slots=True)
class EncodedBody:
    """The columns of a stored body, and whether other bodies may be stored against it."""

    data: bytes
    codec: str
    base_sha256: bytes | None = None
    is_delta_base: bool = False

    @property
    def columns(self) -> dict[str, bytes | str | None]:
        """Return the values by the names of their columns in `bodies`."""
        return {"data": self.data, "codec": self.codec, "base_sha256": self.base_sha256}


def encode_body(capture: CaptureData, bases: Sequence[DeltaBase]) -> EncodedBody:
    """Encode a body as a delta against one of the bases, or whole where none of them saves enough."""
    if not MIN_DELTA_SIZE <= len(capture.body) <= MAX_BASE_SIZE:
        return EncodedBody(encode(capture.body), WHOLE)
    for base in _most_similar(capture.body, bases)[:MAX_TRIES]:
        delta = encode_delta(capture.body, base.body)
        if len(delta) <= _whole_size(capture) * MAX_DELTA_SHARE:
            return EncodedBody(delta, DELTA, base.sha256)
    return EncodedBody(encode(capture.body), WHOLE, is_delta_base=True)


def encode_anew(body: bytes, base: DeltaBase | None) -> EncodedBody:
    """Encode a body that is stored already, as a delta against a base where that takes less than half."""
    whole = encode(body)
    if base is None or not MIN_DELTA_SIZE <= len(body) <= MAX_BASE_SIZE:
        return EncodedBody(whole, WHOLE)
    delta = encode_delta(body, base.body)
    if len(delta) * 2 < len(whole):
        return EncodedBody(delta, DELTA, base.sha256)
    return EncodedBody(whole, WHOLE)


def _most_similar(body: bytes, bases: Sequence[DeltaBase]) -> list[DeltaBase]:
    """Return the bases of a fitting size, the most similar first; equal ones stay in their order."""
    fitting = [base for base in bases if _fits(len(body), len(base.body))]
    if len(fitting) < 2:
        return fitting
    own = signature(body)
    return sorted(fitting, key=lambda base: similarity(own, base.signature), reverse=True)


def _fits(size: int, base_size: int) -> bool:
    return size <= base_size * MAX_SIZE_RATIO and base_size <= size * MAX_SIZE_RATIO


def _whole_size(capture: CaptureData) -> int:
    return len(capture.gzipped) if capture.gzipped is not None else size_whole(capture.body)
