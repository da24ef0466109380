"""Test that the page of another post is never taken for the post that was asked for."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from archive.db.models import Address, Incident, ParseResult, Post
from archive.domain.addresses import parse_address
from archive.domain.captures import CaptureData, SightingData
from archive.domain.messages import Message
from archive.domain.outcomes import Outcome
from archive.domain.parsed_page import ParsedPage
from archive.domain.update_decisions import StoreResult
from archive.ingest.pages import store_parse_results
from archive.ingest.reparse import ReparseResult, compare_parse_results
from archive.repository.captures import store_captures
from archive.repository.frontier import record_sightings
from archive.repository.served_posts import (
    OTHER_POST,
    REDIRECTED,
    count_other_posts,
    drop_other_posts,
    other_post_problems,
)
from tests.archive.making import BIZ, NOW, article, capture, record

SHORT = "https://mp.weixin.qq.com/s/abcdefghijklmnopqrstuv"
OTHER_BIZ = "MjM5MDU2MTc4NQ=="
DAY = timedelta(days=1)


def sight(session: Session, url: str) -> int:
    """Record a sighting of an address by hand; return its id."""
    return record_sightings(session, None, [SightingData(parse_address(url), "list", NOW)], NOW)[0].address_id


def serve(session: Session, address: int, page: ParsedPage, number: int = 0, final_url: str = "") -> str:
    """Store a response of the address and its parse result; return what was stored of it."""
    response: CaptureData = capture(b"%d" % number, minutes=number)
    response = replace(response, final_url=final_url or response.final_url)
    (id_,) = store_captures(session, None, [(address, response)])
    (stored,) = store_parse_results(session, None, [(id_, page)], NOW + number * DAY, 1)
    session.expire_all()
    return stored


@pytest.mark.parametrize(
    "page", [article(record(2)), replace(article(record(1)), biz=OTHER_BIZ)], ids=["post", "account"]
)
def test_another_post_is_a_capture_with_the_reason_and_the_address_stays_due(
    db_session: Session, page: ParsedPage
) -> None:
    address = sight(db_session, record(1).url)
    assert serve(db_session, address, page) == StoreResult.OTHER_POST
    assert db_session.scalars(select(Post)).all() == []
    kept = db_session.scalars(select(ParseResult)).one()
    assert (kept.outcome, Message.load(kept.reason).code) == (Outcome.UNKNOWN, OTHER_POST)
    row = db_session.get_one(Address, address)
    assert (row.last_outcome, row.attempts, row.aid) == ("unknown", 1, "1001_1")
    assert row.next_fetch_at
    assert serve(db_session, address, article(record(1)), 1) == StoreResult.NEW


def test_a_redirect_to_another_post_is_named(db_session: Session) -> None:
    address = sight(db_session, record(1).url)
    serve(db_session, address, article(record(2)), final_url=record(2).url)
    reason = Message.load(db_session.get_one(Address, address).last_reason)
    assert (reason.code, reason.params["url"]) == (REDIRECTED, record(2).url)
    assert reason.params["served"] == f"{BIZ} 1002_1"


@pytest.mark.parametrize(
    "biz", [BIZ, BIZ.rstrip("="), BIZ.replace("=", "%3D")], ids=["as it is", "without padding", "encoded"]
)
def test_forms_of_one_address_are_the_same_post(db_session: Session, biz: str) -> None:
    url = record(1).url.replace(f"__biz={BIZ}", f"__biz={biz}")
    assert serve(db_session, sight(db_session, url), article(record(1))) == StoreResult.NEW


def test_a_short_link_is_compared_with_the_post_it_gave_before(db_session: Session) -> None:
    address = sight(db_session, SHORT)
    assert serve(db_session, address, article(record(1))) == StoreResult.NEW
    assert serve(db_session, address, article(record(2)), 1) == StoreResult.OTHER_POST
    assert serve(db_session, address, article(record(1)), 2) == StoreResult.UNCHANGED
    assert [post.aid for post in db_session.scalars(select(Post))] == ["1001_1"]


def test_what_repeats_is_an_incident_until_the_post_comes(db_session: Session) -> None:
    address = sight(db_session, record(1).url)
    serve(db_session, address, article(record(2)))
    assert other_post_problems(db_session) == []
    serve(db_session, address, article(record(2)), 1)
    incident = db_session.scalars(select(Incident)).one()
    assert (incident.key, incident.closed_at, incident.params["n"]) == ("other_posts", None, 1)
    assert f"{BIZ} 1002_1" in incident.words
    assert (count_other_posts(db_session), len(other_post_problems(db_session))) == (1, 1)
    serve(db_session, address, article(record(1)), 2)
    assert db_session.scalars(select(Incident)).one().closed_at == NOW + 2 * DAY
    assert count_other_posts(db_session) == 0


def test_a_page_without_an_address_and_a_notice_are_left_as_they_are(db_session: Session) -> None:
    notice = ParsedPage(Outcome.DELETED)
    ids = store_captures(db_session, None, [(None, capture(b"a")), (sight(db_session, SHORT), capture(b"b"))])
    results = [(ids[0], article(record(2))), (ids[1], notice)]
    assert drop_other_posts(db_session, results) == results


def test_parsing_again_leaves_what_an_earlier_version_took_for_the_post(db_session: Session) -> None:
    address = sight(db_session, record(1).url)
    (id_,) = store_captures(db_session, None, [(address, capture())])
    db_session.add(ParseResult(capture_id=id_, outcome="article", is_current=True))
    db_session.flush()
    (compared,) = compare_parse_results(db_session, [(id_, article(record(2)))])
    assert compared.finding is ReparseResult.LOST
