"""Verifying a whole archive: going on after a stop, several processes, heads that were written down."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from archive.db.engine import transaction
from archive.db.settings import ArchiveSettings
from archive.ingest.pages import import_records
from archive.integrity.check import MAX_KEPT, CheckContext, Finding, VerificationReport
from archive.integrity.checks import CHECKS
from archive.integrity.process_pool import FEW
from archive.integrity.progress import ProgressLost
from archive.integrity.verifier import against, verify_archive
from archive.repository.captures import store_captures
from archive.repository.hash_chain import chain_heads
from archive.repository.runs import start_run
from archive.storage.media_files import MediaFolder
from tests.archive.integrity.filling import fetch, means_at
from tests.archive.making import NOW, capture, record
from tests.standin.pages import Shown
from tests.standin.posts import POSTS


@pytest.fixture
def means(tmp_path: Path) -> CheckContext:
    return means_at(MediaFolder(ArchiveSettings(media=str(tmp_path / "media"))))


class Stopped(Exception):
    """Whoever verifies has pressed Ctrl-C."""


def test_verifying_that_is_stopped_goes_on_where_it_was_and_keeps_what_it_found(
    engine: Engine, means: CheckContext, tmp_path: Path
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
        verify_archive(engine, means, place=place, step=stop)
    before = len(seen)
    report = verify_archive(engine, means, place=place, step=lambda *step: seen.append(step))
    assert [check for check, _, _ in seen[before:]] == ["text"]
    assert seen[-1][1] == seen[-1][2] == report.checked.total()
    assert not place.exists()
    whole = verify_archive(engine, means)
    assert (report.checked, report.found, report.findings) == (whole.checked, whole.found, whole.findings)
    assert report.found["chains"] > 0


def test_how_far_it_came_in_another_archive_or_with_other_checks_is_nothing_to_go_on_from(
    engine: Engine, means: CheckContext, tmp_path: Path
) -> None:
    place = tmp_path / "verify.json"
    with transaction(engine) as session:
        store_captures(session, None, [(None, capture())])
    done = {
        "upto": {"bytes captures": 10},
        "done": ["bytes captures"],
        "report": VerificationReport().as_dict(),
    }
    for left in ({"archive": "another", "names": ["bytes"], **done}, {"archive": 1}, "{"):
        place.write_text(left if isinstance(left, str) else json.dumps(left))
        assert verify_archive(engine, means, only=["bytes"], place=place).checked["bytes"] == 1


def test_a_place_that_cannot_be_written_is_named(engine: Engine, means: CheckContext, tmp_path: Path) -> None:
    with transaction(engine) as session:
        store_captures(session, None, [(None, capture())])
    (tmp_path / "file").touch()
    with pytest.raises(ProgressLost, match=r"cannot be written to .*/file/verify.json \(File exists\)"):
        verify_archive(engine, means, only=["bytes"], place=tmp_path / "file" / "verify.json")


def test_many_pages_are_looked_at_by_several_processes_and_told_in_order(
    engine: Engine, means: CheckContext
) -> None:
    rows = next(check.rows for check in CHECKS if check.name == "bytes")
    many = FEW * rows + 2
    with transaction(engine) as session:
        ids = store_captures(session, None, [(None, capture(b"%d" % n)) for n in range(many)])
        session.execute(text("UPDATE captures SET sha256 = sha256(sha256) WHERE id % 7 = 0"))
    report = verify_archive(engine, means, only=["bytes"])
    assert report.checked["bytes"] == many
    assert [finding.id for finding in report.findings] == [id_ for id_ in ids if id_ % 7 == 0]


def test_half_a_page_says_nothing_against_the_text_that_a_dump_has_of_its_post(
    engine: Engine, means: CheckContext
) -> None:
    shown = next(one for one in map(Shown, POSTS) if one.expected.needs_browser)
    page = b"".join(shown.render(2000)), shown.expected.url
    with transaction(engine) as session:
        half = fetch(session, start_run(session, "backfill", {}, NOW), page, NOW, means)
        assert half.record
        import_records(session, None, [replace(half.record, text="转储里的文字\r")], "dump", NOW)
    assert verify_archive(engine, means).findings == []


def test_an_archive_that_has_grown_passes_through_its_head_and_one_that_was_rewritten_does_not(
    db_session: Session,
) -> None:
    import_records(db_session, None, [record(1), record(2)], "dump", NOW)
    (head,) = chain_heads(db_session)
    import_records(db_session, None, [record(3)], "dump", NOW)
    assert against(db_session, [head, head._replace(length=0)]) == []
    assert "has 3 entries, 9 when" in against(db_session, [head._replace(length=9)])[0].words
    assert "has 0 entries, 2 when" in against(db_session, [head._replace(biz="other")])[0].words
    db_session.execute(text("UPDATE chain_entries SET digest = sha256(digest) WHERE position = 2"))
    assert "does not pass through the head" in against(db_session, [head])[0].words


def test_findings_beyond_the_bound_are_counted() -> None:
    report = VerificationReport()
    report.find(Finding("seals", "posts", id_, "") for id_ in range(MAX_KEPT + 5))
    assert (len(report.findings), report.found["seals"]) == (MAX_KEPT, MAX_KEPT + 5)
