"""Choose how a page body is stored: on its own, or as a delta against the body of an earlier capture."""

from collections.abc import Sequence
from dataclasses import dataclass

from archive.domain.captures import Capture
from archive.storage.body_codec import (
    DELTA,
    WHOLE,
    Signature,
    encode,
    encode_delta,
    signature,
    similarity,
    size_whole,
)

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
    """A capture, stored whole, that others may be stored against."""

    id: int
    sha256: bytes
    body: bytes
    signature: Signature


@dataclass(frozen=True, slots=True)
class EncodedBody:
    """The columns of a stored body, and whether other bodies may be stored against it."""

    body: bytes
    encoding: str
    reference_id: int | None = None
    is_delta_base: bool = False

    @property
    def columns(self) -> dict[str, bytes | str | int | None]:
        """Return the values by the names of their columns in `captures`."""
        return {"body": self.body, "body_encoding": self.encoding, "reference_id": self.reference_id}


def encode_body(capture: Capture, bases: Sequence[DeltaBase]) -> EncodedBody:
    """Encode a body as a delta against one of the bases, or whole where none of them saves enough."""
    if not MIN_DELTA_SIZE <= len(capture.body) <= MAX_BASE_SIZE:
        return EncodedBody(encode(capture.body), WHOLE)
    for base in _most_similar(capture.body, bases)[:MAX_TRIES]:
        delta = encode_delta(capture.body, base.body)
        if len(delta) <= _whole_size(capture) * MAX_DELTA_SHARE:
            return EncodedBody(delta, DELTA, base.id)
    return EncodedBody(encode(capture.body), WHOLE, is_delta_base=True)


def _most_similar(body: bytes, bases: Sequence[DeltaBase]) -> list[DeltaBase]:
    """Return the bases of a fitting size, the most similar first; equal ones stay in their order."""
    own = signature(body)
    fitting = [base for base in bases if _fits(len(body), len(base.body))]
    return sorted(fitting, key=lambda base: similarity(own, base.signature), reverse=True)


def _fits(size: int, base_size: int) -> bool:
    return size <= base_size * MAX_SIZE_RATIO and base_size <= size * MAX_SIZE_RATIO


def _whole_size(capture: Capture) -> int:
    return len(capture.gzipped) if capture.gzipped is not None else size_whole(capture.body)
