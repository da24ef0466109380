"""Test that addresses are found by keys of each kind, and locked in one order."""

from collections.abc import Sequence

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from archive.db.models import Address
from archive.domain.addresses import AddressColumns
from archive.repository.address_keys import (
    BATCH,
    LOCK_ORDER,
    address_ids_by_key,
    has_key,
    in_lock_order,
    without_known,
)
from tests.archive.making import BIZ

OTHER = "MzA5MDkwOTA5MA=="

KEYS = [
    f"{BIZ}:1001:1", f"{BIZ}:1001:2", f"{OTHER}:1001:1", f"{BIZ}:10010:1", f"{BIZ}:01001:1", f"{BIZ}:9:1",
    "s/AbCdEfGhIjKlMnOpQrStUv", "s/abCdEfGhIjKlMnOpQrStUv", "s/-_CdEfGhIjKlMnOpQrStUv",
]  # fmt: skip


def put(session: Session, keys: Sequence[str]) -> None:
    """Store addresses with these keys."""
    session.add_all(Address(url="u", **AddressColumns.of_key(key)._asdict()) for key in keys)
    session.flush()


@pytest.mark.parametrize("wanted", [KEYS, KEYS[:1], KEYS[4:5], KEYS[6:7], [f"{BIZ}:1001:3", "s/no"], []])
def test_exactly_the_addresses_with_these_keys_are_found(db_session: Session, wanted: Sequence[str]) -> None:
    put(db_session, KEYS)
    found = db_session.scalars(select(Address).where(has_key(wanted))).all()
    assert {row.key for row in found} == set(wanted) & set(KEYS)
    assert set(address_ids_by_key(db_session, wanted)) == set(wanted) & set(KEYS)


def test_rows_are_locked_in_the_order_in_which_they_are_put(db_session: Session) -> None:
    put(db_session, KEYS)
    locked = db_session.scalars(select(Address.key).order_by(*LOCK_ORDER)).all()
    assert list(locked) == [key for key, _ in in_lock_order(KEYS)]


def test_more_keys_than_a_statement_takes_are_looked_up(db_session: Session) -> None:
    known = [f"{BIZ}:{number}:1" for number in range(1, BATCH + 3)]
    put(db_session, known)
    assert set(address_ids_by_key(db_session, [*known, "s/unknown"])) == set(known)
    rows = db_session.execute(text("SELECT 's/' || n AS key, n FROM generate_series(1, 3) n"))
    put(db_session, ["s/2"])
    assert [row.n for row in without_known(db_session, rows)] == [1, 3]
