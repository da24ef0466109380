"""Which source listed which post first or alone, counted in a real database."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from archive.domain.addresses import parse_address
from archive.domain.captures import SightingData
from archive.ingest.pages import store_parse_results
from archive.reports.source_coverage import PERIOD, delay_message, source_coverage
from archive.repository.captures import store_captures
from archive.repository.sources import SourceReport, record_report
from tests.archive.making import BIZ, NOW, article, capture, record

HOUR = timedelta(hours=1)


def archive_post(session: Session, number: int, published: datetime) -> str:
    """Archive a post, and return its address."""
    made = record(number)
    page = replace(article(made, published_at=published), biz=BIZ)
    (capture_id,) = store_captures(session, None, [(None, capture(b"%d" % number))])
    store_parse_results(session, None, [(capture_id, page)], published, 1)
    return made.url


def listed(session: Session, source: str, seen: dict[str, datetime]) -> None:
    for url, at in seen.items():
        sighting = SightingData(parse_address(url), source, at, expected_biz=BIZ)
        record_report(session, None, SourceReport(BIZ, source, "ok", True, sightings=[sighting]), at)


@pytest.mark.slow
def test_posts_are_counted_by_who_listed_them_first_and_alone(db_session: Session) -> None:
    published = [NOW - 10 * HOUR, NOW - 8 * HOUR, NOW - 6 * HOUR, NOW - 4 * HOUR]
    one, two, three, _ = (archive_post(db_session, number, at) for number, at in enumerate(published, 1))
    listed(db_session, "weread", {one: published[0] + HOUR, two: published[1] + HOUR, three: NOW})
    listed(db_session, "feed:a", {one: published[0] + HOUR / 2, two: published[1] + 2 * HOUR})
    found = source_coverage(db_session, BIZ, NOW)
    by_name = {row.name: (row.seen, row.first, row.alone, row.delay) for row in found.sources}
    assert by_name == {
        "weread": (3, 2, 1, (HOUR + 6 * HOUR) / 2),  # not of the first, published before it was of use
        "feed:a": (2, 1, 0, 2 * HOUR),
        "neighbours": (0, 0, 0, None),
    }
    assert (found.posts, found.unlisted, found.is_blind) == (4, 1, False)
    assert set(found.missing) == {"album", "command", "list", "official", "own_backend", "weread_agent"}


def test_only_the_posts_of_the_period_count(db_session: Session) -> None:
    url = archive_post(db_session, 1, NOW - PERIOD - HOUR)
    listed(db_session, "weread", {url: NOW - PERIOD})
    found = source_coverage(db_session, BIZ, NOW)
    assert (found.posts, [row.seen for row in found.sources]) == (0, [0, 0])


def test_configured_sources_are_shown_before_they_were_tried_and_removed_ones_no_more(
    db_session: Session,
) -> None:
    url = archive_post(db_session, 1, NOW - HOUR)
    listed(db_session, "feed:old", {url: NOW})
    found = source_coverage(db_session, BIZ, NOW, ["album:1", "neighbours"])
    assert [(row.name, row.state) for row in found.sources] == [("album:1", None), ("neighbours", None)]
    assert found.unlisted == 1


def test_an_account_without_any_source_is_blind(db_session: Session) -> None:
    found = source_coverage(db_session, BIZ, NOW, ["neighbours", "weread_agent"])
    assert (found.is_blind, found.posts) == (True, 0)
    told = found.as_dict()
    assert told["new_posts_are_found"] is False
    assert all(one["finds"] and one["needs"] for one in told["not_configured"])


def test_delays_are_said_in_minutes_or_hours() -> None:
    assert [str(delay_message(one * HOUR)) for one in (0.5, 1.5, 30.25)] == ["30 min", "90 min", "30.2 h"]
    assert delay_message(None) is None
