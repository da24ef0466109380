"""What becomes of records, sightings, captures and readings."""

import gzip
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from archive.domain.addresses import parse_address
from archive.domain.captures import SightingData
from archive.domain.errors import ArchiveError, IntegrityError
from archive.domain.outcomes import Outcome
from archive.domain.parsed_page import ParsedPage
from archive.domain.records import Record
from archive.domain.update_decisions import StoreResult
from archive.ingest.pages import import_records, store_parse_results
from archive.reports import status
from archive.repository import captures, frontier, post_queries
from archive.repository.address_outcomes import record_failures
from archive.repository.bodies import capture_body
from archive.repository.captures import store_captures
from archive.repository.frontier import make_due, record_sightings
from archive.repository.runs import start_run
from archive.repository.versions import versions_of
from tests.archive.making import BIZ, NOW, article, capture, record


def sight(session: Session, *urls: str, run: int | None = None) -> list[int]:
    """Record sightings of these addresses; return their ids."""
    seen = [SightingData(parse_address(url), "list", NOW) for url in urls]
    return [sighted.address_id for sighted in record_sightings(session, run, seen, NOW)]


def read(session: Session, reading: ParsedPage, address: int | None = None, minutes: int = 0) -> StoreResult:
    """Store one capture and its parse result."""
    kept = store_captures(session, None, [(address, capture(f"{minutes}".encode(), minutes=minutes))])
    return store_parse_results(session, None, [(kept[0], reading)], NOW, 1)[0]


def versions(session: Session, aid: str = "1001_1") -> list[str]:
    """Return the texts of a post's versions, first to last."""
    (post,) = post_queries.find_posts(session, aid)
    return [version.text for version in versions_of(session, post)]


def fetch_urls(session: Session, run: int | None = None, days: int = 0) -> list[str]:
    """Return the URLs that are due."""
    return [due.fetch_url for due in frontier.due_addresses(session, NOW + timedelta(days), 100, run)]


def test_the_same_record_twice_is_new_then_unchanged(db_session: Session) -> None:
    stored = import_records(db_session, None, [record(), record(2), record()], "dump", NOW)
    assert stored == [StoreResult.NEW, StoreResult.NEW, StoreResult.UNCHANGED]
    assert versions(db_session) == [record().text]


def test_a_page_that_says_what_the_dump_said_adds_no_version_and_changes_no_export(
    db_session: Session,
) -> None:
    import_records(db_session, None, [record()], "dump", NOW)
    bare = record(chksm="")
    assert read(db_session, article(bare, page={"author": "某人"})) is StoreResult.UNCHANGED
    assert list(post_queries.records(db_session)) == [record()]
    (post,) = post_queries.find_posts(db_session, "1001_1", BIZ)
    assert (post.kind, post.page_metadata) == ("article", {"author": "某人"})
    assert versions(db_session) == [record().text]


def test_a_page_that_says_something_else_adds_a_version(db_session: Session) -> None:
    import_records(db_session, None, [record()], "dump", NOW)
    assert read(db_session, article(record(text="改\r"))) is StoreResult.CHANGED
    assert versions(db_session) == [record().text, "改\r"]
    assert next(post_queries.records(db_session)).text == "改\r"


def test_the_same_aid_of_two_accounts_is_two_posts(db_session: Session) -> None:
    other = Record("1001_1", "题", record().url.replace(BIZ, "MzI1MDAxMjM0NQ=="), "2026-03-01", "别家", "文")
    assert import_records(db_session, None, [record(), other], "dump", NOW) == [
        StoreResult.NEW,
        StoreResult.NEW,
    ]
    assert len(post_queries.find_posts(db_session, "1001_1")) == 2


def test_an_address_with_chksm_replaces_a_bare_one_and_never_the_other_way(db_session: Session) -> None:
    bare, full = record(chksm="").url, record().url
    sight(db_session, bare)
    sight(db_session, full)
    sight(db_session, bare)
    assert fetch_urls(db_session) == [parse_address(full).fetch_url]


def test_two_addresses_of_one_post_are_one_post(db_session: Session) -> None:
    short, long = sight(db_session, "https://mp.weixin.qq.com/s/abcdefghijklmnopqrstuv", record().url)
    assert read(db_session, article(record(chksm="")), short) is StoreResult.NEW
    assert read(db_session, article(record()), long, 1) is StoreResult.UNCHANGED
    (post,) = post_queries.find_posts(db_session, "1001_1")
    assert len(captures.list_captures(db_session, post)) == 2
    assert fetch_urls(db_session, days=365) == []


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome is not Outcome.ARTICLE])
def test_no_other_outcome_becomes_a_post(db_session: Session, outcome: Outcome) -> None:
    (address,) = sight(db_session, record().url)
    assert read(db_session, ParsedPage(outcome, "why"), address) is StoreResult.NOT_A_POST
    assert post_queries.find_posts(db_session, "1001_1") == []
    assert fetch_urls(db_session) == []
    assert bool(fetch_urls(db_session, days=1)) is not outcome.is_final


def test_a_post_that_is_taken_down_stays_and_its_history_says_so(db_session: Session) -> None:
    (address,) = sight(db_session, record().url)
    read(db_session, article(record()), address)
    read(db_session, ParsedPage(Outcome.DELETED, "gone"), address, 60)
    (post,) = post_queries.find_posts(db_session, "1001_1")
    assert [row["outcome"] for row in captures.list_captures(db_session, post)] == ["deleted", "article"]
    assert list(post_queries.records(db_session)) == [record()]


def test_an_address_that_never_answers_is_given_up_and_seen_in_the_status(db_session: Session) -> None:
    (address,) = sight(db_session, record().url)
    for _ in range(20):
        record_failures(db_session, None, [(address, "timeout")], NOW)
    assert fetch_urls(db_session, days=365) == []
    assert status.archive_status(db_session, NOW).given_up == 1


def test_a_run_is_given_only_what_it_was_asked_for(db_session: Session) -> None:
    run, another = (start_run(db_session, "backfill", {}, NOW) for _ in range(2))
    sight(db_session, record(1).url, run=run)
    sight(db_session, record(2).url, run=another)
    assert fetch_urls(db_session, run) == [parse_address(record(1).url).fetch_url]


def test_a_capture_is_unread_until_its_reading_is_stored_and_comes_back_exactly(db_session: Session) -> None:
    body = bytes(range(256)) * 999
    (kept,) = store_captures(db_session, None, [(None, capture(body))])
    assert captures.unparsed_captures(db_session) == [kept]
    store_parse_results(db_session, None, [(kept, ParsedPage(Outcome.UNKNOWN))], NOW, 1)
    assert captures.unparsed_captures(db_session) == []
    assert captures.load_capture(db_session, kept) == capture(body)


def test_what_a_browser_saw_is_kept_with_its_page_and_nothing_where_none_was(db_session: Session) -> None:
    evaluated = {"cgiDataNew": {"title": "题\0", "mid": 1}, "picture_page_info_list": [{}], "text": "字"}
    pages = [capture(b"1", rendered=True, evaluated=evaluated), capture(b"2")]
    drawn, plain = store_captures(db_session, None, [(None, page) for page in pages])
    assert captures.load_capture(db_session, drawn).evaluated == {
        "cgiDataNew": {"title": "题\ufffd", "mid": 1}, "picture_page_info_list": [{}], "text": "字",
    }  # fmt: skip
    assert captures.load_capture(db_session, plain) == pages[1]
    none = text("SELECT evaluated IS NULL FROM captures WHERE id = :id")
    assert [db_session.scalar(none, {"id": id_}) for id_ in (drawn, plain)] == [False, True]


@pytest.mark.parametrize("gzipped", [None, gzip.compress(b"page" * 100)], ids=["zstd", "gzip"])
@pytest.mark.parametrize("column", ["data", "sha256"])
def test_one_bit_that_has_flipped_is_an_error_that_names_the_capture(
    db_session: Session, column: str, gzipped: bytes | None
) -> None:
    whole, damaged = (capture(b"page" * number, gzipped=gzipped) for number in (100, 101))
    first, second = store_captures(db_session, None, [(None, whole), (None, damaged)])
    table, condition = ("bodies", "sha256 = :sha256") if column == "data" else ("captures", "id = :id")
    flip = f"UPDATE {table} SET {column} = set_bit({column}, 101, 1 - get_bit({column}, 101))"
    db_session.execute(text("SET LOCAL session_replication_role = replica"))
    parameters = {"sha256": damaged.sha256} if column == "data" else {"id": second}
    db_session.execute(text(f"{flip} WHERE {condition}"), parameters)
    for read_back in (capture_body, captures.load_capture):
        with pytest.raises(IntegrityError, match=f"capture {second}:"):
            read_back(db_session, second)
    assert capture_body(db_session, first) == b"page" * 100


def test_a_capture_that_is_not_there_is_said_so(db_session: Session) -> None:
    with pytest.raises(ArchiveError, match="no capture 7"):
        capture_body(db_session, 7)


def test_what_postgres_cannot_store_is_replaced_and_stops_nothing(db_session: Session) -> None:
    strange = record(text="a\0b\ud800c", title="\udfff")
    page = {"nul\0": ["\0", {"n": float("nan"), "i": float("inf")}]}
    assert read(db_session, article(strange, page=page)) is StoreResult.NEW
    assert import_records(db_session, None, [strange], "dump", NOW) == [StoreResult.UNCHANGED]
    assert next(post_queries.records(db_session)).text == "a\ufffdb\ufffdc"


def test_the_longest_number_a_record_may_have_is_stored(db_session: Session) -> None:
    mid = "9" * 18
    url = record().url.replace("mid=1001", f"mid={mid}")
    longest = Record.from_mapping(Record(f"{mid}_999", "题", url, "2026-03-01", "示例账号", "文").as_dict())
    assert import_records(db_session, None, [longest], "dump", NOW) == [StoreResult.NEW]


def test_a_post_whose_text_only_a_browser_has_is_due_until_one_has_drawn_it(db_session: Session) -> None:
    (address,) = sight(db_session, record().url)
    half = article(record(text=""), needs_browser=True)
    read(db_session, half, address)
    assert fetch_urls(db_session) == []
    assert len(fetch_urls(db_session, days=1)) == 1
    assert make_due(db_session, [address], NOW) == [address], "a command that is given it again asks at once"
    drawn = store_captures(db_session, None, [(address, capture(rendered=True))])
    store_parse_results(db_session, None, [(drawn[0], article(record()))], NOW, 1)
    assert make_due(db_session, [address], NOW) == fetch_urls(db_session, days=9) == []
