"""Test that rows of a damaged page are named: Postgres refuses a page in which a bit flipped."""

from pathlib import Path

import pytest
from sqlalchemy import text

from archive.db.engine import open_archive, transaction
from archive.db.schema import add_capture_months
from archive.db.settings import ArchiveSettings
from archive.ingest.pages import import_records
from archive.integrity.verifier import verify_archive
from archive.repository.captures import store_captures
from archive.storage.media_files import MediaFolder
from tests.archive.db.test_capture_months import with_clock_at
from tests.archive.integrity.filling import context_at
from tests.archive.making import NOW, capture, record

POSTS = 40


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


def test_captures_of_a_damaged_page_are_named_in_each_month(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their ids are far apart, and a page of one month that cannot be read hides none of another."""
    settings = ArchiveSettings(home=tmp_path / "home")
    with open_archive(settings) as engine, transaction(engine) as session:
        add_capture_months(session.connection(), [197003])
        pages = [(None, capture(str(number).encode())) for number in range(6)]
        store_captures(session, None, pages[:3])
        with_clock_at(197003, monkeypatch)
        store_captures(session, None, pages[3:])
        table = session.scalar(text("SELECT tableoid::regclass::text FROM captures ORDER BY id DESC LIMIT 1"))
        file = session.scalar(text("SELECT pg_relation_filepath(:table)"), {"table": table})
        on_first = session.scalars(text(f"SELECT id FROM {table} WHERE ctid < '(1,0)' ORDER BY id")).all()
    page = bytearray((settings.home / "postgres" / file).read_bytes())
    page[4000] ^= 1
    (settings.home / "postgres" / file).write_bytes(page)
    with open_archive(settings) as engine:
        report = verify_archive(engine, context_at(MediaFolder(settings)), only=["bytes"])
    damaged = [finding for finding in report.findings if finding.message.code.endswith("row_unreadable")]
    assert {finding.id for finding in damaged} == set(on_first)
    assert len(on_first) == 3
    assert report.checked["bytes"] >= 6
