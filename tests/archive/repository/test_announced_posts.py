"""Posts that are known by their titles only, until anything brings them."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from archive.audit import GapKind, find_gaps
from archive.db.models import Source
from archive.domain.addresses import parse_address
from archive.domain.captures import SightingData
from archive.domain.records import SHANGHAI
from archive.ingest.pages import import_records
from archive.repository.accounts import account_id
from archive.repository.announced_posts import announced_posts
from archive.repository.frontier import record_sightings
from archive.repository.sources import SourceReport, record_report
from tests.archive.making import BIZ, NOW, record

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SHORT = "https://mp.weixin.qq.com/s/AbCdEfGhIjKlMnOpQrStUv"


def entry(title: str, *, published: Any = NOW, seen: Any = NOW) -> dict[str, Any]:
    return {
        "title": title,
        "published_at": published.isoformat() if published else None,
        "first_seen_at": seen.isoformat(),
    }


def announce(session: Session, *entries: Any, source: str = "weread_agent") -> None:
    memory = {"announced": list(entries)}
    record_report(session, None, SourceReport(BIZ, source, "ok", True, memory=memory), NOW)


def titles(session: Session) -> list[str]:
    return [one.title for one in announced_posts(session, BIZ)]


def test_titles_are_missing_until_a_post_has_them(db_session: Session) -> None:
    announce(db_session, entry("合成：甲"), entry("合成：乙", published=NOW - HOUR))
    assert titles(db_session) == ["合成：甲", "合成：乙"]
    post = replace(record(1, title="合成 :甲"), date="2026-03-02")
    import_records(db_session, None, [post], "dump", NOW)
    assert titles(db_session) == ["合成：乙"], "titles differ in punctuation only"


def test_a_post_of_another_time_with_the_same_title_is_another(db_session: Session) -> None:
    announce(db_session, entry("合成周报"), entry("合成周报", published=NOW - 7 * DAY))
    post = replace(record(1, title="合成周报"), date="2026-02-23")
    import_records(db_session, None, [post], "dump", NOW)
    (missing,) = announced_posts(db_session, BIZ)
    assert missing.published_at == NOW


def test_a_listed_address_with_the_title_ends_it(db_session: Session) -> None:
    announce(db_session, entry("合成：甲"))
    sighting = SightingData(parse_address(SHORT), "inbox", NOW, "合成：甲", expected_biz=BIZ)
    record_sightings(db_session, None, [sighting], NOW)
    assert titles(db_session) == []


def test_a_post_that_two_sources_name_is_one(db_session: Session) -> None:
    announce(db_session, entry("合成：甲", seen=NOW + HOUR), source="weread")
    announce(db_session, entry("合成:甲"), entry("合成：无时", published=None))
    found = {one.title: one for one in announced_posts(db_session, BIZ)}
    assert set(found) == {"合成:甲", "合成：无时"}
    assert found["合成:甲"].source == "weread_agent", "the first to name it"


@pytest.mark.parametrize("damaged", [None, 5, {}, {"title": "x"}, {"title": "x", "published_at": "soon"}])
def test_entries_of_another_form_are_left_out(db_session: Session, damaged: Any) -> None:
    announce(db_session, damaged, entry("合成：甲"))
    assert titles(db_session) == ["合成：甲"]


def test_the_audit_shows_them_as_known_by_title(db_session: Session) -> None:
    announce(db_session, entry("合成：甲"))
    gaps = find_gaps(db_session, account_id(db_session, BIZ), NOW + HOUR)
    (gap,) = [gap for gap in gaps if gap.what.code == "archive.audit.title_only"]
    assert (gap.kind, gap.title, gap.fillable) == (GapKind.MENTIONED, "合成：甲", False)
    assert gap.day == NOW.astimezone(SHANGHAI).date()
    assert db_session.query(Source).one().type == "weread_agent"
