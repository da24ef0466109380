"""The work list: addresses as they are seen, made due, and given to runs; the accounts they are of.

Part of archive.store, whose rules on sessions and locks hold here too.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from archive.models import Account, AddressRow, SightingRow
from archive.sighting import Sighted, Sighting
from archive.text import storable, storable_json
from archive.twins import archived, give_chksm
from archive.vocabulary import Outcome

NO_ANSWER = "no_answer"
NOT_DRAWN = "not_drawn"  # an article, whose text only a browser has; none has drawn it yet
BY_KEY = AddressRow.key.collate("C")
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


def put_accounts(session: Session, names: Mapping[str, str]) -> dict[str, int]:
    """Accounts by biz; a name that is told replaces the one known."""
    if not names:
        return {}
    row = postgresql.insert(Account)
    row = row.on_conflict_do_nothing(constraint="uq__accounts__biz")
    session.execute(row, [{"biz": biz, "name": storable(names[biz])} for biz in sorted(names)])
    told = [{"b_biz": biz, "b_name": storable(name)} for biz, name in sorted(names.items()) if name]
    found = session.execute(select(Account.biz, Account.id, Account.name).where(Account.biz.in_(names)))
    accounts = {biz: (number, name) for biz, number, name in found}
    for renamed in told:
        if accounts[renamed["b_biz"]][1] != renamed["b_name"]:
            session.execute(
                update(Account).where(Account.biz == renamed["b_biz"]).values(name=renamed["b_name"])
            )
    return {biz: number for biz, (number, _) in accounts.items()}


def account_id(session: Session, biz: str) -> int:
    """The id of an account, which is noted when it is new."""
    return put_accounts(session, {biz: ""})[biz]


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
