"""Test what is read and changed of stored parse results."""

from datetime import date

import pytest
from sqlalchemy.orm import Session

from archive.domain.addresses import parse_address
from archive.domain.captures import SightingData
from archive.domain.outcomes import Outcome
from archive.domain.parsed_page import ParsedPage
from archive.ingest.pages import store_parse_results
from archive.repository import captures
from archive.repository.captures import ReparseSelection, captures_to_reparse, store_captures
from archive.repository.frontier import record_sightings
from tests.archive.making import BIZ, NOW, article, capture, image, link, record


def parse(session: Session, number: int, page: ParsedPage, parser: int = 1) -> int:
    """Store a capture of a post's address and its parse result; return the capture's id."""
    seen = SightingData(parse_address(record(number).url), "list", NOW)
    address = record_sightings(session, None, [seen], NOW)[0].address_id
    (id_,) = store_captures(session, None, [(address, capture(b"%d" % number, minutes=number))])
    store_parse_results(session, None, [(id_, page)], NOW, parser)
    return id_


def test_only_captures_of_an_earlier_parser_are_parsed_again_unless_all_are_asked_for(
    db_session: Session,
) -> None:
    old = parse(db_session, 1, article(record(1)), parser=1)
    new = parse(db_session, 2, article(record(2)), parser=2)
    store_captures(db_session, None, [(None, capture(b"not parsed"))])
    assert captures_to_reparse(db_session, ReparseSelection(), 2) == [old]
    assert captures_to_reparse(db_session, ReparseSelection(whole=True), 2) == [old, new]


@pytest.mark.parametrize(
    ("chosen", "count"),
    [
        (ReparseSelection(aids=("1001_1",)), 1),
        (ReparseSelection(account=BIZ), 2),
        (ReparseSelection(account="没有"), 0),
        (ReparseSelection(since=date(2026, 3, 2)), 1),  # the one without a post, by its fetch
        (ReparseSelection(until=date(2026, 3, 1)), 1),
    ],
)
def test_a_selection_chooses_by_post_account_and_day(
    db_session: Session, chosen: ReparseSelection, count: int
) -> None:
    parse(db_session, 1, article(record(1)))
    parse(db_session, 2, ParsedPage(Outcome.DELETED))
    assert len(captures_to_reparse(db_session, chosen, 2)) == count


def test_posts_come_with_the_hashes_of_all_their_versions(db_session: Session) -> None:
    parse(db_session, 1, article(record(1)))
    parse(db_session, 1, article(record(1, text="改\r")))
    found = captures.posts_with_history(db_session, [(BIZ, "1001_1"), (BIZ, "1009_1")])
    assert list(found) == [(BIZ, "1001_1")]
    known = found[BIZ, "1001_1"]
    assert (len(known.hashes), known.post.content_hash in known.hashes) == (2, True)


def test_what_a_later_parser_does_not_find_is_removed_from_the_capture(db_session: Session) -> None:
    page = article(record(), media=(image("a"), image("b")), links=(link(2), link(3)))
    id_ = parse(db_session, 1, page)
    assert captures.count_associations(db_session, [id_]) == {id_: (2, 2)}
    later = article(record(), media=(image("a"),), links=())
    captures.remove_obsolete_associations(db_session, id_, later)
    assert captures.count_associations(db_session, [id_]) == {id_: (1, 0)}
