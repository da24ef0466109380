"""Bodies out of the database: each with the reference it needs, proved by its hash."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import NamedTuple

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from archive.binary import BINARY
from archive.bodies.frames import AGAINST, prove, unpack, unproved
from archive.errors import IntegrityError
from archive.models import CaptureRow

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
            prove(reference.body, reference.sha256)
        raise


def _reference(session: Session, capture_id: int) -> _Reference:
    name = f"its reference, capture {capture_id}"
    row = stored_body(session, capture_id)
    if row is None:
        raise IntegrityError(f"{name}, is missing")
    if row.body_encoding == AGAINST:
        raise IntegrityError(f"{name}, is itself stored against another")
    with _named(name):
        return _Reference(name, unproved(row.body, row.body_encoding), row.sha256)
