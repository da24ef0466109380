"""Build archives with gaps, and find them."""

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from archive.audit import find_gaps
from archive.audit.gap import Gap, GapKind
from archive.db.models import Account
from archive.domain.addresses import parse_address
from archive.domain.captures import SightingData
from archive.domain.outcomes import Outcome
from archive.domain.parsed_page import ParsedPage
from archive.domain.records import Record
from archive.ingest.pages import import_records, store_parse_results
from archive.repository.captures import store_captures
from archive.repository.frontier import record_sightings
from tests.archive.making import BIZ, NOW, capture

LATER = NOW + timedelta(days=1)
DELETED = ParsedPage(Outcome.DELETED, "该内容已被发布者删除")


def post(mid: int, idx: int = 1, *, day: str = "2026-03-01", title: str = "", text: str = "甲\r") -> Record:
    url = f"http://mp.weixin.qq.com/s?__biz={BIZ}&mid={mid}&idx={idx}&sn=5a&chksm=be48#rd"
    return Record(f"{mid}_{idx}", title or f"合成{mid}之{idx}", url, day, "示例账号", text)


def put(session: Session, *records: Record) -> None:
    import_records(session, None, records, "dump", NOW)


def see(session: Session, record: Record, source: str = "album:1", **listing: str) -> int:
    """Record that a source lists a post, and return the id of its address."""
    sighting = SightingData(parse_address(record.url), source, NOW, record.title, listing or None, BIZ)
    return record_sightings(session, None, [sighting], NOW)[0].address_id


def answer(session: Session, record: Record, reading: ParsedPage) -> None:
    (number,) = store_captures(session, None, [(see(session, record), capture(record.url.encode()))])
    store_parse_results(session, None, [(number, reading)], NOW, 1)


def gaps(session: Session, kind: GapKind, **more: object) -> list[Gap]:
    account = session.scalar(select(Account.id).where(Account.biz == BIZ))
    found = find_gaps(session, account, LATER, **more)  # type: ignore[arg-type]  # options
    return [gap for gap in found if gap.kind is kind]


def subjects(session: Session, kind: GapKind) -> list[str]:
    return [str(gap.subject) for gap in gaps(session, kind)]


DIGEST = "合成一周要闻\r01 虚构的第一条新闻标题\r02 虚构的第二条新闻标题\r03 虚构的第三条新闻标题\r"
