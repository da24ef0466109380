"""Test what the database itself holds of addresses and sightings."""

import pytest
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from archive.db.models import Address, Sighting
from tests.archive.making import NOW


def test_an_address_is_stored_once_by_its_key_and_begins_unclaimed(db_session: Session) -> None:
    db_session.add(Address(short_token="a", url="u"))
    db_session.flush()
    db_session.expire_all()
    (address,) = db_session.query(Address)
    assert (address.claimed_by_run_id, address.claimed_until, address.attempts) == (None, None, 0)
    db_session.add(Address(short_token="a", url="v"))
    with pytest.raises(IntegrityError, match="uq__addresses__short_token"):
        db_session.flush()


def test_only_a_run_that_exists_can_claim_an_address(db_session: Session) -> None:
    db_session.add(Address(short_token="a", url="u", claimed_by_run_id=4711, claimed_until=NOW))
    with pytest.raises(IntegrityError, match="fk__addresses__claimed_by_run_id__runs"):
        db_session.flush()


def test_a_sighting_is_stored_once_per_source_and_spelling(db_session: Session) -> None:
    address = Address(short_token="a", url="u")
    db_session.add(address)
    db_session.flush()
    for url in ("u", "v", "u"):
        seen = {"first_seen_at": NOW, "last_seen_at": NOW}
        db_session.add(Sighting(address_id=address.id, source="list", url=url, **seen))
    with pytest.raises(IntegrityError, match="uq__sightings__address_id_source_url"):
        db_session.flush()
