"""An archive with one of everything: invented answers of every outcome, kept and read as a crawl does it."""

import gzip
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import Engine, update
from sqlalchemy.orm import Session

from archive.db.engine import transaction
from archive.db.models import File
from archive.domain.addresses import parse_address
from archive.domain.captures import CaptureData, SightingData
from archive.ingest.pages import store_parse_results
from archive.repository.captures import store_captures
from archive.repository.frontier import record_sightings
from archive.repository.media import due_media, store_file
from archive.repository.runs import start_run
from archive.storage.media_files import MediaFolder
from crawler.parse import PARSER_VERSION
from crawler.parse.page import classify
from tests.archive.making import NOW, kept_file
from tests.standin.media import picture, styled
from tests.standin.pages import catalogue

HEADERS = (
    ("Content-Type", "text/html; charset=UTF-8"),
    ("Content-Encoding", "gzip"),
    ("Transfer-Encoding", "chunked"),
    ("RetKey", "合成"),
)
PICTURES = 2


def answers(*, is_styled: bool = False) -> list[CaptureData]:
    """Make the responses: each page, one of them again, one edited, one rendered, one with an error.

    With `is_styled` the pages load style sheets.
    """
    bodies = ((shown.expected.url, b"".join(shown.render(2000))) for shown in catalogue())
    pages = [
        _answer(url, styled(body) if is_styled else body, number) for number, (url, body) in enumerate(bodies)
    ]
    first = pages[0]
    edited = first.body.replace("合成".encode(), "改过".encode())
    later = [
        _later(first, 100),
        _later(first, 200, edited, gzipped=gzip.compress(edited, mtime=0)),
        _later(
            first, 300, rendered=True, evaluated={"text": "画出来的字", "cgiDataNew": {"a": [1, None, "é"]}}
        ),
        _later(first, 400, b"<html><body>busy</body></html>", status=503, gzipped=None),
        _later(first, 500),
    ]
    saved = CaptureData("somebody's page.html", "somebody's page.html", 200, (), b"<html>saved</html>", NOW)
    return [*pages, *later, saved]


def fill(engine: Engine, folder: MediaFolder, *, is_styled: bool = False) -> None:
    """Keep and read these answers, one a transaction, and some of the pictures they show."""
    with transaction(engine) as session:
        run_id = start_run(session, "fill", {}, NOW)
    for answer in answers(is_styled=is_styled):
        with transaction(engine) as session:
            (capture_id,) = store_captures(session, run_id, [(_address(session, run_id, answer), answer)])
        with transaction(engine) as session:
            reading = [(capture_id, classify(answer))]
            store_parse_results(session, run_id, reading, answer.fetched_at, PARSER_VERSION)
    with transaction(engine) as session:
        for number, medium in enumerate(
            due_media(session, NOW + timedelta(days=30), PICTURES, types=["image"])
        ):
            content = picture(f"synthetic_{number}")
            file = kept_file(content)
            path = folder.put(content, file.sha256, ".png")
            store_file(session, medium.id, replace(file, path=path), NOW)
        session.execute(update(File).values(first_stored_at=NOW))


def _answer(url: str, body: bytes, number: int) -> CaptureData:
    at = NOW + timedelta(minutes=number, microseconds=1234)
    fetch_url = parse_address(url).fetch_url
    return CaptureData(fetch_url, fetch_url, 200, HEADERS, body, at, gzipped=gzip.compress(body, mtime=0))


def _later(answer: CaptureData, minutes: int, body: bytes | None = None, **changed: object) -> CaptureData:
    at = answer.fetched_at + timedelta(minutes=minutes)
    return replace(answer, body=body or answer.body, fetched_at=at, **changed)  # type: ignore[arg-type]


def _address(session: Session, run_id: int, answer: CaptureData) -> int | None:
    if "://" not in answer.requested_url:
        return None
    sighting = SightingData(parse_address(answer.requested_url), "list", answer.fetched_at)
    return record_sightings(session, run_id, [sighting], answer.fetched_at)[0].address_id
