"""Test that heavy checks run in several processes."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from archive.db.engine import transaction
from archive.db.settings import ArchiveSettings
from archive.integrity.check import CheckContext
from archive.integrity.checks.files import BODIES_AT_ONCE
from archive.integrity.process_pool import MIN_BATCHES
from archive.integrity.verifier import verify_archive
from archive.repository.captures import store_captures
from archive.storage.media_files import MediaFolder
from tests.archive.integrity.checks.mutations import BENEATH
from tests.archive.integrity.filling import context_at
from tests.archive.making import capture


@pytest.fixture
def context(tmp_path: Path) -> CheckContext:
    return context_at(MediaFolder(ArchiveSettings(media=str(tmp_path / "media"))))


def test_many_pages_are_checked_by_several_processes_and_told_in_order(
    engine: Engine, context: CheckContext
) -> None:
    many = MIN_BATCHES * BODIES_AT_ONCE + 2
    with transaction(engine) as session:
        ids = store_captures(session, None, [(None, capture(b"%d" % n)) for n in range(many)])
        session.execute(text(BENEATH))
        session.execute(text("UPDATE captures SET sha256 = sha256(sha256) WHERE id % 7 = 0"))
    report = verify_archive(engine, context, only=["bytes"])
    assert report.checked["bytes"] == many
    assert [finding.id for finding in report.findings] == [id_ for id_ in ids if id_ % 7 == 0]
