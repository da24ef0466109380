"""Test what the database itself holds of accounts, sources and egresses."""

import pytest
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from archive.db.models import Account, Egress, Source
from tests.archive.making import BIZ, NOW


def test_an_account_is_stored_once_by_its_biz(db_session: Session) -> None:
    db_session.add_all([Account(biz=BIZ, name="a"), Account(biz=BIZ, name="b")])
    with pytest.raises(IntegrityError, match="uq__accounts__biz"):
        db_session.flush()


def test_a_source_is_stored_once_per_account_and_begins_untried(db_session: Session) -> None:
    account = Account(biz=BIZ)
    db_session.add(account)
    db_session.flush()
    db_session.add(Source(account_id=account.id, type="album", external_id="1"))
    db_session.flush()
    db_session.expire_all()
    (source,) = db_session.query(Source)
    assert (source.state, source.consecutive_failures, source.memory, source.detail) == (None, 0, {}, "")
    db_session.add(Source(account_id=account.id, type="album", external_id="1"))
    with pytest.raises(IntegrityError, match="uq__sources__account_id_type_external_id"):
        db_session.flush()


def test_an_egress_begins_unblocked(db_session: Session) -> None:
    db_session.add(Egress(name="home", seen_at=NOW))
    db_session.flush()
    db_session.expire_all()
    (egress,) = db_session.query(Egress)
    assert (egress.consecutive_challenges, egress.blocked_until, egress.reason) == (0, None, "")
