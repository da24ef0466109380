"""Tell which addresses runs have claimed, and how far the fetching of addresses has come."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, func, literal_column, or_, select
from sqlalchemy.orm import Session

from archive.db.advisory_locks import Hosts, is_locked, live_runs
from archive.db.models import Address, Egress, Run
from archive.domain.outcomes import BLOCKING
from archive.repository.bare_addresses import IS_BARE, REFUSED
from archive.repository.egress import EGRESS_LIVES

_BATCH = 500  # ids per statement

# Of a worker that was killed, whose lock is free at once: three heartbeats of a worker, and then another one
# takes its addresses within a minute. A worker whose heartbeat is late keeps its claims by its lock.
WORKER_LIVES = timedelta(seconds=30)

CLAIM_LASTS = timedelta(hours=25)  # longer than the longest crawl: bounds the claim of a run never closed


def claim_values(run_id: int, now: datetime) -> dict[str, Any]:
    """Return the columns of an address that a run claims."""
    return {"claimed_by_run_id": run_id, "claimed_until": now + CLAIM_LASTS}


def is_free(now: datetime) -> ColumnElement[bool]:
    """Tell whether no run has a claim that holds: none, one that is over, or one whose run is over or gone.

    A run that this statement does not see yet counts as alive: when another transaction has just committed
    its claim, the row is checked again with the new claim but the old view of `runs`.
    """
    is_over = _of_claiming_run(Run.finished_at.is_not(None) | ~_is_alive(now))
    return or_(Address.claimed_until.is_(None), Address.claimed_until <= now, is_over)


def is_being_fetched(now: datetime) -> ColumnElement[bool]:
    """Tell whether the run with the claim has an egress: it is fetching, and waits for its turn no longer."""
    fetches = Run.finished_at.is_(None) & Run.egress_id.is_not(None) & _is_alive(now)
    return _of_claiming_run(fetches)


def _of_claiming_run(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Tell whether the run with the claim is seen and meets a condition.

    As a value it is looked up by the run's id; for EXISTS all runs would be read and hashed. The column is
    that of the statement around it: where that inserts, SQLAlchemy would join all addresses here instead.
    """
    claimed_by: ColumnElement[int] = literal_column("addresses.claimed_by_run_id")
    return func.coalesce(select(condition).where(Run.id == claimed_by).scalar_subquery(), False)


def _is_alive(now: datetime) -> ColumnElement[bool]:
    """Tell whether a run's process lives: by the run's lock, or the daemon's by its egress.

    An egress lives for a short time after a heartbeat, and for longer while its crawl holds its lock.
    """
    has_lock = and_(Egress.seen_at > now - EGRESS_LIVES, is_locked(Egress.name, Hosts.PAGES))
    live_egresses = select(Egress.id).where(or_(Egress.seen_at > now - WORKER_LIVES, has_lock))
    of_daemon = and_(Run.arguments.has_key("due"), Run.egress_id.in_(live_egresses))
    return or_(of_daemon, Run.id.in_(live_runs()))


@dataclass(frozen=True, slots=True)
class FetchProgress:
    """How far the fetching of some addresses has come, by their ids.

    `answered` have a final answer. Of the others, `bare` have no chksm, and another crawl has `claimed` some.
    `challenged` were answered with a challenge, though they are not bare. `due` are to be fetched now,
    whatever they answered before.
    """

    answered: frozenset[int]
    due: frozenset[int]
    bare: frozenset[int]
    claimed: frozenset[int]
    challenged: frozenset[int]


def fetch_progress(session: Session, run_id: int, address_ids: Sequence[int], now: datetime) -> FetchProgress:
    """Return how far the fetching of these addresses has come, as a run sees it."""
    is_open = Address.last_outcome.is_(None) | Address.last_outcome.in_(REFUSED)
    is_due = func.coalesce(Address.next_fetch_at <= now, False)
    is_claimed = and_(~is_free(now), Address.claimed_by_run_id != run_id)
    is_challenged = func.coalesce(Address.last_outcome.in_(sorted(BLOCKING)), False)
    facts = ~is_open, is_due, is_open & IS_BARE, is_open & is_claimed, is_challenged & ~IS_BARE
    found: tuple[set[int], ...] = tuple(set() for _ in facts)
    for start in range(0, len(address_ids), _BATCH):
        rows = select(Address.id, *facts).where(Address.id.in_(address_ids[start : start + _BATCH]))
        for address_id, *flags in session.execute(rows):
            for ids, flag in zip(found, flags, strict=True):
                if flag:
                    ids.add(address_id)
    return FetchProgress(*map(frozenset, found))
