"""Test gaps as a whole: all kinds are found, of whom, and in both languages."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from archive.audit import find_gaps, first_gaps
from archive.audit import gap as gap_module
from archive.audit.gap import Gap, GapKind
from archive.db.models import Account, Address, Medium
from archive.domain.addresses import AddressColumns, parse_address
from archive.domain.captures import SightingData
from archive.domain.messages import Message
from archive.domain.outcomes import MediumOutcome, Outcome, Relation
from archive.domain.parsed_page import ParsedPage
from archive.domain.records import Record
from archive.ingest.pages import import_records
from archive.repository.address_outcomes import record_failures
from archive.repository.captures import store_captures
from archive.repository.frontier import record_sightings
from archive.repository.media import record_media_failure
from archive.repository.sources import SourceReport, record_report
from archive.system.catalogues import LANGUAGES, template
from tests.archive.audit.making import DIGEST, LATER, answer, gaps, post, put, see, subjects
from tests.archive.making import BIZ, NOW, article, capture, image, link, record

MONDAY = date(2025, 1, 6)


def _push_digest_and_silences(session: Session) -> None:
    put(session, post(10, 1), post(10, 3), post(11, title="合成一周要闻", text=DIGEST))
    see(session, post(12, title="虚构的第二条新闻标题"))
    days = [MONDAY + timedelta(days=n) for n in range(350) if n % 7 < 5 and n not in (30, 168, 169)]
    put(session, *(post(number, day=str(day)) for number, day in enumerate(days, 100)))


def _addresses(session: Session) -> None:
    failed, given_up, later = (see(session, post(number)) for number in (20, 21, 22))
    record_failures(session, None, [(one, "timed out") for one in (failed, given_up, later)], NOW)
    session.get_one(Address, given_up).next_fetch_at = None
    session.get_one(Address, later).next_fetch_at = LATER + timedelta(days=1)
    answer(session, post(23), ParsedPage(Outcome.EXPIRED_LINK))
    answer(session, post(24), ParsedPage(Outcome.UNKNOWN, "the answer is empty"))
    answer(session, post(25), article(post(25), needs_browser=True))
    store_captures(session, None, [(see(session, post(26)), capture(b"old"))])


def _links_and_images(session: Session) -> None:
    album = link(1, Relation.ALBUM, text="合成专辑", facts={"size": "9"})
    answer(session, record(1), article(record(1), links=(link(5), link(6, Relation.NEXT), album)))
    answer(session, record(2), article(record(2), links=(link(5),)))
    names = ("never", "refused", "failed")
    shown = (*map(image, names), image("over", expires_at=NOW))
    answer(session, record(3), article(record(3), media=shown))
    answer(session, record(4), article(record(4), media=(image("over_too", expires_at=NOW),)))
    answer(session, record(9), article(record(9), page={"paid": True, "preview": True}))
    ids = {row.url.split("/")[-2]: row.id for row in session.scalars(select(Medium))}
    record_media_failure(session, ids["refused"], MediumOutcome.REFUSED, "no image", NOW)
    record_media_failure(session, ids["failed"], MediumOutcome.FAILED, "timed out", NOW)


def every_kind_of_gap(session: Session) -> list[Gap]:
    """Return gaps of an account without a source, of the same with one, and of no account."""
    _push_digest_and_silences(session)
    _addresses(session)
    account = session.scalars(select(Account.id).where(Account.biz == BIZ)).one()
    found = find_gaps(session, account, LATER)
    _links_and_images(session)
    url = "https://mp.weixin.qq.com/s/abcdefghijklmnopqrstuv"
    record_sightings(session, None, [SightingData(parse_address(url), "list", NOW)], NOW)
    sightless = parse_address(f"{url}x")
    session.add(Address(**AddressColumns.of_key(sightless.key)._asdict(), url=sightless.url))
    session.flush()
    return [*found, *find_gaps(session, account, LATER), *find_gaps(session, None, LATER)]


def codes_in(message: Message) -> Iterator[str]:
    """Yield the codes of a message and of those within it."""
    yield message.code
    for value in message.params.values():
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, Message):
                yield from codes_in(part)


@pytest.mark.slow
def test_gaps_of_every_kind_have_english_and_chinese_words(db_session: Session) -> None:
    found = every_kind_of_gap(db_session)
    assert {gap.kind for gap in found} == set(GapKind)
    messages = [part for gap in found for part in (gap.subject, gap.what, gap.remedy)]
    codes = {code for one in messages if isinstance(one, Message) for code in codes_in(one)}
    assert [code for code in codes for language in LANGUAGES if template(code, language) is None] == []


def test_a_gap_is_shown_in_chinese_and_as_json_in_english_with_its_code(db_session: Session) -> None:
    failed = see(db_session, post(11))
    record_failures(db_session, None, [(failed, "timed out")], NOW)
    (gap,) = gaps(db_session, GapKind.MENTIONED)
    assert gap.what.text("zh") == "2026-03-02 见于 album:1；待抓取，已尝试 1 次：无响应（timed out）"
    values = gap.as_dict()
    assert (values["code"], values["what"]) == ("archive.audit.seen", str(gap.what))
    assert (values["kind"], values["day"]) == ("mentioned", None)


def test_silent_workdays_are_reported_with_the_usual_shares(db_session: Session) -> None:
    first = date(2026, 1, 5)
    days = [first + timedelta(days=n) for n in range(70) if n % 7 < 5 and n not in (30, 31)]
    put(db_session, *(post(number, day=str(day)) for number, day in enumerate(days, 100)))
    (gap,) = gaps(db_session, GapKind.SILENT)
    assert str(gap.subject) == "2026-02-04 to 2026-02-05"
    assert "2 days without a post" in str(gap.what)
    assert "Wednesday 100%, Thursday 100%" in str(gap.what)


def test_a_short_link_of_no_known_account_is_a_gap_of_no_account(db_session: Session) -> None:
    url = "https://mp.weixin.qq.com/s/abcdefghijklmnopqrstuv"
    record_sightings(db_session, None, [SightingData(parse_address(url), "list", NOW)], NOW)
    (gap,) = find_gaps(db_session, None, LATER)
    assert (gap.kind, gap.biz, gap.subject) == (GapKind.MENTIONED, "", url)
    sighting = SightingData(parse_address(f"{url}x"), "feed:a", NOW, expected_biz=BIZ)
    put(db_session, post(10))
    record_sightings(db_session, None, [sighting], NOW)
    assert subjects(db_session, GapKind.MENTIONED) == [f"{url}x"]


@pytest.mark.slow
def test_the_first_gaps_of_each_kind_are_those_of_the_whole_search_with_their_numbers(
    db_session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    every_kind_of_gap(db_session)
    put(db_session, *(post(number, day="2024-03-01") for number in range(30, 40)))
    account = db_session.scalars(select(Account.id).where(Account.biz == BIZ)).one()
    every = find_gaps(db_session, account, LATER)
    numbers = Counter(gap.kind for gap in every)
    monkeypatch.setattr(gap_module, "MAX_COUNTED", max(numbers.values()))
    for most in (1, 3, 10_000):
        found = first_gaps(db_session, account, LATER, most)
        assert {kind: number for kind, number, _ in found} == numbers
        assert [kind for kind, _, _ in found] == [kind for kind in GapKind if kind in numbers]
        for kind, number, first in found:
            assert first == [gap for gap in every if gap.kind is kind][:most]
            assert len(first) == min(most, number)
    monkeypatch.setattr(gap_module, "MAX_COUNTED", 4)
    counted = {kind: number for kind, number, _ in first_gaps(db_session, account, LATER, 3)}
    assert counted[GapKind.NO_PAGE] == 5 < numbers[GapKind.NO_PAGE]
    assert set(counted) == set(numbers)


@pytest.mark.slow
def test_an_archive_that_holds_everything_has_no_gap(db_session: Session) -> None:
    answer(db_session, post(10), article(post(10)))
    assert [gaps(db_session, kind) for kind in GapKind] == [[]] * len(GapKind)


@pytest.mark.slow
def test_the_real_dump_lacks_its_pages_and_four_titles_of_its_oldest_digest(
    db_session: Session, shared: Path
) -> None:
    text = (shared / "dump/shanghai-jxw-20251111.json").read_text(encoding="utf-8")
    put_real = [Record(*fields.values()) for fields in json.loads(text)]
    import_records(db_session, None, put_real, "dump", NOW)
    found = find_gaps(db_session, db_session.scalar(select(Account.id)), NOW)
    numbers = {kind: sum(gap.kind is kind for gap in found) for kind in GapKind}
    assert {kind: number for kind, number in numbers.items() if number} == {
        GapKind.DIGEST: 4,
        GapKind.SILENT: 2,
        GapKind.NO_PAGE: 97,
    }
    assert {gap.day for gap in found if gap.kind is GapKind.DIGEST} == {date(2025, 10, 25)}


@pytest.mark.slow
def test_the_silence_that_lasts_is_a_gap_that_says_when_a_source_was_asked(db_session: Session) -> None:
    """Workdays until four weeks before NOW; since then nothing."""
    days = [MONDAY + timedelta(days=n) for n in range(390) if n % 7 < 5]
    put(db_session, *(post(number, day=str(day)) for number, day in enumerate(days, 100)))
    (unasked,) = gaps(db_session, GapKind.SILENT)
    assert "days without a post until now" in str(unasked.what)
    assert "no source was ever asked" in str(unasked.what)
    assert "switch on a source" in str(unasked.remedy)
    report = SourceReport(BIZ, "feed:x", "unchanged", good=True)
    record_report(db_session, None, report, NOW - timedelta(days=40))
    (stopped,) = gaps(db_session, GapKind.SILENT)
    assert "whether `mparchive run` is running" in str(stopped.remedy)
    record_report(db_session, None, report, NOW)
    (asked,) = gaps(db_session, GapKind.SILENT)
    assert "a source last worked at 2026-03-02 12:00 (Beijing time)" in str(asked.what)
    assert asked.remedy.code == "archive.audit.remedy_silence"
