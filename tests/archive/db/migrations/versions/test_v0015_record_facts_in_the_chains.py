"""Test that the upgrade enters the facts of what is there, and changes nothing where it fails."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from archive.db import schema
from archive.db.engine import transaction
from archive.db.settings import ArchiveSettings
from archive.domain.errors import DatabaseUnavailable
from archive.integrity.saved_heads import SavedHeads, compare_with_heads
from archive.integrity.verifier import verify_archive
from archive.repository.hash_chain import ChainHead, chain_heads
from archive.repository.heads import last_head
from archive.storage.media_files import MediaFolder
from tests.archive.db.migrations.migrating import migrate
from tests.archive.integrity.filling import context_at, fill

BEFORE = "0014"
CONTENTS = text("SELECT fact_kind, fact_id, content_digest FROM chain_entries WHERE fact_kind IS NOT NULL")
NEWEST = text(
    "SELECT DISTINCT ON (fact_kind, fact_id) fact_kind, fact_id, content_digest FROM chain_entries"
    " WHERE fact_kind IS NOT NULL AND removed_by_id IS NULL ORDER BY fact_kind, fact_id, position DESC"
)


@pytest.fixture
def old(engine: Engine, tmp_path: Path) -> Engine:
    """Return an archive with something in every table, as the version before had it."""
    context = context_at(MediaFolder(ArchiveSettings(media=str(tmp_path))))
    with transaction(engine) as session:
        fill(session, context)
    migrate(engine, BEFORE)
    return engine


def test_every_fact_gets_the_entry_that_the_program_would_write(engine: Engine, tmp_path: Path) -> None:
    context = context_at(MediaFolder(ArchiveSettings(media=str(tmp_path))))
    with transaction(engine) as session:
        fill(session, context)
    with engine.connect() as connection:
        expected = connection.execute(NEWEST).all()
    for revision in (BEFORE, "head"):
        migrate(engine, revision)
    with engine.connect() as connection:
        assert set(connection.execute(CONTENTS)) == set(expected)
    findings = verify_archive(engine, context).findings
    assert {finding.table for finding in findings} <= {"removals"}  # their entries went on the way back
    with transaction(engine) as session:
        head = last_head(session)
        assert head is not None
        assert list(head.chains) == chain_heads(session)


def test_heads_saved_before_still_hold(old: Engine) -> None:
    with old.connect() as connection:
        rows = connection.execute(text("SELECT biz, length, encode(digest, 'hex') AS digest FROM chains"))
        saved = SavedHeads(tuple(ChainHead(*row) for row in rows))
    migrate(old, "head")
    with transaction(old) as session:
        assert compare_with_heads(session, saved) == []


def test_a_row_with_a_wrong_checksum_gets_no_entry_and_stays_a_finding(old: Engine, tmp_path: Path) -> None:
    with old.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text("UPDATE accounts SET name = 'x' WHERE id = (SELECT min(id) FROM accounts)"))
    migrate(old, "head")
    context = context_at(MediaFolder(ArchiveSettings(media=str(tmp_path))))
    (finding,) = verify_archive(old, context, only=["facts"]).findings
    assert (finding.table, finding.message.code) == ("accounts", "archive.integrity.fact_in_no_chain")


def test_an_upgrade_that_fails_half_way_changes_nothing(old: Engine) -> None:
    with old.begin() as connection:
        connection.execute(text("CREATE TABLE head_lengths (id int)"))  # in the way of one of the last steps
    with pytest.raises(DatabaseUnavailable, match=r"head_lengths.*nothing in it was changed") as failed:
        schema.upgrade(old)
    assert str(failed.value).count("\n") == 0
    with old.connect() as connection:
        assert schema.revision(connection) == BEFORE
        assert connection.scalar(text("SELECT bool_and(seal = seal_of(a)) FROM accounts a"))
        connection.execute(text("DROP TABLE head_lengths"))
        connection.commit()
    schema.upgrade(old)
    with old.connect() as connection:
        assert connection.scalar(text("SELECT count(*) > 0 FROM chain_entries WHERE fact_kind IS NOT NULL"))


def test_an_archive_of_a_newer_version_is_refused_in_one_sentence_and_not_changed(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseUnavailable) as refused:
        schema.upgrade(engine)
    assert refused.value.message.code == "archive.database.newer"
    assert "\n" not in str(refused.value)
    with engine.connect() as connection:
        assert schema.revision(connection) == "9999"
