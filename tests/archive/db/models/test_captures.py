"""Test what the database itself holds of captures and hash chains."""

from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from archive.db.models import Capture, Chain, ChainEntry
from archive.db.settings import ArchiveSettings
from archive.integrity.check import RowRange
from archive.integrity.checks.chains import check_entries
from archive.repository.capture_selection import Selection, selected_captures
from archive.repository.captures import find_capture, get_capture_metadata, load_capture, store_captures
from archive.repository.hash_chain import append_noted
from archive.storage.media_files import MediaFolder
from tests.archive.integrity.filling import context_at
from tests.archive.making import capture


def test_a_chain_entry_is_of_exactly_one_capture_or_version(db_session: Session) -> None:
    chain = Chain(biz="x", digest=bytes(32))
    db_session.add(chain)
    db_session.flush()
    db_session.add(ChainEntry(chain_id=chain.id, position=1, content_digest=b"", digest=b""))
    with pytest.raises(IntegrityError, match="ck__chain_entries__one_subject"):
        db_session.flush()


def test_a_capture_stands_in_one_place_of_one_chain(db_session: Session) -> None:
    (id_,) = store_captures(db_session, None, [(None, capture())])
    append_noted(db_session)
    (entry,) = db_session.query(ChainEntry)
    again = ChainEntry(chain_id=entry.chain_id, position=2, capture_id=id_, content_digest=b"", digest=b"")
    db_session.add(again)
    with pytest.raises(IntegrityError, match="uq__chain_entries__capture_id"):
        db_session.flush()


def test_values_of_scripts_come_back_as_they_were_and_none_is_null(db_session: Session) -> None:
    values = {"a": [1, None, "文"], "text": ""}
    pages = [capture(b"1", rendered=True, evaluated=values), capture(b"2")]
    ids = store_captures(db_session, None, [(None, page) for page in pages])
    assert [db_session.get_one(Capture, id_).evaluated for id_ in ids] == [values, None]


SECRET = "canary5a6b"
CLEAN = "https://mp.weixin.qq.com/s?__biz=MzA=&mid=1&idx=1&sn=ab&chksm=cd"


def test_sessions_that_earlier_versions_stored_are_not_read_and_the_chain_stays_sound(
    db_session: Session,
) -> None:
    """Change no stored byte: the chain's content is that of the row with the secret."""
    dirty = f"{CLEAN}&pass_ticket={SECRET}&key={SECRET}&uin={SECRET}&exportkey={SECRET}"
    headers = (("Location", dirty), ("X-Note", "a&b=c"), ("Content-Type", "text/html; charset=UTF-8"))
    stored = replace(capture(), requested_url=dirty, final_url=dirty, headers=headers)
    (id_,) = store_captures(db_session, None, [(None, stored)])
    read = load_capture(db_session, id_)
    assert (read.requested_url, read.final_url) == (CLEAN, CLEAN)
    assert read.headers == (("Location", CLEAN), *headers[1:])
    (selected,) = next(selected_captures(db_session, Selection()))
    assert SECRET not in repr((selected, get_capture_metadata(db_session, id_)))
    assert find_capture(db_session, CLEAN, stored.sha256) == id_
    raw = db_session.scalar(text("SELECT requested_url FROM captures"))
    assert raw == dirty
    append_noted(db_session)
    result = check_entries(RowRange(db_session, context_at(MediaFolder(ArchiveSettings()))))
    assert (result.rows, result.findings) == (1, [])
