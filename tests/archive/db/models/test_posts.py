"""Test what the database itself holds of posts, versions and absences."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from archive.db.models import Absence, Post, PostSearchDocument, Version
from archive.ingest.pages import import_records
from archive.repository.captures import store_captures
from tests.archive.making import NOW, capture, record


@pytest.fixture
def post(db_session: Session) -> Post:
    """Import one post."""
    import_records(db_session, None, [record()], "dump", NOW)
    (post,) = db_session.query(Post)
    return post


def test_only_one_absence_of_a_post_lasts(db_session: Session, post: Post) -> None:
    ids = store_captures(db_session, None, [(None, capture(b"%d" % n)) for n in range(3)])
    times = {"first_missing_at": NOW, "last_missing_at": NOW, "outcome": "deleted", "post_id": post.id}
    db_session.add(Absence(capture_id=ids[0], returned_at=NOW, **times))
    db_session.add(Absence(capture_id=ids[1], **times))
    db_session.flush()
    db_session.add(Absence(capture_id=ids[2], **times))
    with pytest.raises(IntegrityError, match="uq__absences__post_id"):
        db_session.flush()


@pytest.mark.slow
def test_a_version_has_a_number_of_its_own_within_its_post(db_session: Session, post: Post) -> None:
    db_session.add(
        Version(
            post_id=post.id, number=1, title="t", text="x", content_hash="h", source="page", recorded_at=NOW
        )
    )
    with pytest.raises(IntegrityError, match="uq__versions__post_id_number"):
        db_session.flush()


def test_the_search_words_of_a_post_go_with_it(db_session: Session, post: Post) -> None:
    assert db_session.query(PostSearchDocument).count() == 1
    db_session.execute(text("UPDATE posts SET current_version_id = NULL"))
    for table in ("chain_entries", "versions", "posts"):
        db_session.execute(text(f"DELETE FROM {table}"))
    assert db_session.query(PostSearchDocument).count() == 0
