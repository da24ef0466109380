"""Find and lock addresses by their keys, of which the columns of an address hold the parts.

Each function takes a session and leaves the commit to its caller.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Result, Row, and_, false, or_, select
from sqlalchemy.orm import Session

from archive.db.models import Address
from archive.domain.addresses import AddressColumns

BATCH = 500  # keys per statement; a record of a dump has 5 kB

# Rows are locked in this order, and put in the order of `in_lock_order`, which is the same.
LOCK_ORDER = (
    Address.other_key.collate("C").nulls_first(),
    Address.short_token.collate("C").nulls_first(),
    Address.biz.collate("C"),
    Address.mid,
    Address.idx,
)


def in_lock_order(keys: Collection[str]) -> list[tuple[str, AddressColumns]]:
    """Return keys with their parts in the order in which their rows are locked."""
    parts = [(key, AddressColumns.of_key(key)) for key in keys]
    return sorted(parts, key=lambda one: _place(one[1]))


def _place(one: AddressColumns) -> tuple[str, str, str, int, int]:
    return one.other_key or "", one.short_token or "", one.biz or "", one.mid or 0, one.idx or 0


def has_key(keys: Collection[str]) -> ColumnElement[bool]:
    """Return the SQL condition that an address has one of these keys; each kind of key has an index."""
    parts = {key: AddressColumns.of_key(key) for key in keys}
    long = [key for key, one in parts.items() if one.mid is not None]
    tokens = [one.short_token for one in parts.values() if one.short_token is not None]
    others = [one.other_key for one in parts.values() if one.other_key is not None]
    conditions: list[ColumnElement[bool]] = []
    if long:
        mids = {parts[key].mid for key in long}
        conditions.append(and_(Address.mid.in_(mids), Address.key.in_(long)))
    if tokens:
        conditions.append(Address.short_token.in_(tokens))
    if others:
        conditions.append(Address.other_key.in_(others))
    return or_(*conditions) if conditions else false()


Arbiter = tuple[str, ...]  # the columns of the unique index that holds a kind of key


def arbiter_of(columns: AddressColumns) -> Arbiter:
    """Return the unique index that holds these columns."""
    if columns.mid is not None:
        return "mid", "idx", "biz"
    return ("other_key",) if columns.short_token is None else ("short_token",)


def on_conflict(arbiter: Arbiter) -> dict[str, Any]:
    """Return the parameters by which ON CONFLICT finds a known address of a kind."""
    return {"index_elements": arbiter, "index_where": getattr(Address, arbiter[0]).is_not(None)}


def batches(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield keys by the number of them that a statement takes."""
    for start in range(0, len(keys), BATCH):
        yield keys[start : start + BATCH]


def address_ids_by_key(session: Session, keys: Sequence[str]) -> dict[str, int]:
    """Return the ids of those of these addresses that are known, by key."""
    ids: dict[str, int] = {}
    for batch in batches(keys):
        rows = select(Address.key, Address.id).where(has_key(batch))
        ids.update((key, address_id) for key, address_id in session.execute(rows))
    return ids


def without_known(session: Session, rows: Result[Any]) -> Iterator[Row[Any]]:
    """Yield those rows whose `key` is that of no known address, in order."""
    for batch in rows.partitions(BATCH):
        known = address_ids_by_key(session, [row.key for row in batch])
        yield from (row for row in batch if row.key not in known)
