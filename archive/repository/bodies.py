"""Read page bodies back, each verified by its hash, and find delta bases for new ones."""

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, lru_cache, partial
from typing import Any, NamedTuple, cast

import psycopg
from psycopg.rows import class_row
from sqlalchemy import Row, func, select, update
from sqlalchemy.orm import Session

from archive.db.models import CaptureRow
from archive.domain.captures import Capture
from archive.domain.errors import IntegrityError
from archive.storage.body_codec import (
    DELTA,
    MAX_BASE_SIZE,
    MIN_DELTA_SIZE,
    DeltaBase,
    Signature,
    decode_unverified,
    decode_verified,
    encode_anew,
    signature,
    verify_sha256,
)

DECODED_BASES = 8  # delta bases decoded in memory while many bodies are read, 3 MB each

RECENT_CAPTURES = 1000  # captures searched for delta bases: their rows without bodies, under 2 ms

MAX_BASES = 12  # known at a time: some templates, each with pages of several kinds

MAX_BASE_BYTES = 64 * 1024 * 1024  # of delta bases in memory; a page has 3 MB

logger = logging.getLogger("archive")


class StoredBody(NamedTuple):
    """A body as it is stored."""

    id: int
    body: bytes
    body_encoding: str
    sha256: bytes
    reference_id: int | None


_STORED_BODY = "SELECT id, body, body_encoding, sha256, reference_id FROM captures WHERE id = %s"


class _Base(NamedTuple):
    id: int
    body: bytes  # not verified by itself: what is decoded with it is
    sha256: bytes


def capture_body(session: Session, capture_id: int) -> bytes:
    """Return the exact bytes of a capture. Raises IntegrityError, which names it, if damaged or missing."""
    ((_, body),) = bodies(session, [capture_id])
    if isinstance(body, IntegrityError):
        raise body
    return body


def bodies(session: Session, ids: Sequence[int]) -> Iterator[tuple[int, bytes | IntegrityError]]:
    """Yield the exact bytes of captures in this order, or what is wrong with one.

    One body and at most DECODED_BASES delta bases are in memory at a time.
    """
    load_base = lru_cache(DECODED_BASES)(partial(_load_base, session))
    for capture_id in ids:
        row = _stored_body(session, capture_id)
        if row is None:
            yield capture_id, IntegrityError("archive.capture.missing", id=capture_id)
            continue
        try:
            body = _decode(row, load_base)
        except IntegrityError as error:
            yield capture_id, IntegrityError("archive.capture.damaged", id=capture_id, reason=error.message)
        else:
            yield capture_id, body


def _stored_body(session: Session, capture_id: int) -> StoredBody | None:
    """Fetch a body in binary: as text, in hexadecimal digits, a page takes ten times as long."""
    connection = cast("psycopg.Connection[Any]", session.connection().connection.driver_connection)
    with connection.cursor(binary=True, row_factory=class_row(StoredBody)) as cursor:
        return cursor.execute(_STORED_BODY, (capture_id,)).fetchone()


def _decode(row: StoredBody, load_base: Callable[[int], _Base]) -> bytes:
    if row.reference_id is None:
        return decode_verified(row.body, row.body_encoding, row.sha256)
    base = load_base(row.reference_id)
    try:
        return decode_verified(row.body, row.body_encoding, row.sha256, base.body)
    except IntegrityError:
        try:
            verify_sha256(base.body, base.sha256)
        except IntegrityError as error:
            raise _base_damaged(base.id, error) from None
        raise


def _load_base(session: Session, capture_id: int) -> _Base:
    row = _stored_body(session, capture_id)
    if row is None:
        raise IntegrityError("archive.body.base_missing", id=capture_id)
    if row.body_encoding == DELTA:
        raise IntegrityError("archive.body.base_is_delta", id=capture_id)
    try:
        return _Base(capture_id, decode_unverified(row.body, row.body_encoding), row.sha256)
    except IntegrityError as error:
        raise _base_damaged(capture_id, error) from None


def _base_damaged(capture_id: int, error: IntegrityError) -> IntegrityError:
    return IntegrityError("archive.body.base_damaged", id=capture_id, reason=error.message)


def replace_base(session: Session, ids: Sequence[int]) -> None:
    """Store these captures, deltas against one base, without it: the first whole, the others against it.

    Raises IntegrityError when one of them cannot be read.
    """
    base: DeltaBase | None = None
    for capture_id, body in bodies(session, ids):
        if isinstance(body, IntegrityError):
            raise body
        stored = encode_anew(body, base)
        session.execute(update(CaptureRow).where(CaptureRow.id == capture_id).values(stored.columns))
        if base is None:
            base = DeltaBase(capture_id, hashlib.sha256(body).digest(), body, signature(body))


_decoded: dict[bytes, tuple[bytes, Signature]] = {}  # by SHA-256: right in whichever database it is found


class DeltaBases:
    """The captures that those of one transaction may be stored against, the one used last first."""

    def __init__(self, session: Session):
        self._session = session

    @cached_property
    def known(self) -> list[DeltaBase]:
        """Return at most MAX_BASES bases, loaded at the first call."""
        known = list(_load_recent_bases(self._session))
        _remember(known)
        return known

    def add(self, capture_id: int, capture: Capture) -> None:
        """Add a capture that was just stored whole."""
        self.known.insert(0, DeltaBase(capture_id, capture.sha256, capture.body, signature(capture.body)))
        del self.known[MAX_BASES:]
        while sum(len(base.body) for base in self.known) > MAX_BASE_BYTES:
            self.known.pop()
        _remember(self.known)


def _remember(bases: Sequence[DeltaBase]) -> None:
    """Let the next transaction of this process find these bases decoded."""
    _decoded.clear()
    _decoded.update({base.sha256: (base.body, base.signature) for base in bases})


def _load_recent_bases(session: Session) -> Iterator[DeltaBase]:
    total = 0
    for row in _recent_bases(session):
        total += row.body_size
        if total > MAX_BASE_BYTES:
            return
        decoded = _decoded.get(row.sha256) or _decode_base(session, row.id)
        if decoded is not None:
            yield DeltaBase(row.id, row.sha256, *decoded)


def _recent_bases(session: Session) -> list[Row[tuple[int, bytes, int]]]:
    """Return id, hash and size of the delta bases of the newest captures, the one used last first."""
    base_id = func.coalesce(CaptureRow.reference_id, CaptureRow.id).label("id")
    recent = select(base_id, CaptureRow.id.label("used_by"), CaptureRow.body_size)
    uses = recent.order_by(CaptureRow.id.desc()).limit(RECENT_CAPTURES).subquery()
    last = select(uses.c.id, func.max(uses.c.used_by).label("last"))
    last = last.where(uses.c.body_size.between(MIN_DELTA_SIZE, MAX_BASE_SIZE)).group_by(uses.c.id)
    chosen = last.order_by(func.max(uses.c.used_by).desc()).limit(MAX_BASES).subquery()
    rows = select(CaptureRow.id, CaptureRow.sha256, CaptureRow.body_size)
    rows = rows.join(chosen, chosen.c.id == CaptureRow.id).order_by(chosen.c.last.desc())
    return list(session.execute(rows))


def _decode_base(session: Session, capture_id: int) -> tuple[bytes, Signature] | None:
    """Decode a delta base; return None for a damaged one: new captures are stored without it."""
    try:
        body = capture_body(session, capture_id)
    except IntegrityError as error:
        fields = {"action": "reference_damaged", "capture": capture_id, "reason": str(error)}
        logger.error("delta base damaged", extra=fields)
        return None
    return body, signature(body)
