"""Test what parse results and failures mean for addresses and their aliases."""

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from archive.db.models import Address
from archive.domain.addresses import parse_address
from archive.domain.captures import SightingData
from archive.domain.messages import Message
from archive.domain.outcomes import NO_ANSWER, NOT_RENDERED, Outcome
from archive.domain.parsed_page import ParsedPage
from archive.ingest.pages import import_records, store_parse_results
from archive.repository.address_outcomes import (
    FETCHED_AT_ALIAS,
    FOREIGN_POST,
    archived_keys,
    drop_foreign_posts,
    record_failures,
    with_chksm,
)
from archive.repository.captures import store_captures
from archive.repository.frontier import record_sightings
from archive.repository.sources import plan_sources
from tests.archive.making import BIZ, NOW, article, capture, record

SHORT = "https://mp.weixin.qq.com/s/abcdefghijklmnopqrstuv"
OTHER = "MjM5MDU2MTc4NQ=="
HOUR = timedelta(hours=1)


def sight(session: Session, url: str, expected_biz: str = "") -> int:
    """Record a sighting of an address; return its id."""
    seen = SightingData(parse_address(url), "list", NOW, expected_biz=expected_biz)
    return record_sightings(session, None, [seen], NOW)[0].address_id


def fetch(session: Session, address: int, page: ParsedPage, minutes: int = 0, parser: int = 1) -> int:
    """Store a capture of an address and its parse result; return the capture's id."""
    (id_,) = store_captures(session, None, [(address, capture(b"%d" % minutes, minutes=minutes))])
    store_parse_results(session, None, [(id_, page)], NOW, parser)
    return id_


def row(session: Session, address: int) -> Address:
    """Load an address afresh."""
    session.expire_all()
    return session.get_one(Address, address)


def test_the_long_address_of_a_post_fetched_by_its_short_link_is_not_asked_any_more(
    db_session: Session,
) -> None:
    short, long = sight(db_session, SHORT), sight(db_session, record().url)
    fetch(db_session, short, article(record()))
    alias = row(db_session, long)
    assert (alias.next_fetch_at, alias.last_outcome) == (None, "article")
    assert Message.load(alias.last_reason).code == FETCHED_AT_ALIAS


def test_an_address_is_asked_later_each_time_it_gives_no_response(db_session: Session) -> None:
    address = sight(db_session, SHORT)
    waits = []
    for _ in range(3):
        record_failures(db_session, None, [(address, "timeout")], NOW)
        waits.append(row(db_session, address).next_fetch_at)
    assert waits == sorted(set(filter(None, waits)))
    assert (row(db_session, address).last_outcome, row(db_session, address).attempts) == (NO_ANSWER, 3)


def test_a_post_that_needs_a_browser_is_asked_again_until_one_rendered_it(db_session: Session) -> None:
    address = sight(db_session, record().url)
    fetch(db_session, address, article(record(), needs_browser=True))
    assert row(db_session, address).last_outcome == NOT_RENDERED
    assert row(db_session, address).next_fetch_at


def test_a_later_parser_corrects_the_outcome_of_the_last_response_only(db_session: Session) -> None:
    address = sight(db_session, record().url)
    first = fetch(db_session, address, ParsedPage(Outcome.UNKNOWN))
    last = fetch(db_session, address, ParsedPage(Outcome.UNKNOWN), minutes=5)
    store_parse_results(db_session, None, [(first, ParsedPage(Outcome.DELETED))], NOW + HOUR, 2)
    assert row(db_session, address).last_outcome == "unknown"
    store_parse_results(db_session, None, [(last, ParsedPage(Outcome.PRIVATE))], NOW + HOUR, 2)
    corrected = row(db_session, address)
    assert (corrected.last_outcome, corrected.last_tried_at) == ("private", NOW)


def test_a_post_of_another_account_is_left_out_with_the_reason(db_session: Session) -> None:
    address = sight(db_session, SHORT, expected_biz=OTHER)
    (id_,) = store_captures(db_session, None, [(address, capture())])
    ((_, page),) = drop_foreign_posts(db_session, [(id_, article(record()))])
    reason = Message.load(page.reason)
    assert (page.record, reason.code) == (None, FOREIGN_POST)
    assert reason.params == {"biz": BIZ, "expected": OTHER}


def test_a_post_of_a_watched_account_is_never_foreign(db_session: Session) -> None:
    address = sight(db_session, SHORT, expected_biz=OTHER)
    plan_sources(db_session, BIZ, {"album:1": NOW})
    (id_,) = store_captures(db_session, None, [(address, capture())])
    assert drop_foreign_posts(db_session, [(id_, article(record()))]) == [(id_, article(record()))]


def test_only_posts_with_a_page_count_as_archived(db_session: Session) -> None:
    import_records(db_session, None, [record(1), record(2)], "dump", NOW)
    fetch(db_session, db_session.scalars(select(Address.id).order_by(Address.key)).first() or 0,
          article(record(1)))  # fmt: skip
    addresses = [parse_address(record(number).url) for number in (1, 2)]
    assert archived_keys(db_session, addresses) == {addresses[0].key}


def test_a_bare_url_of_a_page_gets_the_chksm_known_of_its_address() -> None:
    bare = article(record(chksm=""))
    key = parse_address(record().url).key
    full = with_chksm(bare, {key: record().url}).record
    assert full is not None
    assert "chksm=be48" in full.url
    assert with_chksm(bare, {}) == bare
