"""The page an address led to last, to be read again."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from archive.models import CaptureRow
from archive.queries import capture_body
from archive.vocabulary import Outcome


def last_page(session: Session, address_id: int) -> bytes | None:
    """The newest page of a post as it was served; None when no post was ever seen at the address."""
    rows = select(CaptureRow.id).where(
        CaptureRow.address_id == address_id,
        CaptureRow.outcome == Outcome.ARTICLE,
        CaptureRow.rendered.is_(False),
    )
    newest = session.scalar(rows.order_by(CaptureRow.fetched_at.desc(), CaptureRow.id.desc()).limit(1))
    return None if newest is None else capture_body(session, newest)
