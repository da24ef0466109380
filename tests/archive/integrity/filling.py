"""Fill a small archive, every table of it: synthetic posts of every kind, edited, gone and back."""

import re
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from archive.db.models import Capture, Egress, Incident, Post, Source
from archive.domain.addresses import parse_address
from archive.domain.captures import CaptureData, SightingData
from archive.domain.parsed_page import ParsedPage
from archive.domain.records import Record
from archive.ingest.pages import import_records, store_parse_results
from archive.integrity.check import CheckContext
from archive.repository.accounts import account_id
from archive.repository.captures import note_repeated, store_captures
from archive.repository.forget import ForgetRequest, remove
from archive.repository.frontier import record_sightings
from archive.repository.media import StoredFile, due_media, store_file
from archive.repository.removals import scope_of_posts
from archive.repository.runs import finish_run, start_run
from archive.storage.media_files import MediaFolder
from crawler.parse import PARSER_VERSION
from crawler.parse.page import classify
from tests.archive.making import NOW, capture, kept_file
from tests.archive.making import record as synthetic_record
from tests.standin.pages import all_pages

EDITED = "<p>后来加上的一段合成文字</p>".encode()
FILES = 4


def fill(session: Session, context: CheckContext) -> None:
    """Store two runs, a week apart; then a dump, incidents, sources and egresses."""
    pages = {name: (body, url) for name, body, url, _ in all_pages()}
    run_id = start_run(session, "backfill", {"what": ["合成"]}, NOW)
    texts = [fetch(session, run_id, page, NOW, context) for page in pages.values()]
    finish_run(session, run_id, "done", {"new": len(texts)}, NOW)
    _edit_and_take_down(session, pages, context)
    read = next(reading.record for reading in texts if reading.record)
    import_records(session, run_id, [_elsewhere(read)], "dump", NOW)
    keep_files(session, context.folder)
    _forget(session, run_id, context)
    _operate(session)


def fetch(
    session: Session,
    run_id: int,
    page: tuple[bytes, str],
    at: datetime,
    context: CheckContext,
    *,
    rendered: bool = False,
) -> ParsedPage:
    """Store one answer, given by its bytes and address, as a crawl does."""
    body, url = page
    seen = record_sightings(
        session, run_id, [SightingData(parse_address(url), "list", at, "合成", {"n": 1})], at
    )
    evaluated = {"text": "合成", "n": 1.5} if rendered else None
    answer = CaptureData(url, url, 200, (("Content-Type", "text/html"),), body, at, rendered, evaluated)
    (kept,) = store_captures(session, run_id, [(seen[0].address_id, answer)])
    reading = context.parse(answer)
    store_parse_results(session, run_id, [(kept, reading)], at, context.parser_version)
    return reading


def _edit_and_take_down(session: Session, pages: dict[str, tuple[bytes, str]], context: CheckContext) -> None:
    (body, url), (gone, _) = pages["article"], pages["deleted"]
    run_id = start_run(session, "revisit", {}, NOW)
    edited = re.sub(rb'(id="js_content"[^<>]*>)', rb"\1" + EDITED, body)
    for days, answer in enumerate([edited, gone, gone, edited, gone], 7):
        fetch(session, run_id, (answer, url), NOW + timedelta(days=days), context)
    fetch(session, run_id, pages["picture"], NOW + timedelta(days=20), context, rendered=True)
    store_captures(session, run_id, [(None, capture(b"of no address"))])


def _elsewhere(record: Record) -> Record:
    return replace(record, text="转储里的另一段文字\r")


def _forget(session: Session, run_id: int, context: CheckContext) -> None:
    """Import a post by accident and remove it; bring a page again that was archived."""
    accident = start_run(session, "backfill", {}, NOW)
    import_records(session, accident, [synthetic_record(5)], "dump", NOW)
    (post_id,) = session.scalars(select(Post.id).where(Post.aid == synthetic_record(5).aid))
    find = partial(scope_of_posts, post_ids=[post_id], address_ids=[])
    remove(session, ForgetRequest(find, {}, "合成"), context.parse, context.parser_version, NOW)
    (first,) = session.scalars(select(func.min(Capture.id)).where(Capture.run_id == run_id))
    note_repeated(session, first, accident)


def keep_files(session: Session, folder: MediaFolder) -> None:
    """Store files for the first media."""
    for number, medium in enumerate(due_media(session, NOW, FILES, types=["image", "audio", "video"])):
        content = b"picture %d" % number * 50
        file = kept_file(content)
        path = folder.put(content, file.sha256, ".png")
        kept = StoredFile(file.sha256, file.size, file.media_type, file.width, file.height, path)
        store_file(session, medium.id, kept, NOW)


def _operate(session: Session) -> None:
    session.execute(
        insert(Incident),
        [
            {
                "kind": "quiet",
                "subject": str(n),
                "code": "archive.verbatim",
                "params": {"text": "合成"},
                "opened_at": NOW,
                "last_seen_at": NOW,
            }
            for n in range(2)
        ],
    )
    account = account_id(session, "MzAwMDAwMDAwMA==")
    session.execute(
        insert(Source), [{"account_id": account, "type": type_} for type_ in ("feed", "official")]
    )
    session.execute(insert(Egress), [{"name": name, "seen_at": NOW} for name in ("a", "b")])


def context_at(folder: MediaFolder) -> CheckContext:
    """Return the real parser with a media folder of the test."""
    return CheckContext(folder, classify, PARSER_VERSION)
