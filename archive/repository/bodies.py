"""Store page bodies, each once, and read them back verified by their hash; find delta bases for new ones."""

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache, partial
from typing import Any, LiteralString, NamedTuple, cast

import psycopg
from psycopg.rows import class_row
from sqlalchemy import (
    ARRAY,
    BigInteger,
    LargeBinary,
    all_,
    any_,
    delete,
    func,
    literal,
    select,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session, aliased

from archive.db.models import Body, Capture
from archive.domain.captures import CaptureData
from archive.domain.errors import IntegrityError
from archive.storage.body_codec import (
    DELTA,
    MAX_BASE_SIZE,
    MIN_DELTA_SIZE,
    DeltaBase,
    EncodedBody,
    Signature,
    decode_unverified,
    decode_verified,
    encode_anew,
    encode_body,
    signature,
    verify_sha256,
)

DECODED_BASES = 8  # delta bases decoded in memory while many bodies are read, 3 MB each

RECENT_CAPTURES = 1000  # captures searched for delta bases, without reading bodies

MAX_BASES = 12  # known at a time: some templates, each with pages of several kinds

MAX_BASE_BYTES = 64 * 1024 * 1024  # of delta bases in memory; a page has 3 MB

logger = logging.getLogger("archive")


class StoredBody(NamedTuple):
    """A body as it is stored; `data` and `codec` are None where it is missing."""

    sha256: bytes
    data: bytes | None
    codec: str | None
    base_sha256: bytes | None


_OF_CAPTURE = (
    "SELECT c.sha256, b.data, b.codec, b.base_sha256"
    " FROM captures c LEFT JOIN bodies b ON b.sha256 = c.sha256 WHERE c.id = %s"
)

_BY_HASH = "SELECT sha256, data, codec, base_sha256 FROM bodies WHERE sha256 = %s"


class _Base(NamedTuple):
    sha256: bytes
    body: bytes  # not verified by itself: what is decoded with it is


def store_bodies(session: Session, captures: Sequence[CaptureData]) -> None:
    """Store the bodies of captures that are not stored yet, each once.

    They are inserted in the order of their hashes, so that no two processes wait for each other.
    """
    new = {capture.sha256: capture for capture in captures}
    known = select(Body.sha256).where(Body.sha256.in_(new))
    for sha256 in session.scalars(known):
        del new[sha256]
    if not new:
        return
    encoded = _encode(session, new.values())
    rows = [{"sha256": sha256, **encoded[sha256].columns} for sha256 in sorted(encoded)]
    # One statement: a body and its base may come in any order, as the reference is checked at its end.
    insert = postgresql.insert(Body).values(rows).on_conflict_do_nothing().returning(Body.sha256)
    inserted = session.scalars(insert).all()
    _replace_delta_bases(session, new, [sha256 for sha256 in inserted if encoded[sha256].base_sha256])


def _encode(session: Session, captures: Iterable[CaptureData]) -> dict[bytes, EncodedBody]:
    bases, encoded = DeltaBases(session), {}
    for capture in captures:
        body = encode_body(capture, bases.known)
        encoded[capture.sha256] = body
        if body.is_delta_base:  # the rest of this batch may be stored against it
            bases.add(capture)
    return encoded


def _replace_delta_bases(session: Session, new: Mapping[bytes, CaptureData], deltas: Sequence[bytes]) -> None:
    """Store whole those of these deltas whose base another process has meanwhile stored as a delta."""
    if not deltas:
        return
    base = aliased(Body)
    rows = select(Body.sha256).join(base, base.sha256 == Body.base_sha256)
    rows = rows.where(Body.sha256.in_(deltas), base.base_sha256.is_not(None))
    for sha256 in session.scalars(rows).all():
        whole = encode_anew(new[sha256].body, None)
        session.execute(update(Body).where(Body.sha256 == sha256).values(whole.columns))


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
        row = _stored_body(session, _OF_CAPTURE, capture_id)
        if row is None:
            yield capture_id, IntegrityError("archive.capture.missing", id=capture_id)
            continue
        try:
            body = _decode(row, load_base)
        except IntegrityError as error:
            yield capture_id, IntegrityError("archive.capture.damaged", id=capture_id, reason=error.message)
        else:
            yield capture_id, body


def _stored_body(session: Session, statement: LiteralString, key: int | bytes) -> StoredBody | None:
    """Fetch a body in binary: as text, in hexadecimal digits, a page takes ten times as long."""
    connection = cast("psycopg.Connection[Any]", session.connection().connection.driver_connection)
    with connection.cursor(binary=True, row_factory=class_row(StoredBody)) as cursor:
        return cursor.execute(statement, (key,)).fetchone()


def _decode(row: StoredBody, load_base: Callable[[bytes], _Base]) -> bytes:
    if row.data is None or row.codec is None:
        raise IntegrityError("archive.body.missing")
    if row.base_sha256 is None:
        return decode_verified(row.data, row.codec, row.sha256)
    base = load_base(row.base_sha256)
    try:
        return decode_verified(row.data, row.codec, row.sha256, base.body)
    except IntegrityError:
        try:
            verify_sha256(base.body, base.sha256)
        except IntegrityError as error:
            raise _base_damaged(base.sha256, error) from None
        raise


def _load_base(session: Session, sha256: bytes) -> _Base:
    row = _stored_body(session, _BY_HASH, sha256)
    if row is None or row.data is None or row.codec is None:
        raise IntegrityError("archive.body.base_missing", sha256=sha256.hex())
    if row.codec == DELTA:
        raise IntegrityError("archive.body.base_is_delta", sha256=sha256.hex())
    try:
        return _Base(sha256, decode_unverified(row.data, row.codec))
    except IntegrityError as error:
        raise _base_damaged(sha256, error) from None


def _base_damaged(sha256: bytes, error: IntegrityError) -> IntegrityError:
    return IntegrityError("archive.body.base_damaged", sha256=sha256.hex(), reason=error.message)


def unused_bodies(session: Session, captures: Collection[int]) -> list[bytes]:
    """Return the hashes of the bodies that only these captures have."""
    ids = literal(sorted(captures), ARRAY(BigInteger))
    other = aliased(Capture)
    is_shared = select(other.id).where(other.sha256 == Capture.sha256, other.id != all_(ids)).exists()
    rows = select(Capture.sha256).where(Capture.id == any_(ids), ~is_shared).distinct()
    return list(session.scalars(rows))


def remove_bodies(session: Session, hashes: Sequence[bytes]) -> None:
    """Remove bodies that no capture has any more, and store without them those that are deltas against them.

    Raises IntegrityError when one of these cannot be read.
    """
    removed = literal(list(hashes), ARRAY(LargeBinary))
    rows = select(Body.base_sha256, Body.sha256)
    rows = rows.where(Body.base_sha256 == any_(removed), Body.sha256 != all_(removed))
    dependents: dict[bytes | None, list[bytes]] = defaultdict(list)
    for base, sha256 in session.execute(rows.order_by(Body.base_sha256, Body.sha256)):
        dependents[base].append(sha256)
    for its_dependents in dependents.values():
        _replace_base(session, its_dependents)
    session.execute(delete(Body).where(Body.sha256 == any_(removed)))


def _replace_base(session: Session, hashes: Sequence[bytes]) -> None:
    """Store these bodies, deltas against one base, without it: the first whole, the others against it."""
    base: DeltaBase | None = None
    load_base = lru_cache(DECODED_BASES)(partial(_load_base, session))
    for sha256 in hashes:
        row = _stored_body(session, _BY_HASH, sha256)
        if row is None:
            raise IntegrityError("archive.body.missing")
        body = _decode(row, load_base)
        stored = encode_anew(body, base)
        session.execute(update(Body).where(Body.sha256 == sha256).values(stored.columns))
        if base is None:
            base = DeltaBase(sha256, body, signature(body))


_decoded: dict[bytes, tuple[bytes, Signature]] = {}  # by SHA-256: right in whichever database it is found


class DeltaBases:
    """The bodies that those of one transaction may be stored against, the one used last first."""

    def __init__(self, session: Session):
        self._session = session

    @cached_property
    def known(self) -> list[DeltaBase]:
        """Return at most MAX_BASES bases, loaded at the first call."""
        known = list(_load_recent_bases(self._session))
        _remember(known)
        return known

    def add(self, capture: CaptureData) -> None:
        """Add the body of a capture that is stored whole."""
        self.known.insert(0, DeltaBase(capture.sha256, capture.body, signature(capture.body)))
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
    for sha256 in _recent_bases(session):
        decoded = _decoded.get(sha256) or _decode_base(session, sha256)
        if decoded is None:
            continue
        total += len(decoded[0])
        if total > MAX_BASE_BYTES:
            return
        yield DeltaBase(sha256, *decoded)


def _recent_bases(session: Session) -> Sequence[bytes]:
    """Return the hashes of the delta bases of the newest captures, the one used last first."""
    # After a clock that was wrong these are not the last: then bodies only take more bytes.
    newest = select(Capture.id, Capture.sha256, Capture.body_size)
    recent = newest.order_by(Capture.id.desc()).limit(RECENT_CAPTURES).subquery()
    base = func.coalesce(Body.base_sha256, Body.sha256).label("sha256")
    uses = select(base).join(recent, recent.c.sha256 == Body.sha256)
    uses = uses.where(recent.c.body_size.between(MIN_DELTA_SIZE, MAX_BASE_SIZE)).group_by(base)
    return session.scalars(uses.order_by(func.max(recent.c.id).desc()).limit(MAX_BASES)).all()


def _decode_base(session: Session, sha256: bytes) -> tuple[bytes, Signature] | None:
    """Decode a delta base; return None for a damaged one: new captures are stored without it."""
    row = _stored_body(session, _BY_HASH, sha256)
    try:
        if row is None or row.data is None or row.codec is None:
            raise IntegrityError("archive.body.missing")
        body = decode_verified(row.data, row.codec, sha256)
    except IntegrityError as error:
        fields = {"action": "reference_damaged", "sha256": sha256.hex(), "reason": str(error)}
        logger.error("delta base damaged", extra=fields)
        return None
    return body, signature(body)
