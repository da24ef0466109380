"""Keep the network egresses: which there are, and which are blocked after a challenge.

Each function takes a session and leaves the commit to its caller. Instants are aware UTC.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from archive.db.models import Egress
from archive.domain.outcomes import BLOCKING
from archive.domain.text import storable
from archive.domain.update_decisions import challenge_backoff

EGRESS_LIVES = timedelta(minutes=5)  # after its last heartbeat; then the workers of an egress are gone


def record_heartbeat(session: Session, name: str, now: datetime) -> None:
    """Record that a process works behind an egress now."""
    row = postgresql.insert(Egress).values(name=name, seen_at=now)
    session.execute(
        row.on_conflict_do_update(constraint="uq__egresses__name", set_={"seen_at": row.excluded.seen_at})
    )


def list_egresses(session: Session) -> Sequence[Egress]:
    """Return all egresses, by name."""
    return session.scalars(select(Egress).order_by(Egress.name)).all()


def live_egresses(session: Session, now: datetime, within: timedelta) -> list[str]:
    """Return the names of egresses whose last heartbeat is at most this long ago."""
    rows = select(Egress.name).where(Egress.seen_at >= now - within)
    return list(session.scalars(rows.order_by(Egress.name)))


def blocked_until(session: Session, name: str, now: datetime) -> datetime | None:
    """Return until when nothing may be fetched through an egress; None when it is not blocked."""
    return session.scalar(select(Egress.blocked_until).where(Egress.name == name, Egress.blocked_until > now))


def block_egress(session: Session, name: str, reason: str, now: datetime) -> datetime:
    """Block an egress after a challenge and return until when.

    It is 30 minutes after the first challenge, doubling to 6 hours with each further one in a row.

    A second challenge while it is blocked, of another crawl that was under way, changes nothing.
    """
    session.execute(
        postgresql.insert(Egress)
        .values(name=name, seen_at=now)
        .on_conflict_do_nothing(constraint="uq__egresses__name")
    )
    row = session.scalars(select(Egress).where(Egress.name == name).with_for_update()).one()
    if row.blocked_until is None or row.blocked_until <= now:
        row.consecutive_challenges += 1
        row.blocked_until = now + challenge_backoff(row.consecutive_challenges)
    row.reason = storable(reason)
    session.flush()
    return row.blocked_until


def unblock_egress(session: Session, name: str) -> None:
    """Unblock an egress after a good page came through; the next challenge counts as the first again."""
    session.execute(
        update(Egress)
        .where(Egress.name == name, Egress.consecutive_challenges > 0)
        .values(consecutive_challenges=0, reason="", blocked_until=None)
    )


def egress_id(session: Session, name: str, now: datetime) -> int:
    """Return the id of an egress, which is stored without a worker when it is new."""
    _note_egress(session, name, now)
    return session.scalars(select(Egress.id).where(Egress.name == name)).one()


def _note_egress(session: Session, name: str, now: datetime) -> None:
    """Store an egress that is new, as one without a worker: jobs planned for it would wait for ever."""
    row = postgresql.insert(Egress).values(name=name, seen_at=now - 2 * EGRESS_LIVES)
    session.execute(row.on_conflict_do_nothing(constraint="uq__egresses__name"))


def record_crawl_end(
    session: Session, name: str, verdict: str, fetched: int, now: datetime
) -> datetime | None:
    """Unblock an egress after good pages, block it after a challenge; return until when it is blocked.

    An egress that no daemon works behind is stored as well, so that its state is shown.
    """
    _note_egress(session, name, now)
    if fetched:
        unblock_egress(session, name)
    return block_egress(session, name, verdict, now) if verdict in BLOCKING else None
