"""Test which saved progress a verification resumes from."""

import json
from pathlib import Path

import pytest
from sqlalchemy import Engine

from archive.db.engine import transaction
from archive.db.settings import ArchiveSettings
from archive.integrity.check import CheckContext, VerificationReport
from archive.integrity.verifier import ProgressNotSaved, verify_archive
from archive.repository.captures import store_captures
from archive.storage.media_files import MediaFolder
from tests.archive.integrity.filling import context_at
from tests.archive.making import capture


@pytest.fixture
def context(tmp_path: Path) -> CheckContext:
    return context_at(MediaFolder(ArchiveSettings(media=str(tmp_path / "media"))))


def test_progress_of_another_archive_or_of_other_checks_is_ignored(
    engine: Engine, context: CheckContext, tmp_path: Path
) -> None:
    place = tmp_path / "verify.json"
    with transaction(engine) as session:
        store_captures(session, None, [(None, capture())])
    done = {
        "last_ids": {"bytes captures": 10},
        "finished": ["bytes captures"],
        "report": VerificationReport().as_dict(),
    }
    for left in ({"archive": "another", "names": ["bytes"], **done}, {"archive": 1}, "{"):
        place.write_text(left if isinstance(left, str) else json.dumps(left))
        assert verify_archive(engine, context, only=["bytes"], progress_file=place).checked["bytes"] == 1


def test_a_file_that_cannot_be_written_is_named(
    engine: Engine, context: CheckContext, tmp_path: Path
) -> None:
    with transaction(engine) as session:
        store_captures(session, None, [(None, capture())])
    (tmp_path / "file").touch()
    with pytest.raises(ProgressNotSaved, match=r"cannot be written to .*/file/verify.json \(File exists\)"):
        verify_archive(engine, context, only=["bytes"], progress_file=tmp_path / "file" / "verify.json")
