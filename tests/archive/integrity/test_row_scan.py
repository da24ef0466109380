"""Test that rows of a damaged page are named: Postgres refuses a page in which a bit flipped."""

from pathlib import Path

import pytest
from sqlalchemy import text

from archive.db.engine import open_archive, transaction
from archive.db.settings import ArchiveSettings
from archive.ingest.pages import import_records
from archive.integrity.verifier import verify_archive
from archive.storage.media_files import MediaFolder
from tests.archive.integrity.filling import context_at
from tests.archive.making import NOW, record

POSTS = 40


@pytest.mark.slow
def test_rows_of_a_page_that_postgres_refuses_are_named_and_all_others_are_checked(tmp_path: Path) -> None:
    settings = ArchiveSettings(home=tmp_path / "home")
    with open_archive(settings) as engine, transaction(engine) as session:
        records = [record(number, text="合成的一段。" * 40) for number in range(POSTS)]
        import_records(session, None, records, "dump", NOW)
        file = session.scalar(text("SELECT pg_relation_filepath('versions')"))
        on_first = session.scalars(text("SELECT id FROM versions WHERE ctid < '(1,0)' ORDER BY id")).all()
    page = bytearray((settings.home / "postgres" / file).read_bytes())
    page[4000] ^= 1
    (settings.home / "postgres" / file).write_bytes(page)
    with open_archive(settings) as engine:
        report = verify_archive(engine, context_at(MediaFolder(settings)), only=["posts"])
    damaged = [finding for finding in report.findings if finding.table == "versions"]
    assert {finding.id for finding in damaged} == set(on_first)
    assert 0 < len(on_first) < POSTS
    assert {finding.message.code for finding in damaged} == {"archive.integrity.row_unreadable"}
    assert all("cannot be read (invalid page in block 0" in str(finding) for finding in damaged)
    assert report.checked["posts"] > POSTS
