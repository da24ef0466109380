"""Lines to the outside: which there are, and which are held back after a challenge.

Each function takes a session and leaves the commit to its caller.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from archive.db.models import Egress
from archive.domain.outcomes import BLOCKING
from archive.domain.pg_text import storable
from archive.domain.update_decisions import challenge_backoff


def note_egress(session: Session, name: str, now: datetime) -> None:
    """Note that somebody works behind this line now."""
    row = postgresql.insert(Egress).values(name=name, seen_at=now)
    session.execute(
        row.on_conflict_do_update(constraint="uq__egresses__name", set_={"seen_at": row.excluded.seen_at})
    )


def egresses(session: Session) -> Sequence[Egress]:
    """All lines, by name."""
    return session.scalars(select(Egress).order_by(Egress.name)).all()


def live_egresses(session: Session, now: datetime, within: timedelta) -> list[str]:
    """The names of lines that somebody was seen behind not longer ago than this."""
    rows = select(Egress.name).where(Egress.seen_at >= now - within)
    return list(session.scalars(rows.order_by(Egress.name)))


def held_until(session: Session, name: str, now: datetime) -> datetime | None:
    """Until when nothing may be fetched through a line; None when it is free."""
    return session.scalar(select(Egress.blocked_until).where(Egress.name == name, Egress.blocked_until > now))


def hold(session: Session, name: str, reason: str, now: datetime) -> datetime:
    """Hold a line back after a challenge: 30 minutes, doubling to 6 hours with each in a row; until when.

    A second challenge while it is held (another crawl that was under way) adds nothing.
    """
    session.execute(
        postgresql.insert(Egress)
        .values(name=name, seen_at=now)
        .on_conflict_do_nothing(constraint="uq__egresses__name")
    )
    row = session.scalars(select(Egress).where(Egress.name == name).with_for_update()).one()
    if row.blocked_until is None or row.blocked_until <= now:
        row.blocks += 1
        row.blocked_at, row.blocked_until = now, now + challenge_backoff(row.blocks)
    row.reason = storable(reason)
    session.flush()
    return row.blocked_until


def release(session: Session, name: str) -> None:
    """A good page came through: the next challenge is the first one again."""
    session.execute(
        update(Egress)
        .where(Egress.name == name, Egress.blocks > 0)
        .values(blocks=0, reason="", blocked_until=None)
    )


def settle(session: Session, name: str, verdict: str, fetched: int, now: datetime) -> datetime | None:
    """What a crawl's end means for its line: good pages free it, a challenge holds it; until when."""
    if fetched:
        release(session, name)
    return hold(session, name, verdict, now) if verdict in BLOCKING else None
