"""Versions come in the order of their evidence, and keep the numbers under which they were recorded."""

from datetime import date, timedelta

import pytest
from sqlalchemy.orm import Session

from archive.db.models import Post
from archive.domain.errors import NotArchived
from archive.ingest.pages import import_records
from archive.repository.post_queries import PostFilter, records
from archive.repository.versions import (
    DatedBy,
    end_of_day,
    last_changes,
    last_recorded,
    texts_at,
    version_numbers,
    version_of,
    versions_of,
)
from tests.archive.making import NOW, article, record
from tests.archive.reports.test_changes import fetch

DAY = 24 * 60  # minutes


@pytest.fixture
def post(db_session: Session) -> Post:
    """Store a post whose latest page was fetched first, and whose text came from a dump before."""
    import_records(db_session, None, [record(text="无\r")], "dump", NOW - timedelta(days=9))
    for text, minutes in (("新\r", 0), ("旧\r", -2 * DAY)):
        fetch(db_session, record(), article(record(text=text)), minutes)
    return db_session.query(Post).one()


def test_they_are_in_the_order_of_their_pages_with_the_numbers_of_their_recording(
    db_session: Session, post: Post
) -> None:
    found = [(one.number, one.place, one.text, one.dated_by) for one in versions_of(db_session, post)]
    assert found == [
        (1, 1, "无\r", DatedBy.RECORDED),
        (3, 2, "旧\r", DatedBy.CAPTURE),
        (2, 3, "新\r", DatedBy.CAPTURE),
    ]
    assert version_numbers(db_session, post) == [1, 3, 2]


def test_a_version_is_found_by_its_number_and_a_missing_one_is_an_error(
    db_session: Session, post: Post
) -> None:
    assert version_of(db_session, post, 3).text == "旧\r"
    with pytest.raises(NotArchived, match="no version 4"):
        version_of(db_session, post, 4)


def test_the_last_change_is_dated_by_its_page_and_by_its_recording(db_session: Session, post: Post) -> None:
    assert last_changes(db_session, [post.id]) == {post.id: NOW}
    assert last_recorded(db_session, [post.id]) == NOW + timedelta(days=9)
    assert last_recorded(db_session, []) is None


def test_the_text_of_a_day_is_the_latest_version_dated_by_its_end_in_shanghai(
    db_session: Session, post: Post
) -> None:
    found = {
        day: texts_at(db_session, [post.id], end_of_day(day)).get(post.id)
        for day in (date(2026, 2, 20), date(2026, 2, 21), date(2026, 2, 28), date(2026, 3, 2), date.max)
    }
    assert [then and (then.text, then.is_current) for then in found.values()] == [
        None,
        ("无\r", False),
        ("旧\r", False),
        ("新\r", True),
        ("新\r", True),
    ]
    assert end_of_day(date(2026, 3, 1)).isoformat() == "2026-03-01T23:59:59.999999+08:00"


def test_a_dump_that_came_after_the_page_is_no_later_text(db_session: Session, post: Post) -> None:
    later = [record(text="晚到的\r")]
    import_records(db_session, None, later, "dump", NOW + timedelta(days=5))
    assert len(versions_of(db_session, post)) == 4
    then = texts_at(db_session, [post.id], NOW + timedelta(days=30))[post.id]
    assert (then.text, then.is_current) == ("新\r", True)


def test_records_of_a_day_are_those_of_the_posts_known_by_then(db_session: Session, post: Post) -> None:
    import_records(db_session, None, [record(2, text="另\r")], "dump", NOW)
    texts = {
        day: [one.text for one in records(db_session, PostFilter(version_at=date(2026, *day)))]
        for day in ((2, 20), (2, 21), (2, 28), (3, 2))
    }
    assert texts == {(2, 20): [], (2, 21): ["无\r"], (2, 28): ["旧\r"], (3, 2): ["另\r", "新\r"]}
