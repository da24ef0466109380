"""Test the report of a verification, and how the archive records the last one."""

from collections import Counter
from datetime import timedelta

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from archive.db.engine import transaction
from archive.db.settings import ArchiveSettings
from archive.domain.messages import Message
from archive.ingest.pages import import_records
from archive.integrity.check import (
    MAX_FINDINGS,
    BatchResult,
    Check,
    Finding,
    PastVerification,
    RowRange,
    VerificationReport,
    check_rows,
    last_verified,
    note_verified,
)
from archive.integrity.verifier import verify_archive
from archive.repository.runs import start_run
from archive.storage.media_files import MediaFolder
from tests.archive.integrity.filling import context_at
from tests.archive.making import NOW, record

HOUR = timedelta(hours=1)


def finding(id_: int) -> Finding:
    return Finding("bytes", "captures", id_, Message("archive.integrity.body_damaged", {"reason": "不符"}))


def test_the_last_verification_that_ended_is_reported_with_its_result(db_session: Session) -> None:
    assert last_verified(db_session) is None
    report = VerificationReport()
    report.checked["bytes"] = 7
    note_verified(db_session, [], report, NOW, NOW + HOUR)
    assert last_verified(db_session) == PastVerification(NOW + HOUR, (), {"bytes": 7}, 0)
    report.add_findings([finding(3)])
    note_verified(db_session, ["bytes"], report, NOW + HOUR, NOW + 2 * HOUR)
    start_run(db_session, "verify", {"only": []}, NOW)
    assert last_verified(db_session) == PastVerification(NOW + 2 * HOUR, ("bytes",), {"bytes": 7}, 1)


def test_recording_a_verification_leaves_the_archive_sound(engine: Engine) -> None:
    context = context_at(MediaFolder(ArchiveSettings()))
    with transaction(engine) as session:
        note_verified(session, [], VerificationReport(), NOW, NOW)
    assert verify_archive(engine, context).is_sound


def test_findings_beyond_the_bound_are_counted() -> None:
    report = VerificationReport()
    report.add_findings(finding(id_) for id_ in range(MAX_FINDINGS + 5))
    assert (len(report.findings), report.found["bytes"]) == (MAX_FINDINGS, MAX_FINDINGS + 5)


def test_a_report_as_json_has_english_text_and_the_code_of_each_finding() -> None:
    report = VerificationReport()
    report.add("bytes", BatchResult(1, [finding(3)], Counter({"archive.integrity.note_not_parsed": 2})))
    values = report.as_dict()
    assert values["findings"] == [
        {
            "check": "bytes",
            "table": "captures",
            "id": 3,
            "words": "its body is not what was stored (不符); restore it from a backup",
            "code": "archive.integrity.body_damaged",
        }
    ]
    assert values["notes"] == {"pages that are not parsed yet; the next crawl parses them": 2}


def test_a_connection_shows_the_checks_what_its_open_transaction_has_written(engine: Engine) -> None:
    context = context_at(MediaFolder(ArchiveSettings()))
    with engine.connect() as connection:
        session = Session(connection)
        import_records(session, None, [record(1)], "dump", NOW)
        session.flush()
        report = verify_archive(connection, context, only=["search"])
        connection.rollback()
    assert report.checked["search"] == 1
    assert verify_archive(engine, context, only=["search"]).checked["search"] == 0


def test_an_error_in_a_check_spares_the_open_transaction(engine: Engine) -> None:
    def divide(rows: RowRange) -> BatchResult:
        return BatchResult(rows.session.scalar(text("SELECT 1 / 0")))

    check = Check("bytes", "captures", 1, divide)
    with engine.connect() as connection:
        start_run(Session(connection), "verify", {"only": []}, NOW)
        result = check_rows(connection, check, context_at(MediaFolder(ArchiveSettings())), 0, 1)
        assert [found.message.code for found in result.findings] == ["archive.integrity.row_unreadable"]
        assert connection.scalar(text("SELECT count(*) FROM runs")) == 1
        connection.rollback()
