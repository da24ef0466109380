"""Test that the upgrade makes a partition of the captures that are there, and copies none of them."""

from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from archive.db import schema
from archive.db.engine import transaction
from archive.db.models import SERIALS
from archive.db.schema import capture_months
from archive.db.settings import ArchiveSettings
from archive.integrity.verifier import verify_archive
from archive.repository.captures import store_captures
from archive.repository.hash_chain import chain_heads
from archive.storage.media_files import MediaFolder
from tests.archive.db.migrations.migrating import migrate
from tests.archive.integrity.filling import context_at, fill
from tests.archive.making import capture

BEFORE = "0017"
OLD = "partitions.captures_without_month"
FILE = "SELECT pg_relation_filenode('{}')"
ROWS = text("SELECT c::text FROM captures c ORDER BY id")
# Keys, triggers, views and functions: what would be lost with the table.
SCHEMA = text("""
SELECT 'key', conrelid::regclass::text, conname::text, pg_get_constraintdef(oid)
FROM pg_constraint WHERE contype = 'f' AND conparentid = 0 AND connamespace = 'public'::regnamespace
UNION ALL
SELECT 'trigger', tgrelid::regclass::text, tgname::text, pg_get_triggerdef(oid)
FROM pg_trigger WHERE NOT tgisinternal AND tgparentid = 0
UNION ALL
SELECT 'view', oid::regclass::text, '', CASE WHEN relname <> 'stored' THEN pg_get_viewdef(oid) END
FROM pg_class WHERE relkind = 'v' AND relnamespace = 'derived'::regnamespace
UNION ALL
SELECT 'function', oid::regprocedure::text, '', prosrc
FROM pg_proc WHERE pronamespace = 'derived'::regnamespace
UNION ALL
SELECT 'comment', attname::text, '', col_description(attrelid, attnum)
FROM pg_attribute WHERE attrelid = 'captures'::regclass AND attnum > 0 AND NOT attisdropped
ORDER BY 1, 2, 3
""")


def state(connection: Connection) -> list[object]:
    """Return the schema and the rows of captures."""
    return [connection.execute(SCHEMA).all(), connection.scalars(ROWS).all()]


@pytest.fixture
def old(engine: Engine) -> Engine:
    """Return an archive of the version before with captures, all with small ids."""
    migrate(engine, BEFORE)
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO bodies (sha256, codec, data) SELECT sha256(n::text::bytea), 'zstd', ''"
                " FROM generate_series(1, 100) n"
            )
        )
        connection.execute(
            text(
                "INSERT INTO captures (requested_url, final_url, status, headers, body_size, sha256,"
                " fetched_at, rendered) SELECT 'u', 'u', 200, '[]', 1, sha256(n::text::bytea), now(), false"
                " FROM generate_series(1, 100) n"
            )
        )
    return engine


def test_nothing_is_copied_and_everything_that_belongs_to_the_table_is_there_again(old: Engine) -> None:
    with old.connect() as connection:
        before, file = state(connection), connection.scalar(text(FILE.format("captures")))
    migrate(old, "0018")
    with old.connect() as connection:
        assert connection.scalar(text(FILE.format(OLD))) == file
        assert state(connection) == before
        assert len(capture_months(connection)) == 4
    migrate(old, "head")
    with transaction(old) as session:
        (id_,) = store_captures(session, None, [(None, capture())])
        assert id_ % SERIALS == 101
        for table in ("captures", OLD):
            with pytest.raises(DBAPIError, match="never change"), session.begin_nested():
                session.execute(text(f"UPDATE {table} SET status = 1 WHERE id = 7"))


def test_an_archive_with_everything_goes_back_and_forth_and_stays_sound(
    engine: Engine, tmp_path: Path
) -> None:
    context = context_at(MediaFolder(ArchiveSettings(media=str(tmp_path))))
    with transaction(engine) as session:
        fill(session, context)
    with transaction(engine) as session:
        heads = chain_heads(session)
    migrate(engine, "0018")  # later versions have keys of their own
    with engine.connect() as connection:
        before = state(connection)
    for revision in (BEFORE, "0018"):
        migrate(engine, revision)
        with engine.connect() as connection:
            assert state(connection) == before
    migrate(engine, "head")
    with transaction(engine) as session:
        assert chain_heads(session) == heads
    assert verify_archive(engine, context).is_sound


def test_an_upgrade_that_is_cut_off_or_fails_changes_nothing(old: Engine) -> None:
    with old.connect() as connection:
        before = state(connection)
    with pytest.raises(DBAPIError), old.begin() as connection:
        schema.migrate(connection, "head")
        connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    with old.begin() as connection:  # a capture that another one refers to is gone: keys do not hold
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text("INSERT INTO unparsed_captures VALUES (999)"))
    with pytest.raises(DBAPIError, match="fk__unparsed_captures__capture_id__captures"):
        migrate(old, "head")
    with old.connect() as connection:
        assert schema.revision(connection) == BEFORE
        assert state(connection) == before
