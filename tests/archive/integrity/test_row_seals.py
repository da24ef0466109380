"""Test the checksums that earlier versions kept in rows: migrations still add and remove them."""

from sqlalchemy import text
from sqlalchemy.orm import Session

from archive.db.migrations.row_seals import seal, unseal

DIFFERING = text("SELECT count(*) FROM runs WHERE seal IS DISTINCT FROM seal_of(runs)")
COLUMNS = text(
    "SELECT count(*) FROM pg_attribute"
    " WHERE attrelid = 'runs'::regclass AND attname = 'seal' AND NOT attisdropped"
)


def test_a_checksum_follows_every_change_until_it_is_removed(db_session: Session) -> None:
    connection = db_session.connection()
    db_session.execute(text("INSERT INTO runs (command, started_at) VALUES ('x', now())"))
    seal(connection, "runs")
    for zone in ("UTC", "Asia/Shanghai"):
        db_session.execute(text(f"SET LOCAL timezone = '{zone}'"))
        assert db_session.scalar(DIFFERING) == 0
    db_session.execute(text("UPDATE runs SET command = 'y'"))
    assert db_session.scalar(DIFFERING) == 0
    db_session.execute(text("SET LOCAL session_replication_role = replica"))
    db_session.execute(text("UPDATE runs SET command = 'z'"))
    assert db_session.scalar(DIFFERING) == 1
    unseal(connection, "runs")
    assert db_session.scalar(COLUMNS) == 0
