"""Test verifying a whole archive: it resumes after a stop."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from archive.db.engine import transaction
from archive.db.settings import ArchiveSettings
from archive.ingest.pages import import_records
from archive.integrity.check import CheckContext
from archive.integrity.verifier import verify_archive
from archive.repository.captures import store_captures
from archive.storage.media_files import MediaFolder
from tests.archive.integrity.filling import context_at
from tests.archive.making import NOW, capture, record


@pytest.fixture
def context(tmp_path: Path) -> CheckContext:
    return context_at(MediaFolder(ArchiveSettings(media=str(tmp_path / "media"))))


class Stopped(Exception):
    """Raised as by Ctrl-C."""


def test_verifying_that_is_stopped_goes_on_where_it_was_and_keeps_what_it_found(
    engine: Engine, context: CheckContext, tmp_path: Path
) -> None:
    place, seen = tmp_path / "verify.json", []
    with transaction(engine) as session:
        import_records(session, None, [record(1), record(2)], "dump", NOW)
        store_captures(session, None, [(None, capture())])
        session.execute(text("UPDATE accounts SET biz = biz || 'x'"))

    def stop(check: str, done: int, total: int) -> None:
        seen.append((check, done, total))
        if check == "bytes":
            raise Stopped

    with pytest.raises(Stopped):
        verify_archive(engine, context, progress_file=place, on_progress=stop)
    before = len(seen)
    report = verify_archive(engine, context, progress_file=place, on_progress=lambda *step: seen.append(step))
    assert [check for check, _, _ in seen[before:]] == ["text"]
    assert seen[-1][1] == seen[-1][2] == report.checked.total()
    assert not place.exists()
    whole = verify_archive(engine, context)
    assert (report.checked, report.found, report.findings) == (whole.checked, whole.found, whole.findings)
    assert report.found["chains"] > 0
