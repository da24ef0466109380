"""Test the checksums that triggers keep in rows."""

from sqlalchemy import text
from sqlalchemy.orm import Session

from archive.db.migrations.row_seals import seal, unseal
from archive.ingest.pages import import_records
from tests.archive.making import NOW, record

DIFFERING = text("SELECT count(*) FROM posts WHERE seal IS DISTINCT FROM seal_of(posts)")


def test_a_checksum_follows_every_change_that_the_database_makes(db_session: Session) -> None:
    import_records(db_session, None, [record(1)], "dump", NOW)
    before = db_session.scalar(text("SELECT seal FROM posts"))
    db_session.execute(text("UPDATE posts SET title = title || '改'"))
    assert db_session.scalar(text("SELECT seal FROM posts")) != before
    assert db_session.scalar(DIFFERING) == 0
    db_session.execute(text("SET LOCAL session_replication_role = replica"))
    db_session.execute(text("UPDATE posts SET title = title || '再改'"))
    assert db_session.scalar(DIFFERING) == 1


def test_a_checksum_does_not_depend_on_the_time_zone_of_the_session(db_session: Session) -> None:
    import_records(db_session, None, [record(1)], "dump", NOW)
    for zone in ("UTC", "Asia/Shanghai"):
        db_session.execute(text(f"SET LOCAL timezone = '{zone}'"))
        assert db_session.scalar(DIFFERING) == 0


def test_checksums_can_be_removed_and_added_again(db_session: Session) -> None:
    import_records(db_session, None, [record(1)], "dump", NOW)
    connection = db_session.connection()
    unseal(connection, "runs")
    columns = "SELECT count(*) FROM pg_attribute WHERE attrelid = 'runs'::regclass AND attname = 'seal'"
    assert db_session.scalar(text(columns)) == 0
    seal(connection, "runs")
    assert db_session.scalar(text(columns)) == 1
