"""Test how captures are stored and read back."""

from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from archive.db.models import ParseResult
from archive.domain.addresses import parse_address
from archive.domain.captures import SightingData
from archive.domain.errors import NotArchived
from archive.domain.messages import Message
from archive.domain.outcomes import Outcome
from archive.domain.parsed_page import ParsedPage
from archive.domain.update_decisions import PAGE, REPARSE
from archive.ingest.pages import store_parse_results
from archive.repository import captures
from archive.repository.frontier import record_sightings
from tests.archive.making import NOW, article, capture, record


def address_of(session: Session) -> int:
    """Record a sighting of one post's address; return its id."""
    seen = SightingData(parse_address(record().url), "list", NOW)
    return record_sightings(session, None, [seen], NOW)[0].address_id


def test_metadata_has_no_body_and_the_reason_as_a_message(db_session: Session) -> None:
    (id_,) = captures.store_captures(db_session, None, [(None, capture())])
    reason = Message("archive.body.wrong_hash")
    captures.store_outcomes(db_session, [(id_, ParsedPage(Outcome.UNKNOWN, reason.dump()))], 3, NOW)
    row = captures.get_capture_metadata(db_session, id_)
    assert (row["outcome"], row["reason"], "body" in row) == ("unknown", reason, False)


def test_a_capture_that_is_not_there_is_an_error_by_code(db_session: Session) -> None:
    with pytest.raises(NotArchived) as missing:
        captures.get_capture_metadata(db_session, 7)
    assert missing.value.message.code == "archive.capture.missing"


def test_a_capture_counts_as_reparsed_once_it_was_parsed(db_session: Session) -> None:
    ids = captures.store_captures(db_session, None, [(None, capture(b"1")), (None, capture(b"2", minutes=1))])
    captures.store_outcomes(db_session, [(ids[0], ParsedPage(Outcome.DELETED))], 1, NOW)
    origins = captures.capture_origins(db_session, ids)
    assert [origins[id_].source for id_ in ids] == [REPARSE, PAGE]
    assert origins[ids[1]].fetched_at == NOW + timedelta(minutes=1)
    assert captures.unparsed_captures(db_session) == [ids[1]]


def test_the_same_bytes_of_one_address_are_found_by_their_instant(db_session: Session) -> None:
    both = [capture(b"same"), capture(b"same", minutes=5)]
    ids = captures.store_captures(db_session, None, [(None, one) for one in both])
    for one, id_ in zip(both, ids, strict=True):
        found = captures.find_capture(db_session, one.requested_url, one.sha256, one.fetched_at)
        assert found == id_
    assert captures.find_capture(db_session, both[0].requested_url, both[0].sha256) == ids[0]


def test_the_last_page_is_the_newest_served_one_that_was_a_post(db_session: Session) -> None:
    address = address_of(db_session)
    assert captures.last_page(db_session, address) is None
    pages = [
        (capture(b"first"), article(record())),
        (capture(b"second", minutes=1), article(record())),
        (capture(b"drawn", minutes=2, rendered=True), article(record())),
        (capture(b"gone", minutes=3), ParsedPage(Outcome.DELETED)),
    ]
    ids = captures.store_captures(db_session, None, [(address, one) for one, _ in pages])
    store_parse_results(db_session, None, list(zip(ids, [page for _, page in pages], strict=True)), NOW, 1)
    assert captures.last_page(db_session, address) == b"second"


def test_every_parse_of_a_capture_leaves_a_row_and_the_newest_is_current(db_session: Session) -> None:
    (id_,) = captures.store_captures(db_session, None, [(None, capture())])
    assert captures.unparsed_captures(db_session) == [id_]
    for outcome, version in ((Outcome.UNKNOWN, 1), (Outcome.DELETED, 2), (Outcome.DELETED, 2)):
        captures.store_outcomes(db_session, [(id_, ParsedPage(outcome))], version, NOW)
    columns = (ParseResult.outcome, ParseResult.parser_version, ParseResult.is_current, ParseResult.parsed_at)
    rows = select(*columns)
    found = db_session.execute(rows.order_by(ParseResult.id)).all()
    assert found == [("unknown", 1, False, NOW), ("deleted", 2, True, NOW)]
    assert captures.unparsed_captures(db_session) == []
