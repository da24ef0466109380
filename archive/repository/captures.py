"""The page an address led to last, to be read again."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session, defer

from archive.db.models import AddressRow, CaptureRow, Post, Version
from archive.domain.captures import Capture
from archive.domain.errors import NotArchived
from archive.domain.outcomes import Outcome
from archive.domain.pg_text import storable, storable_json
from archive.repository.hash_chain import append_captures
from archive.storage.bodies import Packed, References, body_of, encode_body


def keep_captures(
    session: Session, run_id: int | None, captures: Sequence[tuple[int | None, Capture]]
) -> list[int]:
    """Keep answers as they came, before anybody reads them; their ids, in order.

    It ends a transaction: it locks the chains, which come after what storing a reading locks.
    """
    if not captures:
        return []
    references = References(session)
    ids: list[int] = []
    waiting: list[dict[str, Any]] = []
    for address_id, capture in captures:
        body = encode_body(capture, references)
        waiting.append(_row(run_id, address_id, capture, body))
        if body.is_reference:  # the next ones of this very batch may be stored against it
            ids += _insert(session, waiting)
            waiting = []
            references.add(ids[-1], capture)
    ids += _insert(session, waiting)
    append_captures(session, ids)
    return ids


def _row(run_id: int | None, address_id: int | None, capture: Capture, body: Packed) -> dict[str, Any]:
    return {
        "address_id": address_id,
        "run_id": run_id,
        "requested_url": storable(capture.requested_url),
        "final_url": storable(capture.final_url),
        "status": capture.status,
        "headers": storable_json([list(pair) for pair in capture.headers]),
        **body.columns,
        "body_size": len(capture.body),
        "sha256": capture.sha256,
        "fetched_at": capture.fetched_at,
        "rendered": capture.rendered,
        "evaluated": storable_json(capture.evaluated),
    }


def _insert(session: Session, rows: Sequence[dict[str, Any]]) -> list[int]:
    if not rows:
        return []
    statement = insert(CaptureRow).returning(CaptureRow.id, sort_by_parameter_order=True)
    return list(session.scalars(statement, rows))


UNREAD_AT_ONCE = 1000


def list_captures(session: Session, post: Post) -> list[dict[str, Any]]:
    """The captures of a post without their bodies, last first."""
    wanted = select(AddressRow.id).where(AddressRow.account_id == post.account_id, AddressRow.aid == post.aid)
    told = select(Version.capture_id).where(Version.post_id == post.id)
    rows = select(*_CAPTURE_COLUMNS).where(
        CaptureRow.address_id.in_(wanted) | (CaptureRow.id == post.capture_id) | CaptureRow.id.in_(told)
    )
    return [dict(row) for row in session.execute(rows.order_by(CaptureRow.id.desc())).mappings()]


def get_capture_metadata(session: Session, capture_id: int) -> dict[str, Any]:
    """A capture without its body. Raises NotArchived when there is none."""
    row = session.execute(select(*_CAPTURE_COLUMNS).where(CaptureRow.id == capture_id)).mappings().first()
    if row is None:
        raise NotArchived(f"there is no capture {capture_id}")
    return dict(row)


_CAPTURE_COLUMNS = (
    CaptureRow.id, CaptureRow.outcome, CaptureRow.reason, CaptureRow.status, CaptureRow.fetched_at,
    CaptureRow.requested_url, CaptureRow.final_url, CaptureRow.body_size, CaptureRow.sha256,
    CaptureRow.rendered,
)  # fmt: skip


def capture(session: Session, capture_id: int) -> Capture:
    """A capture as it was kept; raises IntegrityError when its bytes are not those."""
    row = session.get_one(CaptureRow, capture_id, options=[defer(CaptureRow.body)])
    return Capture(
        requested_url=row.requested_url,
        final_url=row.final_url,
        status=row.status,
        headers=tuple((name, value) for name, value in row.headers),
        body=body_of(session, capture_id),
        fetched_at=row.fetched_at,
        rendered=row.rendered,
        evaluated=row.evaluated,
    )


def find_capture(
    session: Session, requested_url: str, sha256: bytes, fetched_at: datetime | None = None
) -> int | None:
    """The first capture of these very bytes from this address, if given at this instant."""
    rows = select(CaptureRow.id).where(CaptureRow.requested_url == requested_url, CaptureRow.sha256 == sha256)
    if fetched_at is not None:
        rows = rows.where(CaptureRow.fetched_at == fetched_at)
    return session.scalar(rows.order_by(CaptureRow.id).limit(1))


def capture_body(session: Session, capture_id: int) -> bytes:
    """The exact bytes of a capture; raises IntegrityError when it is damaged or there is none."""
    return body_of(session, capture_id)


def unread_captures(session: Session) -> list[int]:
    """Captures that were kept but not read, oldest first: whoever kept them was killed."""
    rows = select(CaptureRow.id).where(CaptureRow.outcome.is_(None)).order_by(CaptureRow.id)
    return list(session.scalars(rows.limit(UNREAD_AT_ONCE)))


def last_page(session: Session, address_id: int) -> bytes | None:
    """The newest page of a post as it was served; None when no post was ever seen at the address."""
    rows = select(CaptureRow.id).where(
        CaptureRow.address_id == address_id,
        CaptureRow.outcome == Outcome.ARTICLE,
        CaptureRow.rendered.is_(False),
    )
    newest = session.scalar(rows.order_by(CaptureRow.fetched_at.desc(), CaptureRow.id.desc()).limit(1))
    return None if newest is None else capture_body(session, newest)
