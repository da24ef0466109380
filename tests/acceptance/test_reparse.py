"""A better parser over kept pages, by the command: told first, then written, once, also after kill -9."""

import signal
from dataclasses import replace

from sqlalchemy import Engine

from archive.db.engine import transaction
from archive.domain.addresses import parse_address
from archive.domain.captures import CaptureData, SightingData
from archive.domain.outcomes import Outcome
from archive.domain.parsed_page import ParsedPage
from archive.ingest.pages import store_parse_results
from archive.repository.captures import store_captures
from archive.repository.frontier import record_sightings
from crawler.parse import PARSER_VERSION
from crawler.parse.page import classify
from tests.acceptance.command import Command
from tests.archive.making import NOW, article, record
from tests.standin.pages import all_pages

CUT, BARE, UNREAD, FALSE = "article", "article-with-traps", "article-at-midnight", "deleted"
READ = f"SELECT count(*) FROM parse_results WHERE is_current AND parser_version = {PARSER_VERSION}"
NEW_VERSIONS = (
    "SELECT p.aid FROM versions v JOIN posts p ON p.id = v.post_id WHERE v.source = 'reparse' ORDER BY p.aid"
)


def as_read_early(name: str, url: str, reading: ParsedPage) -> ParsedPage:
    """Store what an earlier parser returned: a cut text, missing metadata, a notice as a post."""
    if name == CUT and reading.record:
        return replace(reading, record=replace(reading.record, text=reading.record.text[:-9]))
    if name == BARE:
        return replace(reading, html="", page={}, media=(), links=())
    if name == UNREAD:
        return ParsedPage(Outcome.UNKNOWN, "a post of a type this version does not know")
    return false_post(url) if name == FALSE else reading


def false_post(url: str) -> ParsedPage:
    """Make the post that an earlier parser saw at this address where there was a notice."""
    address = parse_address(url)
    aid, biz = address.aid, address.biz
    assert aid and biz
    return replace(article(replace(record(201), aid=aid, url=url)), biz=biz)


def keep_all(engine: Engine) -> int:
    """Keep every page of the stand-in, as an earlier parser read it; how many there are."""
    pages = [(name, CaptureData(url, url, 200, (), body, NOW), url) for name, body, url, _ in all_pages()]
    with transaction(engine) as session:
        seen = [SightingData(parse_address(url), "list", NOW) for _, _, url in pages]
        addresses = [sighted.address_id for sighted in record_sightings(session, None, seen, NOW)]
        kept = store_captures(session, None, list(zip(addresses, (one for _, one, _ in pages), strict=True)))
    with transaction(engine) as session:
        readings = [as_read_early(name, url, classify(page)) for name, page, url in pages]
        store_parse_results(session, None, list(zip(kept, readings, strict=True)), NOW, PARSER_VERSION - 1)
    return len(pages)


def test_what_a_better_parser_reads_is_told_then_written_once(engine: Engine, mparchive: Command) -> None:
    count = keep_all(engine)
    told = mparchive("reparse", "--json")
    assert told.code == 3, told.err
    wanted = {"text": 1, "facts": 1, "new": 1, "lost": 1, "same": count - 4}
    assert told.json["counts"] == wanted
    assert {one["aid"]: one["finding"] for one in told.json["changes"]} == {
        "2650000101_1": "text", "2650000101_2": "facts", "2650000102_1": "new", "2650000201_1": "lost",
    }  # fmt: skip
    assert "--apply to write the changes" in told.err
    assert (mparchive.number(READ), mparchive.rows(NEW_VERSIONS)) == (0, [])

    running = mparchive.start("reparse", "--apply")
    while mparchive.number(READ) == 0:
        assert running.poll() is None
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert mparchive("reparse", "--apply").code == 3
    assert mparchive.number(READ) == count - 1
    assert mparchive.rows(NEW_VERSIONS) == [("2650000101_1",), ("2650000102_1",)]
    assert mparchive.findings() == []
    ((damaged,),) = mparchive.rows("SELECT id FROM captures ORDER BY id OFFSET 14 LIMIT 1")
    mparchive.execute(
        f"UPDATE bodies SET data = 'x' FROM captures c WHERE c.sha256 = bodies.sha256 AND c.id = {damaged}"
    )
    mparchive.execute(
        f"UPDATE parse_results SET parser_version = {PARSER_VERSION - 1} WHERE capture_id = {damaged}"
    )
    again = mparchive("reparse", "--apply", "--json")
    assert (again.code, again.json["counts"]) == (7, {"lost": 1, "unread": 1})
    assert f"capture {damaged}: " in again.json["unread"][0]
    assert mparchive.rows(NEW_VERSIONS) == [("2650000101_1",), ("2650000102_1",)]
    assert mparchive("reparse", "999_1").code == 2
