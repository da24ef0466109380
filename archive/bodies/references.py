"""The captures that bodies are stored against: which there are, and their bytes in memory.

The database says which there are, each time anew: those that the newest captures are stored against, or are.
So a crawl, another process and a transaction that was rolled back never disagree about a reference, and one
that is no longer used is forgotten. A process keeps only their bytes, under their hashes.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from archive.bodies.reading import body_of
from archive.bodies.sketch import Sketch, likeness, sketch
from archive.capture import Capture
from archive.errors import IntegrityError
from archive.models import CaptureRow

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
