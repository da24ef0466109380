"""`mparchive reparse` prints what the current parser would change, and writes it only with --apply."""

import json

import pytest
from sqlalchemy import Engine, select, text

from archive.db.engine import transaction
from archive.db.models import Post
from archive.db.models import Run as RunRow
from archive.domain.addresses import parse_address
from archive.domain.captures import CaptureData, SightingData
from archive.domain.messages import Message
from archive.domain.outcomes import Outcome
from archive.domain.parsed_page import ParsedPage
from archive.domain.text_diff import Extent
from archive.ingest.pages import import_records, store_parse_results
from archive.ingest.reparse import ReparsedCapture, ReparseResult
from archive.repository.captures import store_captures
from archive.repository.frontier import record_sightings
from crawler.parse import PARSER_VERSION
from mparchive.commands import reparse
from mparchive.errors import Exit
from tests.archive.integrity.checks.mutations import BENEATH
from tests.archive.making import NOW, record
from tests.mparchive.commands.conftest import Run
from tests.standin.pages import all_pages

OLD = PARSER_VERSION - 1


def store_page(engine: Engine, name: str = "article", version: int = OLD) -> int:
    """Store a page that an early parser did not understand; return the id of its capture."""
    (body, url) = next((body, url) for found, body, url, _ in all_pages() if found == name)
    headers = (("Content-Type", "text/html; charset=UTF-8"),)
    with transaction(engine) as session:
        (seen,) = record_sightings(session, None, [SightingData(parse_address(url), "list", NOW)], NOW)
        served = CaptureData(url, url, 200, headers, body, NOW)
        (number,) = store_captures(session, None, [(seen.address_id, served)])
        unread = ParsedPage(Outcome.UNKNOWN, "an early parser does not know it")
        store_parse_results(session, None, [(number, unread)], NOW, version)
    return number


def counts(engine: Engine) -> tuple[int, int]:
    with transaction(engine) as session:
        return len(list(session.scalars(select(Post.id)))), len(list(session.scalars(select(RunRow.id))))


def test_a_change_is_printed_and_written_only_with_apply(mparchive: Run, engine: Engine) -> None:
    number = store_page(engine)
    compared = mparchive("reparse")
    assert compared.code == Exit.DONE
    assert ", new post, " in compared.out
    assert "nothing was written; run the same command with --apply to write the changes" in compared.err
    assert counts(engine) == (0, 0)
    applied = json.loads(mparchive("reparse", "--apply", "--json").out)
    assert (applied["parser_version"], applied["applied"]) == (PARSER_VERSION, True)
    assert (applied["counts"], applied["unread"]) == ({"new": 1}, [])
    assert [(one["capture_id"], one["finding"]) for one in applied["changes"]] == [(number, "new")]
    assert counts(engine) == (1, 1)
    with transaction(engine) as session:
        (run,) = session.scalars(select(RunRow))
        assert (run.command, run.status, run.counts) == ("reparse", "done", {"new": 1})


def test_nothing_to_do_is_said_and_is_no_failure(mparchive: Run, engine: Engine) -> None:
    store_page(engine, version=PARSER_VERSION)
    ended = mparchive("reparse")
    assert ended.code == Exit.DONE
    assert f"the current parser (version {PARSER_VERSION}) has parsed all of these pages" in ended.err


def test_posts_without_a_stored_page_are_refused(mparchive: Run, engine: Engine) -> None:
    with transaction(engine) as session:
        import_records(session, None, [record(1)], "dump", NOW)
    ended = mparchive("reparse", "1001_1")
    assert (ended.code, ended.out) == (Exit.USAGE, "")
    assert "no page of these posts is stored; `mparchive backfill` fetches them" in ended.err


@pytest.mark.usefixtures("in_chinese")
def test_it_is_said_in_the_language_of_the_process(mparchive: Run) -> None:
    assert f"当前解析器（版本 {PARSER_VERSION}）已解析过所有这些网页" in mparchive("reparse").err
    assert "没有存档这些文章的网页" in mparchive("reparse", "1001_1").err


def test_a_damaged_page_is_named_with_exit_code_7_and_the_others_are_parsed(
    mparchive: Run, engine: Engine
) -> None:
    number = store_page(engine)
    store_page(engine, "picture")
    with transaction(engine) as session:
        session.execute(text(BENEATH))
        session.execute(
            text(f"UPDATE captures SET sha256 = decode('{'00' * 32}', 'hex') WHERE id = {number}")
        )
    ended = mparchive("reparse", "--json")
    assert ended.code == Exit.INTEGRITY
    assert json.loads(ended.out)["counts"] == {"new": 1, "unread": 1}
    assert f"capture {number}" in ended.err


def found(finding: ReparseResult) -> ReparsedCapture:
    return ReparsedCapture(7, finding, "article", "deleted", "1_1", "题", "gone", Extent(2, 1))


@pytest.mark.parametrize(
    ("findings", "code"),
    [
        ((ReparseResult.SAME,), Exit.DONE),
        ((ReparseResult.TEXT, ReparseResult.NEW), Exit.DONE),
        ((ReparseResult.TEXT, ReparseResult.LOST), Exit.PARTLY_FAILED),
    ],
)
def test_a_post_that_would_be_lost_makes_exit_code_3(findings: tuple[ReparseResult, ...], code: Exit) -> None:
    report = reparse._Report(as_json=False, applied=True)
    for finding in findings:
        report.add(found(finding))
    assert report.end() is code


def test_a_change_is_one_line_and_no_change_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    report = reparse._Report(as_json=False, applied=True)
    report.add(found(ReparseResult.SAME))
    assert capsys.readouterr().out == ""
    report.add(found(ReparseResult.LOST))
    line = capsys.readouterr().out
    assert line == "1_1, would no longer be a post; not changed, +2 −1, article → deleted, 题, gone\n"


def test_a_page_that_cannot_be_parsed_makes_exit_code_3(capsys: pytest.CaptureFixture[str]) -> None:
    report = reparse._Report(as_json=True, applied=False)
    report.fail(Message("archive.verbatim", {"text": "capture 7: broken"}))
    assert report.end() is Exit.PARTLY_FAILED
    printed = capsys.readouterr()
    assert json.loads(printed.out)["unread"] == ["capture 7: broken"]
    assert "capture 7: broken" in printed.err
