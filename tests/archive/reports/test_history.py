"""Test the history of a post: versions, absences, captures and pictures that are gone."""

from datetime import timedelta

from sqlalchemy.orm import Session

from archive.domain.addresses import parse_address
from archive.domain.captures import SightingData
from archive.domain.outcomes import Outcome
from archive.domain.parsed_page import ParsedPage
from archive.domain.text_diff import Extent
from archive.ingest.pages import store_parse_results
from archive.reports.history import Change, GonePictures, changes_between, history_of, timeline
from archive.repository import post_queries
from archive.repository.captures import store_captures
from archive.repository.frontier import record_sightings
from archive.repository.versions import versions_of
from tests.archive.making import NOW, article, capture, image, record


def fetch(session: Session, page: ParsedPage, minutes: int) -> int:
    """Store a page of the post's address, fetched so many minutes after NOW."""
    seen = SightingData(parse_address(record().url), "list", NOW)
    address = record_sightings(session, None, [seen], NOW)[0].address_id
    (id_,) = store_captures(session, None, [(address, capture(b"%d" % minutes, minutes=minutes))])
    store_parse_results(session, None, [(id_, page)], NOW + timedelta(minutes=minutes), 1)
    return id_


def test_a_history_has_what_changed_when_it_was_away_and_what_is_gone(db_session: Session) -> None:
    first = fetch(db_session, article(record(text="一二三\r"), media=(image("a"), image("b"))), 0)
    fetch(db_session, ParsedPage(Outcome.DELETED), 10)
    fetch(db_session, article(record(text="一二三四\r"), media=(image("a"),)), 20)
    (post,) = post_queries.find_posts(db_session, record().aid)
    history = history_of(db_session, post)
    assert [one.extent for one in history.changes] == [Extent(4, 0), Extent(1, 0)]
    assert [one.version.at for one in history.changes] == [NOW, NOW + timedelta(minutes=20)]
    (absence,) = history.absences
    assert (absence.outcome, absence.returned_at) == ("deleted", NOW + timedelta(minutes=20))
    assert history.pictures == [GonePictures(first, NOW, 1)]
    assert [one["outcome"] for one in history.captures] == ["article", "deleted", "article"]


def test_the_timeline_is_in_order_and_a_capture_comes_before_its_version(db_session: Session) -> None:
    fetch(db_session, article(record()), 0)
    fetch(db_session, ParsedPage(Outcome.DELETED), 10)
    fetch(db_session, article(record()), 20)
    (post,) = post_queries.find_posts(db_session, record().aid)
    events = timeline(history_of(db_session, post))
    assert [event.at for event in events] == sorted(event.at for event in events)
    assert isinstance(events[0].what, dict)
    assert isinstance(events[1].what, Change)
    assert [event.is_return for event in events].count(True) == 1


def test_the_difference_of_versions_includes_their_titles(db_session: Session) -> None:
    fetch(db_session, article(record(title="旧题")), 0)
    fetch(db_session, article(record(title="新题")), 10)
    (post,) = post_queries.find_posts(db_session, record().aid)
    before, after = versions_of(db_session, post)
    kinds = {(piece.kind, piece.text) for piece in changes_between(before, after)}
    assert {("removed", "旧"), ("added", "新")} <= kinds
