"""The work list: addresses as they are seen, made due, and given to runs; the accounts they are of.

Part of archive.store, whose rules on sessions and locks hold here too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from archive.db.advisory_locks import runs_going_on
from archive.db.models import AddressRow, Egress, Run, SightingRow
from archive.domain.addresses import parse_address
from archive.domain.captures import Sighted, Sighting
from archive.domain.outcomes import NO_ANSWER, NOT_DRAWN, Outcome
from archive.domain.pg_text import storable, storable_json
from archive.repository import runs
from archive.repository.accounts import put_accounts
from archive.repository.address_outcomes import BY_KEY, archived, give_chksm

BATCH = 500  # rows a statement; a dump's record has 5 kB

_PENDING = [*(outcome for outcome in Outcome if not outcome.is_final), NO_ANSWER, NOT_DRAWN]


def record_sightings(
    session: Session, run_id: int | None, sightings: Sequence[Sighting], now: datetime
) -> list[Sighted]:
    """Note where addresses were seen; new ones are due at once, unless their post is archived already.

    One answer for each sighting, in order.
    """
    sighted = note_sightings(session, run_id, sightings, now)
    give_chksm(session, [sighting.address for sighting in sightings])
    return sighted


def note_sightings(
    session: Session, run_id: int | None, sightings: Sequence[Sighting], now: datetime
) -> list[Sighted]:
    accounts = put_accounts(session, {s.address.biz: "" for s in sightings if s.address.biz})
    rows: dict[str, Sighting] = {}
    for sighting in sightings:  # of several for one post, the one with chksm gives the address to fetch
        best = rows.get(sighting.address.key)
        if best is None or (sighting.address.chksm and not best.address.chksm):
            rows[sighting.address.key] = sighting
    known = _put_addresses(session, [rows[key] for key in sorted(rows)], accounts, now)
    _expect_nobody(session, sorted(s.address.key for s in sightings if not s.expected_biz))
    _put_sightings(session, run_id, sightings, {key: sighted.address_id for key, sighted in known.items()})
    return [known[sighting.address.key] for sighting in sightings]


def _put_addresses(
    session: Session, sightings: Sequence[Sighting], accounts: Mapping[str, int], now: datetime
) -> dict[str, Sighted]:
    keys = [sighting.address.key for sighting in sightings]
    old: set[str] = set()
    for start in range(0, len(keys), BATCH):
        old.update(
            session.scalars(select(AddressRow.key).where(AddressRow.key.in_(keys[start : start + BATCH])))
        )
    there = archived(session, [sighting.address for sighting in sightings])
    values = [
        {
            "key": sighting.address.key,
            "url": storable(sighting.address.url),
            "account_id": accounts.get(sighting.address.biz),
            "aid": sighting.address.aid,
            "expected_biz": sighting.expected_biz or None,
            "next_fetch_at": None if sighting.address.key in there else now,
            "last_outcome": Outcome.ARTICLE if sighting.address.key in there else None,
        }
        for sighting in sightings
    ]
    row = postgresql.insert(AddressRow)
    row = row.on_conflict_do_update(
        constraint="uq__addresses__key",
        set_={"url": row.excluded.url},
        where=row.excluded.url.contains("chksm=") & ~AddressRow.url.contains("chksm="),
    )
    if values:
        session.execute(row, values)
    found: dict[str, Sighted] = {}
    for start in range(0, len(keys), BATCH):
        wanted = AddressRow.key.in_(keys[start : start + BATCH])
        for number, key in session.execute(select(AddressRow.id, AddressRow.key).where(wanted)):
            found[key] = Sighted(number, key, key not in old)
    return found


def _expect_nobody(session: Session, keys: Sequence[str]) -> None:
    """What somebody gave by hand is wanted whoever it is of."""
    for start in range(0, len(keys), BATCH):
        rows = select(AddressRow.id).where(AddressRow.key.in_(keys[start : start + BATCH]))
        rows = rows.where(AddressRow.expected_biz.is_not(None))
        locked = session.scalars(rows.order_by(BY_KEY).with_for_update()).all()
        session.execute(update(AddressRow).where(AddressRow.id.in_(locked)).values(expected_biz=None))


def _put_sightings(
    session: Session, run_id: int | None, sightings: Sequence[Sighting], ids: Mapping[str, int]
) -> None:
    values = {
        (ids[s.address.key], s.source, s.address.url): {
            "address_id": ids[s.address.key],
            "run_id": run_id,
            "source": s.source,
            "url": storable(s.address.url),
            "title": storable(s.title),
            "listing": storable_json(s.listing),
            "first_seen_at": s.seen_at,
            "last_seen_at": s.seen_at,
        }
        for s in sightings
    }
    row = postgresql.insert(SightingRow)
    row = row.on_conflict_do_update(
        constraint="uq__sightings__address_id_source_url",
        set_={"last_seen_at": row.excluded.last_seen_at, "run_id": row.excluded.run_id},
    )
    if values:
        session.execute(row, [values[key] for key in sorted(values)])


def make_due(session: Session, address_ids: Sequence[int], now: datetime, again: bool = False) -> list[int]:
    """Ask now for addresses that never gave a final answer, or with `again` for all; their ids."""
    made: list[int] = []
    for start in range(0, len(address_ids), BATCH):
        rows = select(AddressRow.id).where(AddressRow.id.in_(address_ids[start : start + BATCH]))
        if not again:
            unanswered = AddressRow.last_outcome.is_(None) | AddressRow.last_outcome.in_(_PENDING)
            rows = rows.where(
                unanswered | (AddressRow.next_fetch_at <= now)
            )  # the rest of an interrupted run
        locked = session.scalars(rows.order_by(BY_KEY).with_for_update()).all()
        session.execute(
            update(AddressRow).where(AddressRow.id.in_(locked)).values(next_fetch_at=now, attempts=0)
        )
        made.extend(locked)
    return made


def assign(session: Session, run_id: int, address_ids: Sequence[int]) -> None:
    """Give addresses to a run: it is now the last one that sees them."""
    rows = select(SightingRow.id).where(SightingRow.address_id.in_(address_ids))
    in_order = SightingRow.address_id, SightingRow.source.collate("C"), SightingRow.url.collate("C")
    locked = session.scalars(rows.order_by(*in_order).with_for_update()).all()
    session.execute(update(SightingRow).where(SightingRow.id.in_(locked)).values(run_id=run_id))


@dataclass(frozen=True, slots=True)
class DueAddress:
    """An address to fetch now."""

    id: int
    key: str
    fetch_url: str


def due_addresses(session: Session, now: datetime, limit: int, run_id: int | None = None) -> list[DueAddress]:
    """Addresses whose time has come; `run_id`: only those seen in that run.

    Those that failed before come last: one that is answered with a challenge each time blocks no other.
    Short links come first: what they lead to may be the post of a long address that then need not be asked.
    """
    rows = select(AddressRow.id, AddressRow.key, AddressRow.url).where(AddressRow.next_fetch_at <= now)
    if run_id is not None:
        seen = select(SightingRow.address_id).where(SightingRow.run_id == run_id)
        rows = rows.where(AddressRow.id.in_(seen))
    rows = rows.order_by(
        AddressRow.attempts, AddressRow.aid.is_not(None), AddressRow.next_fetch_at, AddressRow.id
    ).limit(limit)
    return [
        DueAddress(number, key, parse_address(url).fetch_url) for number, key, url in session.execute(rows)
    ]


def address_ids(session: Session, keys: Sequence[str]) -> set[int]:
    """The ids of addresses by their keys."""
    return set(session.scalars(select(AddressRow.id).where(AddressRow.key.in_(keys))))


def outcomes_of_run(session: Session, run_id: int) -> list[tuple[DueAddress, AddressRow]]:
    """The addresses a run saw, with where each stands now, in the order they came in."""
    seen = select(SightingRow.address_id).where(SightingRow.run_id == run_id)
    rows = session.scalars(select(AddressRow).where(AddressRow.id.in_(seen)).order_by(AddressRow.id))
    return [(DueAddress(row.id, row.key, row.url), row) for row in rows]


CLAIM_LASTS = timedelta(hours=25)  # longer than the longest crawl there may be: the outer bound

LINE_LASTS = timedelta(minutes=5)  # of a line that nobody is seen behind: its workers are gone

_CLAIMING = 4_170_205_812  # any number; whoever claims addresses holds this lock


def claim_due(
    session: Session, command: str, egress: str, limit: int, now: datetime
) -> tuple[int, list[DueAddress]]:
    """Open a run for addresses that are due and that no open run has; its id (0: nothing is due), and them.

    Two that claim at the same time get different ones.
    """
    session.execute(select(func.pg_advisory_xact_lock(_CLAIMING)))
    taken = _claimed(session, now)
    due = [one for one in due_addresses(session, now, limit + len(taken)) if one.id not in taken][:limit]
    if not due:
        return 0, []
    run_id = runs.start_run(session, command, {"egress": egress, "due": len(due)}, now)
    assign(session, run_id, [address.id for address in due])
    return run_id, due


def something_is_due(session: Session, now: datetime) -> bool:
    """Whether any address is due that no open run has."""
    taken = _claimed(session, now)
    return any(one.id not in taken for one in due_addresses(session, now, len(taken) + 1))


def _claimed(session: Session, now: datetime) -> set[int]:
    """Return the addresses of open runs: commands' that go on, the daemon's while its egress has a worker."""
    live = select(Egress.name).where(Egress.seen_at > now - LINE_LASTS)
    of_daemon = Run.arguments.has_key("due") & Run.arguments["egress"].astext.in_(live)
    lives = of_daemon | Run.id.in_(runs_going_on())
    open_runs = select(Run.id).where(Run.finished_at.is_(None), Run.started_at > now - CLAIM_LASTS, lives)
    return set(session.scalars(select(SightingRow.address_id).where(SightingRow.run_id.in_(open_runs))))
