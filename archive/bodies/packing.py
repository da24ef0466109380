"""How a body is stored: against the reference it is likest to, or whole, and then others against it."""

from dataclasses import dataclass

from archive.bodies.frames import AGAINST, WHOLE, against, size_whole, whole
from archive.bodies.references import MAX_REFERENCE, SMALLEST, Reference, References
from archive.capture import Capture

# What a further page may take of what it takes whole (in gzip as served, else in zstd). More means that the
# template has moved: a page of it as a new reference pays for itself within a dozen pages. It is below a
# tenth because a server's fastest gzip is 22 % larger than that of a WARC writer.
MAX_SHARE = 0.08
TRIES = 2  # references tried for real, 5 ms each: the likest, and the next when that one is not enough


@dataclass(frozen=True, slots=True)
class Packed:
    """The columns of a body, and whether others may be stored against it."""

    body: bytes
    encoding: str
    reference_id: int | None = None
    is_reference: bool = False

    @property
    def columns(self) -> dict[str, bytes | str | int | None]:
        """By the names they have in `captures`."""
        return {"body": self.body, "body_encoding": self.encoding, "reference_id": self.reference_id}


def packed(capture: Capture, references: References) -> Packed:
    """Store a body against what is known: whole where no reference saves enough."""
    body = capture.body
    if not SMALLEST <= len(body) <= MAX_REFERENCE:
        return Packed(whole(body), WHOLE)
    likely = references.likely(body)[:TRIES]
    return _further(capture, likely) or Packed(whole(body), WHOLE, is_reference=True)


def _further(capture: Capture, likely: list[Reference]) -> Packed | None:
    if not likely:
        return None
    size = len(capture.gzipped) if capture.gzipped is not None else size_whole(capture.body)
    for reference in likely:
        frame = against(capture.body, reference.body)
        if len(frame) <= size * MAX_SHARE:
            return Packed(frame, AGAINST, reference.id)
    return None
