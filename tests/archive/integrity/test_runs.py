"""What was verified last, as the archive itself remembers it."""

from datetime import timedelta

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from archive.db.engine import transaction
from archive.db.settings import ArchiveSettings
from archive.integrity.check import Finding, VerificationReport, Verified, last_verified, note_verified
from archive.integrity.verifier import verify_archive
from archive.repository.runs import start_run
from archive.storage.media_files import MediaFolder
from tests.archive.integrity.filling import means_at
from tests.archive.making import NOW

HOUR = timedelta(hours=1)


def test_the_last_verification_that_ended_is_told_with_what_it_found(db_session: Session) -> None:
    assert last_verified(db_session) is None
    report = VerificationReport()
    report.checked["bytes"] = 7
    note_verified(db_session, [], report, NOW, NOW + HOUR)
    assert last_verified(db_session) == Verified(NOW + HOUR, (), {"bytes": 7}, 0)
    report.find([Finding("bytes", "captures", 3, "is not what was kept")])
    note_verified(db_session, ["bytes"], report, NOW + HOUR, NOW + 2 * HOUR)
    start_run(db_session, "verify", {"only": []}, NOW)
    assert last_verified(db_session) == Verified(NOW + 2 * HOUR, ("bytes",), {"bytes": 7}, 1)


def test_noting_it_leaves_the_archive_sound(engine: Engine) -> None:
    means = means_at(MediaFolder(ArchiveSettings()))
    with transaction(engine) as session:
        note_verified(session, [], VerificationReport(), NOW, NOW)
    assert verify_archive(engine, means).is_sound
