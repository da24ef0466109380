"""Test what the database itself holds of captures and hash chains."""

import pytest
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from archive.db.models import CaptureRow, Chain, ChainEntry
from archive.repository.captures import store_captures
from archive.repository.hash_chain import append_noted
from tests.archive.making import capture


def test_a_chain_entry_is_of_exactly_one_capture_or_version(db_session: Session) -> None:
    chain = Chain(biz="x", digest=bytes(32))
    db_session.add(chain)
    db_session.flush()
    db_session.add(ChainEntry(chain_id=chain.id, position=1, content=b"", digest=b""))
    with pytest.raises(IntegrityError, match="ck__chain_entries__one_subject"):
        db_session.flush()


def test_a_capture_stands_in_one_place_of_one_chain(db_session: Session) -> None:
    (id_,) = store_captures(db_session, None, [(None, capture())])
    append_noted(db_session)
    (entry,) = db_session.query(ChainEntry)
    again = ChainEntry(chain_id=entry.chain_id, position=2, capture_id=id_, content=b"", digest=b"")
    db_session.add(again)
    with pytest.raises(IntegrityError, match="uq__chain_entries__capture_id"):
        db_session.flush()


def test_values_of_scripts_come_back_as_they_were_and_none_is_null(db_session: Session) -> None:
    values = {"a": [1, None, "文"], "text": ""}
    pages = [capture(b"1", rendered=True, evaluated=values), capture(b"2")]
    ids = store_captures(db_session, None, [(None, page) for page in pages])
    assert [db_session.get_one(CaptureRow, id_).evaluated for id_ in ids] == [values, None]
