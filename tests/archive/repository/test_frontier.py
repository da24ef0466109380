"""Test sightings and addresses: which source listed a post, where it is fetched, when it is due."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from archive.db.models import Address, Sighting
from archive.domain.addresses import parse_address
from archive.domain.captures import SightingData
from archive.domain.errors import AddressError
from archive.domain.outcomes import Outcome
from archive.domain.parsed_page import ParsedPage
from archive.domain.records import Record
from archive.domain.text import storable
from archive.ingest.pages import import_records, store_parse_results
from archive.repository import accounts, captures, frontier, post_queries
from archive.repository.address_outcomes import record_failures
from archive.repository.captures import store_captures
from archive.repository.frontier import claim_addresses, make_due, record_sightings
from archive.repository.runs import start_run
from archive.repository.versions import versions_of
from tests.archive.making import BIZ, NOW, article, capture, record

SHORT = "https://mp.weixin.qq.com/s/abcdefghijklmnopqrstuv"
HOUR = timedelta(hours=1)


def sight(session: Session, url: str, source: str = "list", *, hours: int = 0, run: int | None = None) -> int:
    """Record a sighting of this address by this source; return its id."""
    seen = SightingData(parse_address(url), source, NOW + hours * HOUR, "标题", {"itemidx": 1})
    return record_sightings(session, run, [seen], NOW)[0].address_id


def answer(session: Session, address: int, reading: ParsedPage) -> None:
    """Store a response of the address and its parse result."""
    kept = store_captures(session, None, [(address, capture())])
    store_parse_results(session, None, [(kept[0], reading)], NOW, 1)


def sightings(session: Session) -> list[tuple[str, str]]:
    """Return source and spelling of every sighting."""
    rows = select(Sighting.source, Sighting.url).order_by(Sighting.source, Sighting.url)
    return [(source, url) for source, url in session.execute(rows)]


def due(session: Session, *, hours: float = 0, run: int | None = None) -> list[int]:
    """Return the ids of addresses due then."""
    return [each.id for each in frontier.due_addresses(session, NOW + hours * HOUR, 100, run)]


def test_one_address_told_of_by_two_sources_is_one_address_with_two_sightings(db_session: Session) -> None:
    url = record().url
    assert sight(db_session, url, "album") == sight(db_session, url, "list")
    assert sightings(db_session) == [("album", url), ("list", url)]


def test_a_source_that_tells_again_moves_only_the_last_time(db_session: Session) -> None:
    for hours in (0, 5):
        sight(db_session, record().url, hours=hours)
    (row,) = db_session.scalars(select(Sighting))
    assert (row.first_seen_at, row.last_seen_at) == (NOW, NOW + 5 * HOUR)
    assert (row.title, row.listing) == ("标题", {"itemidx": 1})


def test_two_forms_of_one_address_are_both_remembered(db_session: Session) -> None:
    bare, full = record(chksm="").url, record().url
    assert sight(db_session, full) == sight(db_session, bare)
    assert sightings(db_session) == sorted([("list", bare), ("list", full)])


def test_of_two_forms_in_one_listing_the_one_with_chksm_is_fetched(db_session: Session) -> None:
    forms = [record(chksm="").url, record().url, record(chksm="").url]
    seen = [SightingData(parse_address(url), "list", NOW) for url in forms]
    sighted = record_sightings(db_session, None, seen, NOW)
    assert len({one.address_id for one in sighted}) == 1
    (found,) = frontier.due_addresses(db_session, NOW, 100)
    assert found.fetch_url == parse_address(record().url).fetch_url


def test_only_what_was_not_known_is_new(db_session: Session) -> None:
    sight(db_session, record(1).url)
    seen = [SightingData(parse_address(record(n).url), "list", NOW) for n in (2, 1)]
    assert [one.is_new for one in record_sightings(db_session, None, seen, NOW)] == [True, False]


def test_a_dump_is_a_sighting_and_brings_its_chksm_along(db_session: Session) -> None:
    sight(db_session, record(chksm="").url)
    import_records(db_session, None, [record()], "dump", NOW)
    assert ("dump", record().url) in sightings(db_session)
    (found,) = frontier.due_addresses(db_session, NOW, 100)
    assert found.fetch_url == parse_address(record().url).fetch_url


def test_a_short_link_is_tied_to_its_post_once_its_page_has_been_read(db_session: Session) -> None:
    address = sight(db_session, SHORT)
    row = db_session.get_one(Address, address)
    assert (row.account_id, row.aid) == (None, None)
    answer(db_session, address, article(record()))
    (post,) = post_queries.find_posts(db_session, "1001_1", BIZ)
    db_session.refresh(row)
    assert (row.account_id, row.aid) == (post.account_id, "1001_1")
    assert [found["outcome"] for found in captures.list_captures(db_session, post)] == ["article"]


def test_a_short_and_a_long_link_read_in_one_batch_are_one_post(db_session: Session) -> None:
    addresses = [sight(db_session, SHORT), sight(db_session, record().url)]
    kept = store_captures(db_session, None, [(a, capture(str(a).encode())) for a in addresses])
    stored = store_parse_results(db_session, None, [(k, article(record())) for k in kept], NOW, 1)
    assert sorted(stored) == ["new", "unchanged"]
    (post,) = post_queries.find_posts(db_session, "1001_1", BIZ)
    assert len(versions_of(db_session, post)) == 1
    assert due(db_session, hours=1e6) == []


@pytest.mark.slow
@pytest.mark.parametrize("outcome", [Outcome.VERIFICATION, Outcome.RATE_LIMITED])
def test_a_block_is_waited_out_and_never_given_up(db_session: Session, outcome: Outcome) -> None:
    address = sight(db_session, record().url)
    for _ in range(20):
        answer(db_session, address, ParsedPage(outcome))
    assert due(db_session, hours=5.9) == []
    assert due(db_session, hours=6) == [address]


def test_a_final_answer_starts_the_count_of_failures_anew(db_session: Session) -> None:
    address = sight(db_session, record().url)
    for _ in range(5):
        record_failures(db_session, None, [(address, "timeout")], NOW)
    answer(db_session, address, ParsedPage(Outcome.UNAVAILABLE))
    row = db_session.get_one(Address, address)
    db_session.refresh(row)
    assert (row.attempts, row.last_outcome, row.next_fetch_at) == (0, "unavailable", None)


def test_what_never_gave_a_final_answer_is_asked_again_and_the_rest_only_when_told(
    db_session: Session,
) -> None:
    done, blocked, failed, fresh = (sight(db_session, record(n).url) for n in range(4))
    answer(db_session, done, article(record(0)))
    answer(db_session, blocked, ParsedPage(Outcome.VERIFICATION))
    record_failures(db_session, None, [(failed, "timeout")], NOW)
    everything = [done, blocked, failed, fresh]
    assert sorted(make_due(db_session, everything, NOW)) == [blocked, failed, fresh]
    assert sorted(due(db_session)) == [blocked, failed, fresh]
    assert sorted(make_due(db_session, everything, NOW, again=True)) == everything
    assert sorted(due(db_session)) == everything


def test_addresses_given_to_a_run_are_that_runs(db_session: Session) -> None:
    first, second = (start_run(db_session, "run", {}, NOW) for _ in range(2))
    addresses = [sight(db_session, record(n).url, source, run=first) for n in (1, 2) for source in ("a", "b")]
    claim_addresses(db_session, second, addresses[:1], NOW)
    assert due(db_session, run=second) == addresses[:1]
    assert due(db_session, run=first) == addresses[2:3]


def test_addresses_that_failed_come_after_those_that_did_not(db_session: Session) -> None:
    addresses = [sight(db_session, record(n).url) for n in range(3)]
    record_failures(db_session, None, [(addresses[0], "timeout")], NOW)
    assert due(db_session, hours=1) == [addresses[1], addresses[2], addresses[0]]
    assert len(frontier.due_addresses(db_session, NOW + HOUR, 2)) == 2


def test_the_longest_address_there_may_be_is_sighted(db_session: Session) -> None:
    start = f"{record().url[:-3]}&scene="
    tail = "".join(chr(0x4E00 + n * 37 % 20_000) for n in range(1000))
    url = start + tail[: (2048 - len(start)) // 3]
    sight(db_session, url, "a listing")
    assert sightings(db_session) == [("a listing", url)]


@given(st.text().map(f"{record().url[:-3]}&scene=".__add__))
def test_whatever_was_taken_for_an_address_can_be_fetched(url: str) -> None:
    try:
        address = parse_address(url)
    except AddressError:
        return
    assert parse_address(storable(address.url)).fetch_url == address.fetch_url


def test_what_cannot_be_stored_in_a_sighting_is_replaced(db_session: Session) -> None:
    seen = SightingData(parse_address(record().url), "list", NOW, "题\0", {"a\0": ["\ud800", float("inf")]})
    record_sightings(db_session, None, [seen], NOW)
    (row,) = db_session.scalars(select(Sighting))
    assert (row.title, row.listing) == ("题\ufffd", {"a\ufffd": ["\ufffd", None]})


def test_an_account_is_named_by_whoever_knows_its_name_last(db_session: Session) -> None:
    sight(db_session, record().url)
    assert accounts.account_name(db_session, BIZ) == ""
    import_records(db_session, None, [record()], "dump", NOW)
    sight(db_session, record(2).url)
    assert accounts.account_name(db_session, BIZ) == "示例账号"


def test_nothing_to_write_is_no_error(db_session: Session) -> None:
    no_records: list[Record] = []
    assert record_sightings(db_session, None, [], NOW) == []
    assert import_records(db_session, None, no_records, "dump", NOW) == []
    assert store_captures(db_session, None, []) == []
    assert store_parse_results(db_session, None, [], NOW, 1) == []
    record_failures(db_session, None, [], NOW)
    assert make_due(db_session, [], NOW) == []
