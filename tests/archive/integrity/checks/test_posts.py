"""Test the checks of posts, absences and pages."""

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, text

from archive.db.engine import transaction
from archive.db.settings import ArchiveSettings
from archive.ingest.pages import import_records
from archive.integrity.check import CheckContext, RowRange
from archive.integrity.checks.posts import check_absences, check_pages
from archive.integrity.verifier import verify_archive
from archive.repository.runs import start_run
from archive.storage.media_files import MediaFolder
from tests.archive.integrity.checks.mutations import rolled_back_session
from tests.archive.integrity.filling import context_at, fetch
from tests.archive.making import NOW
from tests.standin.pages import Shown
from tests.standin.posts import POSTS


def test_a_page_without_its_text_says_nothing_against_the_text_that_a_dump_has_of_the_post(
    engine: Engine, tmp_path: Path
) -> None:
    context = context_at(MediaFolder(ArchiveSettings(media=str(tmp_path / "media"))))
    shown = next(one for one in map(Shown, POSTS) if one.expected.needs_browser)
    page = b"".join(shown.render(2000)), shown.expected.url
    with transaction(engine) as session:
        half = fetch(session, start_run(session, "backfill", {}, NOW), page, NOW, context)
        assert half.record
        import_records(session, None, [replace(half.record, text="转储里的文字\r")], "dump", NOW)
    assert verify_archive(engine, context).findings == []


@pytest.mark.slow
def test_an_absence_that_was_not_recorded_is_counted_and_is_no_finding(
    filled: Connection, context: CheckContext
) -> None:
    with rolled_back_session(filled) as session:
        removed = len(session.execute(text("DELETE FROM absences RETURNING id")).all())
        result = check_absences(RowRange(session, context))
    assert result.findings == []
    assert result.notes == {"archive.integrity.note_absences_not_recorded": removed}


def test_pages_parsed_by_another_version_of_the_parser_are_counted_and_not_compared(
    filled: Connection, context: CheckContext
) -> None:
    with rolled_back_session(filled) as session:
        later = replace(context, parser_version=context.parser_version + 1)
        result = check_pages(RowRange(session, later))
    assert result.findings == []
    assert result.notes["archive.integrity.note_other_parser"] > 0
