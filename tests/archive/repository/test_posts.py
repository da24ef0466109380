"""Posts and their versions: what dumps and pages leave of each other."""

import io
import json
from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from archive.db.models import Post, Version
from archive.domain.addresses import parse_address
from archive.domain.captures import SightingData
from archive.domain.parsed_page import ParsedPage
from archive.domain.records import Record
from archive.domain.update_decisions import PAGE, StoreResult
from archive.export.records import write_dump
from archive.ingest.pages import import_records, store_parse_results
from archive.repository import accounts, post_queries
from archive.repository.captures import store_captures
from archive.repository.frontier import record_sightings
from archive.repository.media import due_media
from archive.repository.versions import versions_of
from tests.archive.making import BIZ, NOW, article, capture, image, link, record


@pytest.fixture
def real_dump(shared: Path) -> bytes:
    """Return the bytes of the real dump of 97 posts."""
    (path,) = (shared / "dump").glob("*.json")
    return path.read_bytes()


def records_of(dump: bytes) -> list[Record]:
    """Return the records of a dump."""
    return [Record.from_mapping(raw) for raw in json.loads(dump)]


def exported(session: Session) -> bytes:
    """Everything there is, as a dump."""
    out = io.BytesIO()
    write_dump(post_queries.records(session), out)
    return out.getvalue()


def pages(session: Session, made: list[Record]) -> list[StoreResult]:
    """Keep and store a page for each of these records, at the bare address a page has."""
    kept = store_captures(session, None, [(None, capture(r.aid.encode())) for r in made])
    readings: list[ParsedPage] = []
    for each in made:
        page = replace(each, url=each.url.partition("&chksm=")[0] + "#rd")
        shown = article(page, html=f"<p>{each.text}</p>", media=(image(each.aid),), links=(link(1),))
        readings.append(replace(shown, biz=parse_address(each.url).biz))
    return store_parse_results(session, None, list(zip(kept, readings, strict=True)), NOW, 1)


def count(session: Session, table: type[Post] | type[Version]) -> int | None:
    """How many rows it has."""
    return session.scalar(select(func.count()).select_from(table))


def history(session: Session) -> list[tuple[int, str, str]]:
    """Return number, source and text of every version of the only post."""
    (post,) = post_queries.find_posts(session, "1001_1", BIZ)
    return [(v.number, v.source, v.text) for v in versions_of(session, post)]


@pytest.mark.slow
def test_the_real_dump_taken_twice_is_97_posts_and_comes_out_as_it_is(
    db_session: Session, real_dump: bytes
) -> None:
    records = records_of(real_dump)
    assert import_records(db_session, None, records, "dump", NOW) == [StoreResult.NEW] * 97
    assert import_records(db_session, None, records[::-1], "dump", NOW) == [StoreResult.UNCHANGED] * 97
    assert (count(db_session, Post), count(db_session, Version)) == (97, 97)
    assert exported(db_session) == real_dump


@pytest.mark.slow
def test_pages_that_say_what_the_real_dump_says_change_no_byte_of_it(
    db_session: Session, real_dump: bytes
) -> None:
    records = records_of(real_dump)
    import_records(db_session, None, records, "dump", NOW)
    assert pages(db_session, records) == [StoreResult.UNCHANGED] * 97
    assert exported(db_session) == real_dump
    assert count(db_session, Version) == 97
    assert len(due_media(db_session, NOW, 100, types=["image"])) == 97


@pytest.mark.slow
def test_one_page_that_says_something_else_is_one_version_more(db_session: Session, real_dump: bytes) -> None:
    records = records_of(real_dump)
    import_records(db_session, None, records, "dump", NOW)
    records[40] = replace(records[40], text=records[40].text + "更正\r")
    assert pages(db_session, records).count(StoreResult.CHANGED) == 1
    assert count(db_session, Version) == 98
    assert list(post_queries.records(db_session)) == records


def test_a_dump_adds_to_the_history_what_it_says_but_the_page_stays(db_session: Session) -> None:
    assert pages(db_session, [record(text="网页\r")]) == [StoreResult.NEW]
    for _ in range(2):
        import_records(db_session, None, [record(text="旧\r")], "dump", NOW)
    assert history(db_session) == [(1, "page", "网页\r"), (2, "dump", "旧\r")]
    assert [r.text for r in post_queries.records(db_session)] == ["网页\r"]


def test_a_dump_gives_the_page_the_chksm_it_lacks_but_no_new_date_or_name(db_session: Session) -> None:
    pages(db_session, [record()])
    assert [r.url for r in post_queries.records(db_session)] == [record(chksm="").url]
    for chksm in ("be48", "ffff"):  # the first that is known stays
        told = replace(record(chksm=chksm), date="2020-01-01", account="别名")
        import_records(db_session, None, [told], "dump", NOW)
        assert list(post_queries.records(db_session)) == [record(chksm="be48")]


def test_a_text_that_changes_back_is_a_version_again(db_session: Session) -> None:
    results = [pages(db_session, [record(text=text)]) for text in ("一", "二", "一", "一")]
    assert results == [
        [StoreResult.NEW],
        [StoreResult.CHANGED],
        [StoreResult.CHANGED],
        [StoreResult.UNCHANGED],
    ]
    assert [text for _, _, text in history(db_session)] == ["一", "二", "一"]


def test_a_new_title_alone_is_a_version(db_session: Session) -> None:
    pages(db_session, [record()])
    assert pages(db_session, [record(title="更正后的标题")]) == [StoreResult.CHANGED]
    assert next(post_queries.records(db_session)).title == "更正后的标题"


def test_a_version_is_never_changed_by_what_comes_after_it(db_session: Session) -> None:
    columns = (Version.number, Version.title, Version.text, Version.source, Version.capture_id)
    import_records(db_session, None, [record()], "dump", NOW)
    first = db_session.execute(select(*columns)).all()
    pages(db_session, [record()])
    pages(db_session, [record(text="改\r")])
    assert db_session.execute(select(*columns).order_by(Version.number)).all()[:1] == first


def test_a_post_keeps_the_account_name_it_was_published_under(db_session: Session) -> None:
    import_records(db_session, None, [record()], "dump", NOW)
    pages(db_session, [replace(record(), account="新名"), replace(record(2), account="新名")])
    assert {r.aid: r.account for r in post_queries.records(db_session)} == {
        "1001_1": "示例账号",
        "1002_1": "新名",
    }
    assert accounts.account_names(db_session) == [(BIZ, "新名")]


def test_a_name_the_dump_did_not_know_is_taken_from_the_page(db_session: Session) -> None:
    import_records(db_session, None, [replace(record(), account="")], "dump", NOW)
    pages(db_session, [record()])
    assert list(post_queries.records(db_session)) == [record()]


def test_the_page_knows_the_day_better_than_the_dump(db_session: Session) -> None:
    import_records(db_session, None, [replace(record(), date="2026-02-28")], "dump", NOW)
    pages(db_session, [record()])
    assert next(post_queries.records(db_session)).date == "2026-03-01"


def test_a_record_at_a_bare_address_gains_the_chksm_when_somebody_knows_it(db_session: Session) -> None:
    import_records(db_session, None, [record(chksm="")], "dump", NOW)
    kept = store_captures(db_session, None, [(None, capture())])
    store_parse_results(db_session, None, [(kept[0], article(record()))], NOW, 1)
    assert next(post_queries.records(db_session)).url == record().url


def test_half_a_page_gives_way_to_the_whole_one(db_session: Session) -> None:
    kept = store_captures(db_session, None, [(None, capture(b"1")), (None, capture(b"2"))])
    half, whole = article(record(text=""), needs_browser=True), article(record())
    assert store_parse_results(db_session, None, [(kept[0], half)], NOW, 1) == [StoreResult.NEW]
    assert store_parse_results(db_session, None, [(kept[1], whole)], NOW, 1) == [StoreResult.NEW]
    assert store_parse_results(db_session, None, [(kept[0], half)], NOW, 1) == [StoreResult.UNCHANGED]
    assert history(db_session) == [(1, "page", record().text)]
    assert list(post_queries.records(db_session)) == [record()]


@pytest.mark.slow
def test_a_text_as_large_as_the_largest_page_is_stored_and_comes_back(db_session: Session) -> None:
    huge = record(text="字\r\n<&" * (16 * 1024 * 1024 // 8), title="题" * 100_000)
    assert import_records(db_session, None, [huge], "dump", NOW) == [StoreResult.NEW]
    assert pages(db_session, [huge]) == [StoreResult.UNCHANGED]
    assert next(post_queries.records(db_session)) == huge


def test_facts_hold_what_has_no_rows_of_its_own(db_session: Session) -> None:
    page = {"author": "合成编辑部", "media": [{"role": "image"}], "links": [{"relation": "post"}]}
    kept = store_captures(db_session, None, [(None, capture())])
    store_parse_results(db_session, None, [(kept[0], article(record(), page=page))], NOW, 1)
    assert db_session.scalar(select(Post.page_metadata)) == {"author": "合成编辑部"}


def test_a_page_saved_long_ago_does_not_replace_what_was_fetched_since(db_session: Session) -> None:
    now_shown, once_shown = record(text="新"), record(text="旧")
    for number, (shown, minutes) in enumerate([(now_shown, 0), (once_shown, -60), (now_shown, -90)]):
        kept = store_captures(db_session, None, [(None, capture(b"%d" % number, minutes=minutes))])
        (stored,) = store_parse_results(db_session, None, [(kept[0], article(shown))], NOW, 1)
        assert stored is (StoreResult.UNCHANGED if number else StoreResult.NEW)
    assert [record.text for record in post_queries.records(db_session)] == ["新"]
    assert history(db_session) == [(3, PAGE, "新"), (2, PAGE, "旧"), (1, PAGE, "新")]


@pytest.mark.slow
@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_pages_give_the_same_history_in_whatever_order_they_are_imported(
    db_session: Session, order: tuple[int, ...]
) -> None:
    shown = ["甲", "甲", "乙", "甲"]
    url = parse_address(record().url)
    for number in order:
        at = NOW + timedelta(days=number)
        (sighted,) = record_sightings(db_session, None, [SightingData(url, "list", at)], at)
        page = capture(b"%d" % number, minutes=number * 1440)
        kept = store_captures(db_session, None, [(sighted.address_id, page)])
        store_parse_results(db_session, None, [(kept[0], article(record(text=shown[number])))], NOW, 1)
    assert [said for _, _, said in history(db_session)] == ["甲", "乙", "甲"]
    (post,) = post_queries.find_posts(db_session, "1001_1", BIZ)
    versions = versions_of(db_session, post)
    assert [one.at for one in versions] == [NOW + timedelta(days=days) for days in (0, 2, 3)]
    assert (post.text, post.first_archived_at) == ("甲", NOW)
