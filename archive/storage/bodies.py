"""Bodies out of the database: each with the reference it needs, proved by its hash."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import NamedTuple

from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from archive.db.engine import BINARY
from archive.db.models import CaptureRow
from archive.domain.captures import Capture
from archive.domain.errors import IntegrityError
from archive.storage.body_codec import (
    AGAINST,
    WHOLE,
    Sketch,
    decode_unverified,
    encode,
    encode_delta,
    likeness,
    size_whole,
    sketch,
    unpack,
    verify_sha256,
)

HELD = 8  # references unpacked in memory while many bodies are read, 3 MB each

Stored = Row[int, bytes, str, bytes, int | None]


class _Reference(NamedTuple):
    name: str
    body: bytes  # not proved by itself: what is made of it is
    sha256: bytes


def body_of(session: Session, capture_id: int) -> bytes:
    """The exact bytes of one capture; raises IntegrityError, which names it, when they cannot be had."""
    ((_, body),) = bodies(session, [capture_id])
    if isinstance(body, IntegrityError):
        raise body
    return body


def bodies(session: Session, ids: Sequence[int]) -> Iterator[tuple[int, bytes | IntegrityError]]:
    """The exact bytes of captures in this order, one body and a few references at a time in memory."""
    reference = lru_cache(HELD)(partial(_reference, session))
    for capture_id in ids:
        row = stored_body(session, capture_id)
        if row is None:
            yield capture_id, IntegrityError(f"there is no capture {capture_id}")
            continue
        try:
            with _named(f"capture {capture_id}"):
                body = _opened(row, reference)
        except IntegrityError as error:
            yield capture_id, error
        else:
            yield capture_id, body


def stored_body(session: Session, capture_id: int) -> Stored | None:
    """What the row of a capture says of its body."""
    row = CaptureRow
    columns = select(row.id, row.body, row.body_encoding, row.sha256, row.reference_id)
    return session.execute(columns.where(row.id == capture_id), execution_options=BINARY).one_or_none()


@contextmanager
def _named(what: str) -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        raise IntegrityError(f"{what}: {error}") from None


def _opened(row: Stored, reference_of: Callable[[int], _Reference]) -> bytes:
    if row.reference_id is None:
        return unpack(row.body, row.body_encoding, row.sha256)
    reference = reference_of(row.reference_id)
    try:
        return unpack(row.body, row.body_encoding, row.sha256, reference.body)
    except IntegrityError:
        with _named(reference.name):  # it may be what is damaged
            verify_sha256(reference.body, reference.sha256)
        raise


def _reference(session: Session, capture_id: int) -> _Reference:
    name = f"its reference, capture {capture_id}"
    row = stored_body(session, capture_id)
    if row is None:
        raise IntegrityError(f"{name}, is missing")
    if row.body_encoding == AGAINST:
        raise IntegrityError(f"{name}, is itself stored against another")
    with _named(name):
        return _Reference(name, decode_unverified(row.body, row.body_encoding), row.sha256)


SMALLEST = 4096  # bytes of a body; below, a frame saves less than its reference takes to be found

RECENT = 1000  # captures looked at for references: their rows without bodies, under 2 ms

KNOWN = 12  # references: some templates, each with pages of several kinds

MAX_HELD = 64 * 1024 * 1024  # bytes of references in memory; a page has 3 MB

MAX_REFERENCE = 16 * 1024 * 1024  # bytes; the cap on a page that is fetched

MAX_TIMES_LARGER = 4  # than the page, or smaller; else more time goes into the reference than into the page

logger = logging.getLogger("archive")


@dataclass(frozen=True, slots=True)
class Reference:
    """A capture to store others against."""

    id: int
    sha256: bytes
    body: bytes
    sketch: Sketch


_held: dict[bytes, tuple[bytes, Sketch]] = {}  # by SHA-256: right in whichever database it is found


class References:
    """What the captures of one transaction may be stored against."""

    def __init__(self, session: Session):
        self._session = session

    @cached_property
    def _known(self) -> list[Reference]:
        known = list(_known(self._session))
        _hold(known)
        return known

    def likely(self, body: bytes) -> list[Reference]:
        """Those of a size that makes sense, the likest first; among equals, the one used last."""
        of = sketch(body)
        fit = [known for known in self._known if _fits(len(body), len(known.body))]
        return sorted(fit, key=lambda known: likeness(of, known.sketch), reverse=True)

    def add(self, capture_id: int, capture: Capture) -> None:
        """A capture that was just stored whole."""
        body = capture.body
        self._known.insert(0, Reference(capture_id, capture.sha256, body, sketch(body)))
        del self._known[KNOWN:]
        while sum(len(known.body) for known in self._known) > MAX_HELD:
            self._known.pop()
        _hold(self._known)


def _hold(references: list[Reference]) -> None:
    _held.clear()
    _held.update({known.sha256: (known.body, known.sketch) for known in references})


def _fits(size: int, reference: int) -> bool:
    return size <= reference * MAX_TIMES_LARGER and reference <= size * MAX_TIMES_LARGER


def _known(session: Session) -> Iterator[Reference]:
    held = 0
    for row in _used_last(session):
        held += row.body_size
        if held > MAX_HELD:
            return
        found = _held.get(row.sha256) or _loaded(session, row.id)
        if found is not None:
            yield Reference(row.id, row.sha256, *found)


def _used_last(session: Session) -> list[Row[tuple[int, bytes, int]]]:
    """Id, hash and size of the references of the newest captures, the one used last first."""
    used = func.coalesce(CaptureRow.reference_id, CaptureRow.id).label("id")
    recent = select(used, CaptureRow.id.label("by"), CaptureRow.body_size)
    by = recent.order_by(CaptureRow.id.desc()).limit(RECENT).subquery()
    last = select(by.c.id, func.max(by.c.by).label("last"))
    last = last.where(by.c.body_size.between(SMALLEST, MAX_REFERENCE)).group_by(by.c.id)
    chosen = last.order_by(func.max(by.c.by).desc()).limit(KNOWN).subquery()
    rows = select(CaptureRow.id, CaptureRow.sha256, CaptureRow.body_size)
    rows = rows.join(chosen, chosen.c.id == CaptureRow.id).order_by(chosen.c.last.desc())
    return list(session.execute(rows))


def _loaded(session: Session, capture_id: int) -> tuple[bytes, Sketch] | None:
    """The body of a reference; None of a damaged one: what comes is stored without it."""
    try:
        body = body_of(session, capture_id)
    except IntegrityError as error:
        logger.error("action=reference_damaged capture=%d reason=%s", capture_id, error)
        return None
    return body, sketch(body)


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


def encode_body(capture: Capture, references: References) -> Packed:
    """Store a body against what is known: whole where no reference saves enough."""
    body = capture.body
    if not SMALLEST <= len(body) <= MAX_REFERENCE:
        return Packed(encode(body), WHOLE)
    likely = references.likely(body)[:TRIES]
    return _further(capture, likely) or Packed(encode(body), WHOLE, is_reference=True)


def _further(capture: Capture, likely: list[Reference]) -> Packed | None:
    if not likely:
        return None
    size = len(capture.gzipped) if capture.gzipped is not None else size_whole(capture.body)
    for reference in likely:
        frame = encode_delta(capture.body, reference.body)
        if len(frame) <= size * MAX_SHARE:
            return Packed(frame, AGAINST, reference.id)
    return None
