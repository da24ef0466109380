"""Test what the database itself holds of media and their files."""

import pytest
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from archive.db.models import File, Medium

FILE = {"sha256": bytes(32), "size": 1, "media_type": "image/png", "path": "00/00/00.png"}


def test_a_medium_is_stored_once_by_its_key_and_begins_without_a_file(db_session: Session) -> None:
    db_session.add(Medium(key="k", url="u", type="image"))
    db_session.flush()
    db_session.expire_all()
    (medium,) = db_session.query(Medium)
    assert (medium.file_id, medium.attempts, medium.last_outcome, medium.last_reason) == (None, 0, None, "")
    db_session.add(Medium(key="k", url="v", type="image"))
    with pytest.raises(IntegrityError, match="uq__media__key"):
        db_session.flush()


def test_a_file_is_stored_once_by_its_content(db_session: Session) -> None:
    db_session.add_all([File(**FILE), File(**FILE)])
    with pytest.raises(IntegrityError, match="uq__files__sha256"):
        db_session.flush()


def test_a_file_that_a_medium_has_cannot_be_deleted(db_session: Session) -> None:
    file = File(**FILE)
    db_session.add(file)
    db_session.flush()
    db_session.add(Medium(key="k", url="u", type="image", file_id=file.id))
    db_session.flush()
    db_session.delete(file)
    with pytest.raises(IntegrityError, match="fk__media__file_id__files"):
        db_session.flush()
