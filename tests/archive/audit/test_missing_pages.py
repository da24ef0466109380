"""Test which pages and images are found missing."""

from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session

from archive.audit.gap import GapKind
from archive.db.models import Medium
from archive.domain.outcomes import MediumOutcome
from archive.repository.captures import store_captures
from archive.repository.media import record_media_failure, store_file
from archive.repository.post_queries import PostFilter, count_previews
from tests.archive.audit.making import DELETED, answer, gaps, post, put, see, subjects
from tests.archive.making import NOW, article, capture, image, kept_file


def test_posts_of_a_dump_lack_their_pages_until_these_are_fetched_or_gone(db_session: Session) -> None:
    put(db_session, post(10), post(11), post(12, day="2026-02-01"))
    answer(db_session, post(11), DELETED)
    answer(db_session, post(10), article(post(10)))
    (gap,) = gaps(db_session, GapKind.NO_PAGE)
    assert (gap.subject, str(gap.what)) == ("12_1", "only its text is archived, from a dump; never fetched")
    assert gaps(db_session, GapKind.NO_PAGE, since=date(2026, 2, 2)) == []
    assert len(gaps(db_session, GapKind.NO_PAGE, until=date(2026, 2, 1))) == 1


def test_missing_images_are_counted_by_post_and_reason(db_session: Session) -> None:
    answer(db_session, post(10), article(post(10), media=tuple(image(name) for name in "abcd")))
    answer(db_session, post(11), article(post(11), media=(image("a"),)))
    a, b, c, _ = db_session.scalars(select(Medium.id).order_by(Medium.key))
    store_file(db_session, a, kept_file(), NOW)
    record_media_failure(db_session, b, MediumOutcome.REFUSED, "no image", NOW)
    record_media_failure(db_session, c, MediumOutcome.FAILED, "timed out", NOW)
    (gap,) = gaps(db_session, GapKind.NO_IMAGES)
    assert gap.subject == "10_1"
    assert str(gap.what) == "3 of its 4 images are not archived: 1 never fetched, 1 refused, 1 failed"


def test_a_capture_that_is_not_parsed_is_a_gap_after_an_hour(db_session: Session) -> None:
    address = see(db_session, post(10))
    (old,) = store_captures(db_session, None, [(address, capture(b"old"))])
    store_captures(db_session, None, [(address, capture(b"new", minutes=24 * 60 - 30))])
    assert subjects(db_session, GapKind.UNREAD) == [f"capture {old}"]


def test_paid_posts_of_which_only_the_preview_is_stored_are_gaps(db_session: Session) -> None:
    for number, facts in enumerate(
        ({"paid": True, "preview": True}, {"paid": True}, {"paid": True, "preview": False}, {"paid": False})
    ):
        answer(db_session, post(10 + number), article(post(10 + number), page=facts))
    found = gaps(db_session, GapKind.PREVIEW)
    assert [(gap.subject, gap.fillable) for gap in found] == [("10_1", False), ("11_1", False)]
    assert count_previews(db_session) == 2
    assert count_previews(db_session, PostFilter(until=date(2001, 1, 1))) == 0
