"""A filled archive: every page of the stand-in, images, an edit, a take-down, sources and problems.

All of it is made up.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from archive.db.engine import transaction
from archive.db.models import Medium
from archive.domain.addresses import canonical_url, parse_address
from archive.domain.captures import CaptureData, SightingData
from archive.domain.messages import Message
from archive.domain.outcomes import Kind, Outcome
from archive.domain.parsed_page import ParsedPage
from archive.domain.records import Record
from archive.ingest.pages import import_records, store_parse_results
from archive.integrity.check import Finding as VerifyFinding
from archive.integrity.check import VerificationReport as VerifyReport
from archive.integrity.check import note_verified
from archive.repository.captures import store_captures
from archive.repository.egress import block_egress, record_heartbeat
from archive.repository.frontier import record_sightings
from archive.repository.incidents import record_problems
from archive.repository.media import StoredFile, store_file
from archive.repository.runs import finish_run, start_run
from archive.repository.sources import SourceReport, record_report, source_statuses
from archive.storage.media_files import MediaFolder
from crawler.discovery.source import State
from crawler.parse import PARSER_VERSION
from crawler.parse.page import read_page
from scheduler.health import AccountHealth, Bounds, HealthSnapshot, health_problems
from tests.archive.making import BIZ
from tests.standin.media import picture
from tests.standin.pages import all_pages

LATER = datetime(2025, 11, 20, 4, 0, tzinfo=UTC)  # after all that the stand-in has published
FIRST = datetime(2025, 11, 9, 4, 0, tzinfo=UTC)
LAST, DAYS = date(2025, 11, 8), 100  # of the account that publishes daily
EDITED, DELETED = "9001_1", "9002_1"
NAME = "合成云屿经信"
QUOTED = "ret 99999 freq control"  # a server's own words
SVG = (
    b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9" onload="window.ran=1">'
    b'<script>window.ran=1</script><image href="https://evil.example/x.png"/></svg>'
)


def fill(engine: Engine, folder: MediaFolder, days: int = DAYS) -> None:
    """Put everything in; `days` of an account that publishes on working days."""
    with transaction(engine) as session:
        run = start_run(session, "backfill", {}, FIRST)
        _pages(session, run)
        _fates(session, run)
        finish_run(session, run, "done", {"fetched": 20, "new": 18}, FIRST + timedelta(minutes=5))
    with transaction(engine) as session:
        import_records(session, None, daily_records(days), "dump", FIRST)
    keep_pictures(engine, folder)
    with transaction(engine) as session:
        _trouble(session)


def _pages(session: Session, run: int) -> None:
    put_pages(session, [Page(url, body, read_page(body, url)) for _, body, url, _ in all_pages()], FIRST, run)


@dataclass(frozen=True, slots=True)
class Page:
    """One answer, and what it is read as."""

    url: str
    body: bytes
    reading: ParsedPage


def put_pages(session: Session, pages: Sequence[Page], at: datetime, run: int | None = None) -> None:
    """Keep answers of one instant, and what they were read as."""
    seen = [SightingData(parse_address(page.url), "list", at) for page in pages]
    addresses = [one.address_id for one in record_sightings(session, run, seen, at)]
    headers = (("Content-Type", "text/html; charset=UTF-8"),)
    answers = [CaptureData(page.url, page.url, 200, headers, page.body, at) for page in pages]
    kept = store_captures(session, run, list(zip(addresses, answers, strict=True)))
    readings = [(number, page.reading) for number, page in zip(kept, pages, strict=True)]
    store_parse_results(session, run, readings, at, PARSER_VERSION)


def invented(aid: str, title: str, text: str, html: str | None = None, day: str = "2025-11-12") -> ParsedPage:
    """Make an article of the made-up account."""
    mid, idx = aid.split("_")
    record = Record(aid, title, canonical_url(BIZ, mid, idx, "5a", "be48"), day, "示例账号", text)
    at = datetime.fromisoformat(f"{day}T09:30:00+08:00")
    return ParsedPage(
        Outcome.ARTICLE, kind=Kind.ARTICLE, record=record, biz=BIZ, html=html or "", published_at=at
    )


def page_of(reading: ParsedPage) -> Page:
    """Make the page of a made-up article; nothing renders it."""
    assert reading.record
    body = f"<html><script>window.ran=1</script>{reading.record.text}</html>".encode()
    return Page(reading.record.url, body, reading)


def _fates(session: Session, run: int) -> None:
    """One post is edited, one deleted."""
    text = "本次申报截止时间为十一月{}日。\r" + "补充说明。" * 200
    first, then = (invented(EDITED, "关于合成项目的通知", text.format(day)) for day in ("十五", "二十"))
    gone = page_of(invented(DELETED, "一篇后来被删除的合成文章", "原文仍在。\r", day="2025-11-13"))
    away = ParsedPage(Outcome.DELETED, reason="该内容已被发布者删除")
    put_pages(session, [page_of(first), gone], FIRST, run)
    put_pages(session, [page_of(then), Page(gone.url, away.reason.encode(), away)], LATER, run)


def daily_records(days: int = DAYS) -> Sequence[Record]:
    """Working days of an account, with a hole in September; and one post of the year before."""
    every = [LAST - timedelta(days=number) for number in range(days)][::-1]
    working = [day for day in every if day.weekday() < 5 and not date(2025, 9, 10) < day < date(2025, 9, 22)]
    return [
        Record(
            f"{5000 + number}_{place}",
            f"合成日报第{number}期（{place}）",
            canonical_url(BIZ, str(5000 + number), str(place), "5a", "be48"),
            day.isoformat(),
            "示例账号",
            f"第{number}期合成日报，第{place}条。\r",
        )
        for number, day in enumerate((date(2024, 5, 6), *working))
        for place in range(1, 2 + number * 7 % 4)
    ]


def keep_pictures(engine: Engine, folder: MediaFolder) -> None:
    """Draw a picture for each image that posts show."""
    with transaction(engine) as session:
        wanted = session.scalars(
            select(Medium.id).where(Medium.type == "image", Medium.file_id.is_(None))
        ).all()
    for number in wanted:
        content = picture(f"synthetic_{number}")
        keep_one(engine, folder, number, content)


def keep_one(
    engine: Engine, folder: MediaFolder, medium: int, content: bytes, media_type: str = "image/png"
) -> str:
    """Keep a file of a medium; its hash."""
    sha256 = hashlib.sha256(content).digest()
    ending = ".svg" if "svg" in media_type else ".png"
    path = folder.put(content, sha256, ending)
    with transaction(engine) as session:
        store_file(session, medium, StoredFile(sha256, len(content), media_type, 240, 160, path), FIRST)
    return sha256.hex()


def _trouble(session: Session) -> None:
    verified = VerifyReport(Counter(bytes=20, media=18))
    verified.add_findings([VerifyFinding("media", "files", 1, Message("archive.integrity.file_damaged"))])
    note_verified(session, ["bytes", "media"], verified, LATER, LATER + timedelta(minutes=2))
    for name, state, detail in (
        ("album:1", State.OK, Message("crawler.screening.foreign", {"n": 1}).dump()),
        ("feed:synthetic", State.UNREACHABLE, Message("crawler.source.server_error", {"status": 503}).dump()),
        ("own_backend", State.NOT_UNDERSTOOD, QUOTED),
    ):
        record_report(session, None, SourceReport(BIZ, name, state, state.good, detail), LATER)
    record_heartbeat(session, "office", LATER)
    block_egress(session, "office", "verification", LATER)
    account = AccountHealth(
        BIZ, "示例账号", FIRST - timedelta(days=30), sources=source_statuses(session, BIZ)
    )
    found = health_problems(HealthSnapshot(accounts=[account], free={"/data": 2**20}), Bounds(), LATER)
    lasting = [one for one in found if not one.key.startswith("quiet")]
    record_problems(session, lasting, FIRST)
    record_problems(session, found, LATER)
    record_problems(session, lasting, LATER + timedelta(hours=1))
