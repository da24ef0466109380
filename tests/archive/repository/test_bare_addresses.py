"""Test that addresses without chksm are asked last and seldom, and that any chksm found is used at once."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from archive.db.models import Address
from archive.domain.addresses import parse_address
from archive.domain.captures import SightingData
from archive.domain.outcomes import Outcome, Relation
from archive.domain.parsed_page import LinkRef, ParsedPage
from archive.domain.update_decisions import BARE_A_DAY
from archive.ingest.pages import store_parse_results
from archive.repository import frontier
from archive.repository.bare_addresses import BareStatus, bare_status, may_ask_bare
from archive.repository.captures import store_captures
from archive.repository.frontier import claim_due, has_due_address, make_due, record_sightings
from tests.archive.making import BIZ, NOW, article, capture, record

HOUR = timedelta(hours=1)
SHARE = 24 * HOUR / BARE_A_DAY
CHALLENGE = ParsedPage(Outcome.VERIFICATION)


def sight(session: Session, mid: int, *, chksm: bool, source: str = "", now: datetime = NOW) -> int:
    """Record a sighting, by hand or by a source of the account; return the address's id."""
    url = record(mid).url if chksm else record(mid, chksm="").url
    seen = SightingData(parse_address(url), source or "list", now, expected_biz=BIZ if source else "")
    return record_sightings(session, None, [seen], now)[0].address_id


def answer(session: Session, address: int, page: ParsedPage, now: datetime = NOW) -> None:
    """Store a response of the address and its parse result."""
    minutes = int((now - NOW) / timedelta(minutes=1))
    (kept,) = store_captures(session, None, [(address, capture(b"%d" % address, minutes=minutes))])
    store_parse_results(session, None, [(kept, page)], now, 1)
    session.expire_all()


def due(session: Session, now: datetime = NOW) -> list[int]:
    """Return the ids of addresses due then, in the order in which they are asked."""
    return [one.id for one in frontier.due_addresses(session, now, 1000)]


def simulate(session: Session, addresses: list[int], days: int) -> tuple[float, int]:
    """Fetch as a command does that is given again whenever the egress is free.

    Return the hours until every address with chksm has its post, and the number of challenges.
    """
    now, free_at, challenges, done_at = NOW, NOW, 0, NOW
    while now < NOW + days * 24 * HOUR:
        make_due(session, addresses, now)
        for one in frontier.due_addresses(session, now, 1000):
            if one.is_bare and not may_ask_bare(session, BARE_A_DAY, now):
                break
            number = int(one.key.split(":")[1]) - 1000
            answer(session, one.id, CHALLENGE if one.is_bare else article(record(number)), now)
            if one.is_bare:
                challenges += 1
                free_at = now + HOUR / 2
                break
            done_at = now
        now = max(now + HOUR / 4, free_at)
    return (done_at - NOW) / HOUR, challenges


@pytest.mark.slow
@pytest.mark.parametrize(("bare", "good"), [(6, 7), (60, 60)])
def test_good_addresses_are_fetched_at_once_and_bare_ones_a_few_a_day(
    db_session: Session, bare: int, good: int
) -> None:
    addresses = [sight(db_session, mid, chksm=False) for mid in range(bare)]
    addresses += [sight(db_session, mid, chksm=True) for mid in range(bare, bare + good)]
    hours, challenges = simulate(db_session, addresses, days=3)
    assert (hours, 0 < challenges <= 3 * BARE_A_DAY) == (0.0, True)


def test_a_bare_address_comes_after_those_that_failed(db_session: Session) -> None:
    bare, failing, fresh = (sight(db_session, mid, chksm=mid > 0) for mid in range(3))
    answer(db_session, failing, CHALLENGE)
    make_due(db_session, [bare, failing, fresh], NOW)
    assert due(db_session) == [fresh, failing, bare]


def test_an_address_that_fails_each_time_blocks_no_other_that_fails(db_session: Session) -> None:
    first, second = (sight(db_session, mid, chksm=True) for mid in range(2))
    answer(db_session, second, CHALLENGE)
    answer(db_session, first, CHALLENGE, NOW + HOUR)
    make_due(db_session, [first, second], NOW + 9 * HOUR)
    assert due(db_session, NOW + 9 * HOUR) == [second, first]


def test_no_two_challenges_in_a_row_come_from_bare_addresses_while_others_wait(db_session: Session) -> None:
    bare, _, good = (sight(db_session, mid, chksm=mid == 2) for mid in range(3))
    answer(db_session, bare, CHALLENGE)
    much_later = NOW + 24 * HOUR
    assert not may_ask_bare(db_session, BARE_A_DAY, much_later)
    answer(db_session, good, article(record(2)), NOW + HOUR)
    assert not may_ask_bare(db_session, BARE_A_DAY, NOW + SHARE - HOUR / 60)
    assert may_ask_bare(db_session, BARE_A_DAY, NOW + SHARE)


def test_a_bare_address_alone_is_no_work_until_its_turn(db_session: Session) -> None:
    refused, _ = (sight(db_session, mid, chksm=False) for mid in range(2))
    assert has_due_address(db_session, NOW)
    assert not has_due_address(db_session, NOW, bare_a_day=0)
    answer(db_session, refused, CHALLENGE)
    assert not has_due_address(db_session, NOW + SHARE - HOUR / 60)
    assert claim_due(db_session, "fetch", "home", 9, NOW + HOUR) == (0, [])
    assert len(claim_due(db_session, "fetch", "home", 9, NOW + SHARE)[1]) == 1


def test_as_long_as_bare_addresses_bring_their_posts_more_are_asked(db_session: Session) -> None:
    for mid in range(9):
        assert may_ask_bare(db_session, BARE_A_DAY, NOW)
        answer(db_session, sight(db_session, mid, chksm=False), article(record(mid, chksm="")))


def test_a_bare_address_of_a_source_is_not_due_at_once(db_session: Session) -> None:
    listed, given = sight(db_session, 1, chksm=False, source="neighbours"), sight(db_session, 2, chksm=False)
    assert due(db_session) == [given]
    assert sorted(due(db_session, NOW + 24 * HOUR)) == [listed, given]
    assert bare_status(db_session, BARE_A_DAY, NOW) == BareStatus(2, NOW)


def test_given_again_a_refused_bare_address_keeps_its_back_off(db_session: Session) -> None:
    address = sight(db_session, 1, chksm=False)
    waits = []
    for _ in range(5):
        answer(db_session, address, CHALLENGE)
        assert make_due(db_session, [address], NOW + HOUR) == []
        row = db_session.get_one(Address, address)
        waits.append((row.next_fetch_at or NOW) - NOW)
    assert [wait.days for wait in waits] == [1, 2, 4, 7, 7]
    assert bare_status(db_session, 0, NOW) == BareStatus(1, None)


@pytest.mark.parametrize("source", ["", "album"])
def test_a_sighting_with_chksm_makes_a_refused_bare_address_due_at_once(
    db_session: Session, source: str
) -> None:
    address = sight(db_session, 1, chksm=False)
    answer(db_session, address, CHALLENGE)
    assert sight(db_session, 1, chksm=True, source=source, now=NOW + HOUR) == address
    (found,) = frontier.due_addresses(db_session, NOW + HOUR, 9)
    assert (found.id, found.is_bare, "chksm=" in found.fetch_url) == (address, False, True)


def test_an_empty_chksm_is_none_and_is_replaced(db_session: Session) -> None:
    url = record(1).url.partition("&chksm=")[0] + "&chksm=#rd"
    record_sightings(db_session, None, [SightingData(parse_address(url), "list", NOW)], NOW)
    assert [one.is_bare for one in frontier.due_addresses(db_session, NOW, 9)] == [True]
    sight(db_session, 1, chksm=True)
    assert [one.is_bare for one in frontier.due_addresses(db_session, NOW, 9)] == [False]


def _linking_page(to: int, relation: Relation = Relation.NEXT) -> ParsedPage:
    address = parse_address(record(to).url)
    return article(record(9), links=(LinkRef(relation, address.key, address.url, 0),))


def test_a_link_with_chksm_in_a_post_of_the_account_is_used_for_a_known_bare_address(
    db_session: Session,
) -> None:
    refused = sight(db_session, 1, chksm=False)
    answer(db_session, refused, CHALLENGE)
    answer(db_session, sight(db_session, 9, chksm=True), _linking_page(1), NOW + HOUR)
    assert due(db_session, NOW + HOUR) == [refused]
    assert not frontier.due_addresses(db_session, NOW + HOUR, 9)[0].is_bare


def test_a_bare_address_that_is_given_takes_the_chksm_of_an_archived_link(db_session: Session) -> None:
    answer(db_session, sight(db_session, 9, chksm=True), _linking_page(1))
    sight(db_session, 1, chksm=False)
    assert [one.is_bare for one in frontier.due_addresses(db_session, NOW, 9)] == [False]


def test_a_post_that_came_by_its_short_link_ends_the_wait_of_its_bare_address(db_session: Session) -> None:
    bare = sight(db_session, 1, chksm=False)
    answer(db_session, bare, CHALLENGE)
    short = SightingData(parse_address("https://mp.weixin.qq.com/s/abcdefghijklmnopqrstuv"), "feed", NOW)
    answer(db_session, record_sightings(db_session, None, [short], NOW)[0].address_id, article(record(1)))
    row = db_session.get_one(Address, bare)
    assert (row.last_outcome, row.next_fetch_at) == ("article", None)
