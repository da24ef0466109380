"""Keep the crawl frontier: addresses as they are sighted, made due, and claimed by runs.

Each function takes a session and leaves the commit to its caller; rows are locked in the order that
archive.ingest.pages states. Instants are aware UTC.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import Select, and_, case, func, or_, select, text, tuple_, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from archive.db.models import Address, Sighting
from archive.db.models.base import insert_arrays
from archive.domain.addresses import PostAddress, parse_address
from archive.domain.captures import Sighted, SightingData
from archive.domain.outcomes import FORGOTTEN, NO_ANSWER, NOT_RENDERED, Outcome
from archive.domain.text import storable, storable_json
from archive.domain.update_decisions import BARE_A_DAY
from archive.repository import runs
from archive.repository.accounts import put_accounts
from archive.repository.address_keys import (
    LOCK_ORDER,
    Arbiter,
    address_ids_by_key,
    arbiter_of,
    batches,
    has_key,
    in_lock_order,
    on_conflict,
)
from archive.repository.address_outcomes import add_chksm, archived_keys
from archive.repository.bare_addresses import (
    IS_BARE,
    IS_LONG,
    IS_REFUSED_BARE,
    LISTED_WAIT,
    REFUSED,
    has_chksm,
    linked_with_chksm,
    may_ask_bare,
)
from archive.repository.claims import CLAIM_LASTS, claim_values, is_being_fetched, is_free
from archive.repository.evidence import FactKind
from archive.repository.hash_chain import append_facts, leave_to_owner

_BATCH = 500  # rows per statement; a record of a dump has 5 kB

SAVED_PAGE = "saved page"  # the source of addresses that a saved page or a WARC file gave


_NOT_FINAL = [*(outcome for outcome in Outcome if not outcome.is_final), NO_ANSWER, NOT_RENDERED]


@dataclass(frozen=True, slots=True)
class DueAddress:
    """An address to fetch now. A bare one, long and without chksm, is asked last, and may be left out."""

    id: int
    key: str
    fetch_url: str
    is_bare: bool = False


def record_sightings(
    session: Session,
    run_id: int | None,
    sightings: Sequence[SightingData],
    now: datetime,
    *,
    claim: bool = True,
) -> list[Sighted]:
    """Store where addresses were seen; new ones are due at once, unless their post is archived already.

    Bare ones that a source listed are due a day later. A known bare one that did not give its post is due at
    once when it is sighted with its chksm. The run, where there is one, claims the addresses, unless `claim`
    is false. Return one result for each sighting, in order.
    """
    sighted = store_sightings(session, run_id, sightings, now, claim=claim)
    add_chksm(session, [sighting.address for sighting in sightings])
    return sighted


def submit_sightings(
    session: Session, sightings: Sequence[SightingData], now: datetime, *, statement_seconds: float
) -> list[Sighted]:
    """Record addresses that somebody submitted; those without a final answer become due at once.

    A statement takes at most `statement_seconds`, rounded to milliseconds: a person waits for the response.
    No post and no hash chain is changed: the web may not do that.
    """
    leave_to_owner(session)
    session.execute(text(f"SET LOCAL statement_timeout = {round(statement_seconds * 1000)}"))
    sighted = store_sightings(session, None, sightings, now)
    make_due(session, [one.address_id for one in sighted if not one.is_new], now)
    return sighted


def store_sightings(
    session: Session,
    run_id: int | None,
    sightings: Sequence[SightingData],
    now: datetime,
    *,
    claim: bool = True,
) -> list[Sighted]:
    """Store sightings like `record_sightings`, without changing the addresses of archived posts."""
    accounts = put_accounts(session, {s.address.biz: "" for s in sightings if s.address.biz})
    rows: dict[str, SightingData] = {}
    for sighting in sightings:  # of several for one post, the one with chksm gives the address to fetch
        best = rows.get(sighting.address.key)
        if best is None or (sighting.address.chksm and not best.address.chksm):
            rows[sighting.address.key] = sighting
    claimed_by = run_id if claim else None
    known = _put_addresses(session, list(rows.values()), accounts, claimed_by, now)
    _accept_any_account(session, _ordered(s.address.key for s in sightings if not s.expected_biz))
    # Somebody gave an address or a page by hand; no source was checked.
    by_hand = (s for s in sightings if not s.expected_biz or s.source == SAVED_PAGE)
    _remember_forgotten(session, _ordered(s.address.key for s in by_hand), now)
    _put_sightings(session, run_id, sightings, {key: sighted.address_id for key, sighted in known.items()})
    return [known[sighting.address.key] for sighting in sightings]


def _ordered(keys: Iterable[str]) -> list[str]:
    return [key for key, _ in in_lock_order(set(keys))]


def _put_addresses(
    session: Session,
    sightings: Sequence[SightingData],
    accounts: Mapping[str, int],
    claimed_by: int | None,
    now: datetime,
) -> dict[str, Sighted]:
    """Store addresses, of which each has one sighting here; return what is stored by key."""
    keys = [sighting.address.key for sighting in sightings]
    addresses = _with_known_chksm(session, [sighting.address for sighting in sightings])
    before = address_ids_by_key(session, keys)
    archived = archived_keys(session, [sighting.address for sighting in sightings])
    values = {
        key: {
            "next_fetch_at": None if key in archived else _first_due(sighting, address, now),
            "aid": sighting.address.aid,
            "url": storable(address.url),
            "account_id": accounts.get(sighting.address.biz),
            "expected_biz": sighting.expected_biz or None,
            "last_outcome": Outcome.ARTICLE if key in archived else None,
            "claimed_by_run_id": claimed_by,
            "claimed_until": None if claimed_by is None else now + CLAIM_LASTS,
        }
        for key, sighting, address in zip(keys, sightings, addresses, strict=True)
    }
    if claimed_by is not None:
        _lock(session, keys)
    for arbiter, group in groupby(in_lock_order(keys), lambda one: arbiter_of(one[1])):
        rows = [{**columns._asdict(), **values[key]} for key, columns in group]
        insert, arrays = insert_arrays(Address, rows)
        improve = _or_improve(insert, now, arbiter, claims=claimed_by is not None)
        session.execute(improve, arrays)
    ids = address_ids_by_key(session, keys)
    append_facts(session, FactKind.ADDRESS, ids.values())
    return {key: Sighted(address_id, key, key not in before) for key, address_id in ids.items()}


def _with_known_chksm(session: Session, addresses: Sequence[PostAddress]) -> list[PostAddress]:
    """Return the addresses, bare ones in the form with chksm by which an archived post links to the same."""
    bare = [address.key for address in addresses if address.is_bare]
    linked: dict[str, str] = {}
    for start in range(0, len(bare), _BATCH):
        linked |= linked_with_chksm(session, bare[start : start + _BATCH])
    return [parse_address(linked[one.key]) if one.key in linked else one for one in addresses]


def _first_due(sighting: SightingData, address: PostAddress, now: datetime) -> datetime:
    is_listed = bool(sighting.expected_biz)  # by a source; nobody gave it by hand
    return now + LISTED_WAIT if address.is_bare and is_listed else now


def _or_improve(
    row: postgresql.Insert, now: datetime, arbiter: Arbiter, *, claims: bool
) -> postgresql.Insert:
    """Insert addresses; give known ones the URL with chksm where theirs has none, and the claim if any.

    Those that another crawl is fetching now stay claimed by its run.
    """
    has_better_url = and_(IS_BARE, has_chksm(row.excluded.url))
    is_open = or_(Address.last_outcome.is_(None), *(Address.last_outcome == one for one in REFUSED))
    gives_new_try = and_(has_better_url, is_open)
    improved = {
        "url": case((has_better_url, row.excluded.url), else_=Address.url),
        "attempts": case((gives_new_try, 0), else_=Address.attempts),
        "next_fetch_at": case((gives_new_try, row.excluded.next_fetch_at), else_=Address.next_fetch_at),
    }
    if not claims:
        return row.on_conflict_do_update(**on_conflict(arbiter), set_=improved, where=has_better_url)
    is_kept = is_being_fetched(now)
    claim = {
        name: case((is_kept, getattr(Address, name)), else_=row.excluded[name])
        for name in ("claimed_by_run_id", "claimed_until")
    }
    return row.on_conflict_do_update(**on_conflict(arbiter), set_=improved | claim)


def _lock(session: Session, keys: Sequence[str]) -> None:
    """Lock known addresses in the order of all, so that the next statement sees who fetches them.

    A statement that waits for a lock itself goes on with the runs it saw before: it would take the claim from
    a crawl that has begun meanwhile.
    """
    for batch in batches(_ordered(keys)):
        rows = select(Address.id).where(has_key(batch))
        session.execute(rows.order_by(*LOCK_ORDER).with_for_update())


def _accept_any_account(session: Session, keys: Sequence[str]) -> None:
    """Accept a post of any account at these addresses: somebody asked for them by hand."""
    for batch in batches(keys):
        rows = select(Address.id).where(has_key(batch))
        rows = rows.where(Address.expected_biz.is_not(None))
        _update_locked(session, rows, {"expected_biz": None})


def _remember_forgotten(session: Session, keys: Sequence[str], now: datetime) -> None:
    """Make the addresses due again whose posts were removed and that somebody gives by hand now."""
    for batch in batches(keys):
        given = select(Address.account_id, Address.aid, Address.id)
        given = given.where(has_key(batch), Address.last_outcome == FORGOTTEN)
        found = session.execute(given).all()
        if not found:
            continue
        same_post = tuple_(Address.account_id, Address.aid).in_([(row.account_id, row.aid) for row in found])
        rows = select(Address.id).where(Address.last_outcome == FORGOTTEN)
        rows = rows.where(same_post | Address.id.in_([row.id for row in found]))
        due = {"last_outcome": None, "last_reason": "", "next_fetch_at": now, "attempts": 0}
        _update_locked(session, rows, due)


def _update_locked(session: Session, rows: Select[int], values: Mapping[str, Any]) -> Sequence[int]:
    """Lock the chosen addresses in the order of all, then change them; return their ids."""
    locked = session.scalars(rows.order_by(*LOCK_ORDER).with_for_update()).all()
    session.execute(update(Address).where(Address.id.in_(locked)).values(dict(values)))
    append_facts(session, FactKind.ADDRESS, locked)
    return locked


def _put_sightings(
    session: Session, run_id: int | None, sightings: Sequence[SightingData], ids: Mapping[str, int]
) -> None:
    values = {
        (address_id, s.source, url): {
            "address_id": address_id,
            "run_id": run_id,
            "last_run_id": run_id,
            "source": s.source,
            "url": url,
            "title": storable(s.title),
            "listing": storable_json(s.listing),
            "first_seen_at": s.seen_at,
            "last_seen_at": s.seen_at,
        }
        for s in sightings
        for address_id, url in [(ids[s.address.key], storable(s.address.url))]
    }
    if not values:
        return
    row, arrays = insert_arrays(Sighting, [values[key] for key in sorted(values)])
    row = row.on_conflict_do_update(
        constraint="uq__sightings__address_id_source_url",
        set_={"last_seen_at": row.excluded.last_seen_at, "last_run_id": row.excluded.last_run_id},
    )
    stored = session.scalars(row.returning(Sighting.id), arrays)
    append_facts(session, FactKind.SIGHTING, stored.all())


def make_due(session: Session, address_ids: Sequence[int], now: datetime, again: bool = False) -> list[int]:
    """Make addresses due now that never gave a final answer, or with `again` all; return their ids.

    Those that are due already keep their time: a run that asked for them a moment earlier, by its clock, must
    find them due too. Bare ones keep the count of their attempts, and without `again` the back-off after one
    that brought no post: asking for them at once would only bring the next challenge.
    """
    backs_off = func.coalesce(and_(IS_REFUSED_BARE, Address.next_fetch_at > now), False)
    unanswered = Address.last_outcome.is_(None) | Address.last_outcome.in_(_NOT_FINAL)
    is_due = Address.next_fetch_at <= now  # left over by an interrupted run
    due_at = func.least(Address.next_fetch_at, now)  # of the two that is no NULL
    changes = {"next_fetch_at": due_at, "attempts": case((IS_BARE, Address.attempts), else_=0)}
    made_due: list[int] = []
    for start in range(0, len(address_ids), _BATCH):
        rows = select(Address.id).where(Address.id.in_(address_ids[start : start + _BATCH]))
        if not again:
            rows = rows.where(unanswered | is_due, ~backs_off)
        made_due.extend(_update_locked(session, rows, changes))
    return made_due


def due_addresses(session: Session, now: datetime, limit: int, run_id: int | None = None) -> list[DueAddress]:
    """Return addresses that are due; with `run_id` only those claimed by that run, else whoever has them.

    Bare ones come last, and before them those that gave no final answer when they were last asked, the one
    that waits longest first: one that is answered with a challenge each time blocks no other. Short links
    come first: what they lead to may be the post of a long address, which then need not be asked.
    """
    rows = _due(now)
    if run_id is not None:
        rows = rows.where(Address.claimed_by_run_id == run_id)
    return _load_due(session, rows.limit(limit))


def _due(now: datetime) -> Select[int, str, str]:
    failed = func.derived.has_failed(Address.last_outcome)
    failed_at = func.derived.failed_at(Address.last_outcome, Address.last_tried_at)
    # The order of ix__addresses__fetch_order.
    in_order = IS_BARE, failed, failed_at, Address.attempts, IS_LONG, Address.next_fetch_at
    rows = select(Address.id, Address.key, Address.url)
    return rows.where(Address.next_fetch_at <= now).order_by(*in_order, Address.id)


def _load_due(session: Session, rows: Select[int, str, str]) -> list[DueAddress]:
    return [due_address(address_id, key, url) for address_id, key, url in session.execute(rows)]


def due_address(address_id: int, key: str, url: str) -> DueAddress:
    """Return a stored address as one to fetch. Raises AddressError."""
    address = parse_address(url)
    return DueAddress(address_id, key, address.fetch_url, address.is_bare)


def address_ids(session: Session, keys: Sequence[str]) -> set[int]:
    """Return the ids of the addresses with these keys."""
    return set(session.scalars(select(Address.id).where(has_key(keys))))


def addresses_of_run(session: Session, run_id: int) -> list[Address]:
    """Return the addresses a run claimed, as they are now, in the order they became known."""
    rows = select(Address).where(Address.claimed_by_run_id == run_id).order_by(Address.id)
    return list(session.scalars(rows))


def claim_addresses(session: Session, run_id: int, address_ids: Sequence[int], now: datetime) -> None:
    """Claim addresses for a run, whoever has them, except those that another crawl is fetching now."""
    rows = select(Address.id).where(Address.id.in_(address_ids), ~is_being_fetched(now))
    _update_locked(session, rows, claim_values(run_id, now))


def take_over(session: Session, run_id: int, address_ids: Sequence[int], now: datetime) -> list[int]:
    """Claim for a run those of its addresses that are still due and that no other crawl is fetching.

    Return their ids. Other runs may have claimed them since, to fetch them when the egress is theirs.
    """
    free = ~is_being_fetched(now) | (Address.claimed_by_run_id == run_id)
    taken: list[int] = []
    for start in range(0, len(address_ids), _BATCH):
        rows = select(Address.id).where(Address.id.in_(address_ids[start : start + _BATCH]))
        rows = rows.where(Address.next_fetch_at <= now, free)
        taken.extend(_update_locked(session, rows, claim_values(run_id, now)))
    return taken


def claim_due(  # noqa: PLR0913 - the last has a default
    session: Session, command: str, egress: str, limit: int, now: datetime, *, bare_a_day: int = BARE_A_DAY
) -> tuple[int, list[DueAddress]]:
    """Open a run for addresses that are due and free; return its id (0: there are none), and the addresses.

    Addresses that another transaction has locked are passed over, so two that claim at once get different
    ones and neither waits. Bare ones are claimed only while one may be asked.
    """
    rows = _due_and_free(session, now, bare_a_day).limit(limit)
    due = _load_due(session, rows.with_for_update(of=Address, skip_locked=True, key_share=True))
    if not due:
        return 0, []
    run_id = runs.start_run(session, command, {"due": len(due)}, now, egress)
    claimed = update(Address).where(Address.id.in_([address.id for address in due]))
    session.execute(claimed.values(claim_values(run_id, now)))
    return run_id, due


def has_due_address(session: Session, now: datetime, bare_a_day: int = BARE_A_DAY) -> bool:
    """Tell whether any address is due, free and may be asked."""
    return session.scalar(_due_and_free(session, now, bare_a_day).limit(1)) is not None


def _due_and_free(session: Session, now: datetime, bare_a_day: int) -> Select[int, str, str]:
    rows = _due(now).where(is_free(now))
    return rows if may_ask_bare(session, bare_a_day, now) else rows.where(~IS_BARE)
