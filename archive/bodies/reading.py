"""Bodies out of the database: each with the reference it needs, both proved by their hashes."""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial

from sqlalchemy import select
from sqlalchemy.orm import Session

from archive.bodies.frames import AGAINST, unpack
from archive.errors import IntegrityError
from archive.models import CaptureRow

HELD = 8  # references unpacked in memory while many bodies are read, 3 MB each


def bodies(session: Session, ids: Sequence[int]) -> Iterator[tuple[int, bytes | IntegrityError]]:
    """The exact bytes of captures in this order, one body and a few references at a time in memory."""
    reference = lru_cache(HELD)(partial(_reference, session))
    for capture_id in ids:
        try:
            row = session.get(CaptureRow, capture_id, populate_existing=True)
            if row is None:
                raise IntegrityError(f"there is no capture {capture_id}")
            yield capture_id, _opened(row, reference)
        except IntegrityError as error:
            yield capture_id, error


def body_of(session: Session, row: CaptureRow) -> bytes:
    """The exact bytes of one capture; raises IntegrityError, which names it, when they are damaged."""
    return _opened(row, partial(_reference, session))


def _opened(row: CaptureRow, reference_of: Callable[[int], bytes]) -> bytes:
    try:
        reference = None if row.reference_id is None else reference_of(row.reference_id)
        return unpack(row.body, row.body_encoding, row.sha256, reference)
    except IntegrityError as error:
        raise IntegrityError(f"capture {row.id}: {error}") from None


def _reference(session: Session, capture_id: int) -> bytes:
    columns = select(CaptureRow.body, CaptureRow.body_encoding, CaptureRow.sha256)
    row = session.execute(columns.where(CaptureRow.id == capture_id)).one_or_none()
    if row is None:
        raise IntegrityError(f"its reference, capture {capture_id}, is missing")
    if row.body_encoding == AGAINST:
        raise IntegrityError(f"its reference, capture {capture_id}, is itself stored against another")
    try:
        return unpack(row.body, row.body_encoding, row.sha256)
    except IntegrityError as error:
        raise IntegrityError(f"its reference, capture {capture_id}: {error}") from None
