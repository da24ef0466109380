"""Gaps of an archive: each kind is found, and what is explained is none."""

import json
from datetime import date, timedelta
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from archive.audit import find_gaps
from archive.audit.gap import Gap, GapKind
from archive.db.models import Account, MediumRow
from archive.domain.addresses import parse_address
from archive.domain.captures import Sighting
from archive.domain.outcomes import MediumOutcome, Outcome, Relation
from archive.domain.parsed_page import ParsedPage
from archive.domain.records import Record
from archive.ingest.pages import import_records, store_parse_results
from archive.repository.address_outcomes import record_failures
from archive.repository.captures import store_captures
from archive.repository.frontier import record_sightings
from archive.repository.media import record_media_failure, store_file
from tests.archive.making import BIZ, NOW, article, capture, image, kept_file, link, record

LATER = NOW + timedelta(days=1)
DELETED = ParsedPage(Outcome.DELETED, "该内容已被发布者删除")


def post(mid: int, idx: int = 1, *, day: str = "2026-03-01", title: str = "", text: str = "甲\r") -> Record:
    url = f"http://mp.weixin.qq.com/s?__biz={BIZ}&mid={mid}&idx={idx}&sn=5a&chksm=be48#rd"
    return Record(f"{mid}_{idx}", title or f"合成{mid}之{idx}", url, day, "示例账号", text)


def put(session: Session, *records: Record) -> None:
    import_records(session, None, records, "dump", NOW)


def see(session: Session, record: Record, source: str = "album:1", **listing: str) -> int:
    """A listing tells of a post; the id of its address."""
    sighting = Sighting(parse_address(record.url), source, NOW, record.title, listing or None, BIZ)
    return record_sightings(session, None, [sighting], NOW)[0].address_id


def answer(session: Session, record: Record, reading: ParsedPage) -> None:
    (number,) = store_captures(session, None, [(see(session, record), capture(record.url.encode()))])
    store_parse_results(session, None, [(number, reading)], NOW, 1)


def gaps(session: Session, kind: GapKind, **more: object) -> list[Gap]:
    account = session.scalar(select(Account.id).where(Account.biz == BIZ))
    found = find_gaps(session, account, LATER, **more)  # type: ignore[arg-type]  # options
    return [gap for gap in found if gap.kind is kind]


def subjects(session: Session, kind: GapKind) -> list[str]:
    return [gap.subject for gap in gaps(session, kind)]


def test_a_place_between_others_of_a_push_and_a_missing_first_one_are_holes(db_session: Session) -> None:
    put(db_session, post(10, 1), post(10, 3), post(20, 2), post(30, 1), post(30, 2), post(40, 999))
    assert subjects(db_session, GapKind.HOLE) == ["10_2", "20_1"]
    hole, _ = gaps(db_session, GapKind.HOLE)
    assert (hole.day, hole.fillable) == (date(2026, 3, 1), False)
    assert "places 1, 3 of push 10 are known" in hole.what
    assert [gap.fillable for gap in gaps(db_session, GapKind.HOLE, has_sources=True)] == [True, True]


def test_what_is_deleted_or_left_out_by_who_lists_pushes_whole_is_no_hole(db_session: Session) -> None:
    put(db_session, post(10, 1), post(10, 3), post(20, 1), post(20, 3))
    answer(db_session, post(10, 2), DELETED)
    see(db_session, post(20, 3), "own_backend")
    assert subjects(db_session, GapKind.HOLE) == []
    assert subjects(db_session, GapKind.MENTIONED) == []


def test_an_address_tells_of_a_hole_before_it_and_is_none_itself(db_session: Session) -> None:
    put(db_session, post(10, 1))
    see(db_session, post(10, 3))
    assert subjects(db_session, GapKind.HOLE) == ["10_2"]
    assert subjects(db_session, GapKind.MENTIONED) == ["10_3"]


def test_posts_that_were_listed_and_not_fetched_are_mentioned_with_how_far_they_are(
    db_session: Session,
) -> None:
    see(db_session, post(10), published_at="2026-02-27T17:00:00+00:00")
    failed = see(db_session, post(11))
    record_failures(db_session, None, [(failed, "timed out")], NOW)
    answer(db_session, post(12), ParsedPage(Outcome.EXPIRED_LINK))
    answer(db_session, post(13), DELETED)
    answer(db_session, post(14), article(post(14)))
    never, waits, expired = gaps(db_session, GapKind.MENTIONED)
    assert (never.subject, never.title, never.day) == ("10_1", "合成10之1", date(2026, 2, 28))
    assert never.what == "seen in album:1 on 2026-03-02; never asked"
    assert waits.what.endswith("due, after 1 tries: no_answer (timed out)")
    assert [one.fillable for one in (never, waits, expired)] == [True, True, False]


def test_answers_that_are_not_understood_and_texts_that_are_not_drawn_are_gaps(db_session: Session) -> None:
    answer(db_session, post(10), ParsedPage(Outcome.UNKNOWN, "no marker"))
    answer(db_session, post(11), article(post(11), needs_browser=True))
    assert subjects(db_session, GapKind.UNKNOWN) == ["10_1"]
    (gap,) = gaps(db_session, GapKind.NOT_DRAWN)
    assert (gap.subject, "Chromium" in gap.remedy) == ("11_1", True)


def test_what_posts_link_to_is_mentioned_by_them_until_it_is_known(db_session: Session) -> None:
    answer(db_session, record(1), article(record(1), links=(link(5), link(6, Relation.NEXT), link(2))))
    answer(db_session, record(2), article(record(2), links=(link(5),)))
    first, second = gaps(db_session, GapKind.MENTIONED)
    assert (first.subject, first.title) == ("1005_1", "见前文")
    assert first.what.startswith("1001_1 and 1 more lead there (post)")
    assert (second.subject, second.fillable) == ("1006_1", True)
    see(db_session, record(5))
    assert [gap.what.partition(" ")[0] for gap in gaps(db_session, GapKind.MENTIONED)] == ["seen", "1001_1"]


def test_an_album_with_more_posts_than_are_known_is_mentioned(db_session: Session) -> None:
    def in_album(number: int, size: str) -> None:
        album = link(1, Relation.ALBUM, text="合成专辑", facts={"size": size})
        answer(db_session, record(number), article(record(number), links=(album,)))

    in_album(1, "1")
    assert subjects(db_session, GapKind.MENTIONED) == []
    in_album(2, "9")
    (gap,) = gaps(db_session, GapKind.MENTIONED)
    assert "has 9 posts; 2 archived" in gap.what
    assert (gap.title, gap.album) == ("合成专辑", f"{BIZ}:1001:1")


DIGEST = "合成一周要闻\r01 虚构的第一条新闻标题\r02 虚构的第二条新闻标题\r03 虚构的第三条新闻标题\r"


def test_titles_that_a_digest_lists_and_nobody_holds_are_gaps_once(db_session: Session) -> None:
    put(
        db_session,
        post(10, title="虚构的第一条新闻标题"),
        post(11, title="合成一周要闻（上）", text=DIGEST),
        post(12, title="合成一周要闻（下）", text=DIGEST),
    )
    answer(db_session, post(13, title="虚构的第三条新闻标题"), DELETED)
    (gap,) = gaps(db_session, GapKind.DIGEST)
    assert (gap.subject, gap.fillable) == ("虚构的第二条新闻标题", False)
    assert "11_1" in gap.what
    see(db_session, post(14, title="虚构的第二条新闻标题"))
    (gap,) = gaps(db_session, GapKind.DIGEST)
    assert (gap.fillable, "mentioned" in gap.remedy) == (True, True)
    assert gaps(db_session, GapKind.DIGEST, digest_title="月报") == []


def test_a_title_that_a_post_had_before_it_was_edited_is_held(db_session: Session) -> None:
    put(db_session, post(11, title="合成一周要闻", text=DIGEST), post(10, title="虚构的第二条新闻标题"))
    answer(db_session, post(10), article(post(10, title="完全改写过的另一标题")))
    assert "虚构的第二条新闻标题" not in subjects(db_session, GapKind.DIGEST)


def test_silent_workdays_are_told_with_how_usual_posts_are(db_session: Session) -> None:
    first = date(2026, 1, 5)
    days = [first + timedelta(days=n) for n in range(70) if n % 7 < 5 and n not in (30, 31)]
    put(db_session, *(post(number, day=str(day)) for number, day in enumerate(days, 100)))
    (gap,) = gaps(db_session, GapKind.SILENT)
    assert gap.subject == "2026-02-04 to 2026-02-05"
    assert "2 days without a post" in gap.what
    assert "Wednesday 100%, Thursday 100%" in gap.what


def test_a_dumps_posts_lack_their_pages_until_these_come_or_are_deleted(db_session: Session) -> None:
    put(db_session, post(10), post(11), post(12, day="2026-02-01"))
    answer(db_session, post(11), DELETED)
    answer(db_session, post(10), article(post(10)))
    (gap,) = gaps(db_session, GapKind.NO_PAGE)
    assert (gap.subject, gap.what) == ("12_1", "taken over from a dump; never asked")
    assert gaps(db_session, GapKind.NO_PAGE, since=date(2026, 2, 2)) == []
    assert len(gaps(db_session, GapKind.NO_PAGE, until=date(2026, 2, 1))) == 1


def test_images_that_are_not_kept_are_counted_by_post_and_reason(db_session: Session) -> None:
    answer(db_session, post(10), article(post(10), media=tuple(image(name) for name in "abcd")))
    answer(db_session, post(11), article(post(11), media=(image("a"),)))
    a, b, c, _ = db_session.scalars(select(MediumRow.id).order_by(MediumRow.key))
    store_file(db_session, a, kept_file(), NOW)
    record_media_failure(db_session, b, MediumOutcome.REFUSED, "no image", NOW)
    record_media_failure(db_session, c, MediumOutcome.FAILED, "timed out", NOW)
    (gap,) = gaps(db_session, GapKind.NO_IMAGES)
    assert gap.subject == "10_1"
    assert gap.what == "3 of its 4 images are not kept: 1 never asked, 1 refused, 1 failed"


def test_a_capture_nobody_read_is_a_gap_after_an_hour(db_session: Session) -> None:
    address = see(db_session, post(10))
    (old,) = store_captures(db_session, None, [(address, capture(b"old"))])
    store_captures(db_session, None, [(address, capture(b"new", minutes=24 * 60 - 30))])
    assert subjects(db_session, GapKind.UNREAD) == [f"capture {old}"]


def test_a_short_link_that_tells_no_account_is_a_gap_of_none(db_session: Session) -> None:
    url = "https://mp.weixin.qq.com/s/abcdefghijklmnopqrstuv"
    record_sightings(db_session, None, [Sighting(parse_address(url), "list", NOW)], NOW)
    (gap,) = find_gaps(db_session, None, LATER)
    assert (gap.kind, gap.biz, gap.subject) == (GapKind.MENTIONED, "", url)
    sighting = Sighting(parse_address(f"{url}x"), "feed:a", NOW, expected_biz=BIZ)
    put(db_session, post(10))
    record_sightings(db_session, None, [sighting], NOW)
    assert subjects(db_session, GapKind.MENTIONED) == [f"{url}x"]


def test_an_archive_that_holds_everything_has_no_gap(db_session: Session) -> None:
    answer(db_session, post(10), article(post(10)))
    assert [gaps(db_session, kind) for kind in GapKind] == [[]] * len(GapKind)


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
        GapKind.SILENT: 1,
        GapKind.NO_PAGE: 97,
    }
    assert {gap.day for gap in found if gap.kind is GapKind.DIGEST} == {date(2025, 10, 25)}
