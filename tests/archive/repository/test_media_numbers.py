"""Media are counted by type."""

from datetime import timedelta

from sqlalchemy.orm import Session

from archive.reports import status
from archive.repository.media import record_media_failure, store_file
from archive.repository.media_numbers import media_numbers
from tests.archive.making import NOW, image, video
from tests.archive.repository.test_media import FAILED, HOUR, REFUSED, A, B, C, due, kept_file, show


def test_the_numbers_tell_by_type_what_is_known_kept_due_waiting_and_given_up(db_session: Session) -> None:
    show(db_session, A, B, C, image("d"), image("e"), video(hours=1), video(hours=9, name="wxv_2"))
    first, second, third, fourth, _ = due(db_session, types=("image",))
    for medium in (first, second):
        store_file(db_session, medium.id, kept_file(b"same"), NOW)
    record_media_failure(db_session, third.id, FAILED, "timeout", NOW)
    for _ in range(3):
        record_media_failure(db_session, fourth.id, REFUSED, "text/html", NOW)
    assert media_numbers(db_session, NOW + timedelta(minutes=5)) == {
        "image": {"known": 5, "kept": 2, "due": 1, "waiting": 1, "given_up": 1, "bytes": 4},
        "video": {"known": 2, "kept": 0, "due": 2, "waiting": 0, "given_up": 0, "bytes": 0},
    }
    assert media_numbers(db_session, NOW + 2 * HOUR)["video"]["given_up"] == 1
    assert status.archive_status(db_session, NOW).media == media_numbers(db_session, NOW)
