"""What becomes of media: shown, downloaded, missed, asked for again."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from archive.db.models import File, Medium, Post, PostMedium
from archive.domain.addresses import parse_address
from archive.domain.captures import SightingData
from archive.domain.outcomes import MediumOutcome, Outcome, Role
from archive.domain.parsed_page import MediaRef, ParsedPage
from archive.domain.update_decisions import MAX_ATTEMPTS
from archive.ingest.pages import import_records, store_parse_results
from archive.repository import post_queries
from archive.repository.captures import store_captures
from archive.repository.frontier import record_sightings
from archive.repository.media import (
    ADDRESS_EXPIRED,
    NO_ADDRESS,
    DueMedium,
    StoredFile,
    due_media,
    give_up_expired,
    make_media_due,
    media_of,
    record_media_failure,
    store_file,
)
from archive.repository.media_numbers import media_numbers
from archive.repository.runs import start_run
from tests.archive.making import BIZ, NOW, article, capture, image, kept_file, record, video

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ALL = ("image", "audio", "video")
REFUSED, FAILED = MediumOutcome.REFUSED, MediumOutcome.FAILED


def store(session: Session, *readings: ParsedPage, hours: float = 0, rendered: bool = False) -> list[int]:
    """Keep and store one page for each of these readings; the captures' ids."""
    page = capture(rendered=rendered)
    ids = store_captures(session, None, [(None, page) for _ in readings])
    store_parse_results(session, None, list(zip(ids, readings, strict=True)), NOW + hours * HOUR, 1)
    return ids


def show(session: Session, *media: MediaRef, number: int = 1, hours: float = 0, **more: object) -> None:
    """Store a page that shows these."""
    store(session, article(record(number), media=media, **more), hours=hours)


def the_post(session: Session, number: int = 1) -> Post:
    """Post `number`."""
    (post,) = post_queries.find_posts(session, f"{1000 + number}_1", BIZ)
    return post


def keys(session: Session, number: int = 1) -> list[str]:
    """Return what the post's current page shows, in order."""
    return [shown.key for shown in media_of(session, the_post(session, number))]


def files(session: Session, number: int = 1) -> dict[str, StoredFile | None]:
    """Return the files of what the post's current page shows, by key."""
    return {shown.key: shown.file for shown in media_of(session, the_post(session, number))}


def due(session: Session, hours: float = 0, types: tuple[str, ...] = ALL) -> list[DueMedium]:
    """Return what is due so many hours after NOW."""
    return due_media(session, NOW + hours * HOUR, 100, types=types)


def only(session: Session) -> Medium:
    """Return the only medium, loaded afresh."""
    return session.scalars(select(Medium).execution_options(populate_existing=True)).one()


def count(session: Session, table: type[Medium | PostMedium | File]) -> int | None:
    """How many rows it has."""
    return session.scalar(select(func.count()).select_from(table))


A, B, C = (image(name, position) for position, name in enumerate("abc"))


def test_a_page_ties_its_media_to_the_post_in_order_and_all_are_due_at_once(db_session: Session) -> None:
    cover, facts = image("cover", role=Role.COVER), {"alt": "图", "width": 640}
    show(db_session, B, replace(A, facts=facts), video(), cover, html="<p>甲\0</p>")
    shown = media_of(db_session, the_post(db_session))
    assert [(m.role, m.position, m.key) for m in shown] == [
        ("cover", 0, cover.key), ("image", 0, A.key), ("image", 1, B.key), ("video", 0, "wxv_1"),
    ]  # fmt: skip
    assert (shown[1].facts, shown[1].file, shown[1].last_outcome) == (facts, None, None)
    assert {medium.type for medium in due(db_session)} == {"image", "video"}
    assert due(db_session, types=("audio",)) == []
    assert the_post(db_session).html == "<p>甲\ufffd</p>"


def test_an_image_that_many_posts_show_is_one_medium_and_one_shown_twice_stands_at_its_first_place(
    db_session: Session,
) -> None:
    readings = [
        article(record(n), media=(A, replace(A, position=3), B, replace(A, role=Role.COVER)))
        for n in (1, 2, 3)
    ]
    store(db_session, *readings)
    assert (count(db_session, Medium), count(db_session, PostMedium)) == (2, 9)
    assert keys(db_session, 3) == [A.key, A.key, B.key]
    assert [m.position for m in media_of(db_session, the_post(db_session, 3))] == [0, 0, 1]


def test_a_page_without_body_text_has_no_html(db_session: Session) -> None:
    show(db_session, A)
    assert the_post(db_session).html is None


def test_a_page_read_again_keeps_what_it_shows_and_takes_the_new_order(db_session: Session) -> None:
    show(db_session, A, B)
    show(db_session, replace(B, position=0), replace(A, position=1), hours=1)
    assert keys(db_session) == [B.key, A.key]
    assert count(db_session, PostMedium) == 2


def test_what_only_an_earlier_page_showed_stays_but_is_not_current(db_session: Session) -> None:
    show(db_session, A, B)
    before = the_post(db_session).capture_id
    show(db_session, replace(C, position=0), B, hours=1)
    db_session.expire_all()
    assert keys(db_session) == [C.key, B.key]
    earlier = select(PostMedium.medium_id).where(PostMedium.capture_id == before)
    assert db_session.scalars(earlier).all() == [
        db_session.scalar(select(Medium.id).where(Medium.key == A.key))
    ]
    assert {medium.key for medium in due(db_session, 1)} == {A.key, B.key, C.key}


def test_two_pages_of_one_post_in_one_batch_leave_the_second_current(db_session: Session) -> None:
    store(db_session, article(record(), media=(A, B)), article(record(text="改"), media=(B, C)))
    assert keys(db_session) == [B.key, C.key]
    assert count(db_session, PostMedium) == 3


def test_half_a_page_gives_way_to_the_drawn_one_and_never_comes_back(db_session: Session) -> None:
    half = article(record(text=""), needs_browser=True, media=(replace(A, role=Role.COVER),))
    store(db_session, half)
    assert keys(db_session) == [A.key]
    whole = article(record(), media=(replace(A, role=Role.COVER), B, C), html="<p>文</p>")
    store(db_session, whole, rendered=True)
    store(db_session, half)
    db_session.expire_all()
    assert keys(db_session) == [A.key, B.key, C.key]
    assert the_post(db_session).html == "<p>文</p>"


def test_a_post_that_is_taken_down_keeps_its_media(db_session: Session) -> None:
    seen = [SightingData(parse_address(record().url), "list", NOW)]
    (address,) = record_sightings(db_session, None, seen, NOW)
    for reading in (article(record(), media=(A,), html="<p>"), ParsedPage(Outcome.DELETED, "gone")):
        (id_,) = store_captures(db_session, None, [(address.address_id, capture())])
        store_parse_results(db_session, None, [(id_, reading)], NOW, 1)
    assert keys(db_session) == [A.key]
    assert [medium.key for medium in due(db_session)] == [A.key]


def test_a_dump_has_no_media_and_its_page_brings_them(db_session: Session) -> None:
    import_records(db_session, None, [record()], "dump", NOW)
    assert keys(db_session) == []
    show(db_session, A)
    import_records(db_session, None, [record(text="旧")], "dump", NOW)
    db_session.expire_all()
    assert keys(db_session) == [A.key]


def test_a_file_is_kept_once_for_all_who_show_it_and_not_asked_for_again(db_session: Session) -> None:
    show(db_session, A, B)
    for medium in due(db_session):
        store_file(db_session, medium.id, kept_file(), NOW)
    assert count(db_session, File) == 1
    assert due(db_session, 10_000) == []
    show(db_session, A, number=2, hours=1)
    assert due(db_session, 10_000) == []
    (shown,) = media_of(db_session, the_post(db_session, 2))
    assert (shown.file, shown.last_outcome) == (kept_file(), "kept")
    assert files(db_session) == {A.key: kept_file(), B.key: kept_file()}


def test_the_path_of_a_file_is_the_one_it_was_last_put_at(db_session: Session) -> None:
    show(db_session, A, B)
    first, second = due(db_session)
    store_file(db_session, first.id, kept_file(path="ab/old.bin"), NOW)
    store_file(db_session, second.id, kept_file(path="ab/new.png"), NOW)
    assert files(db_session)[A.key] == kept_file(path="ab/new.png")


def test_what_fails_is_asked_for_later_and_later_then_no_more(db_session: Session) -> None:
    show(db_session, A)
    (medium,) = due(db_session)
    for attempt in range(1, MAX_ATTEMPTS + 1):
        record_media_failure(db_session, medium.id, FAILED, "timeout\0", NOW)
        assert only(db_session).attempts == attempt
        assert bool(due(db_session, 24)) is (attempt < MAX_ATTEMPTS)
        assert due(db_session) == []
    (shown,) = media_of(db_session, the_post(db_session))
    assert (shown.last_outcome, str(shown.last_reason)) == ("failed", "timeout\ufffd")
    assert media_numbers(db_session, NOW)["image"]["given_up"] == 1


def test_what_is_refused_is_asked_for_a_day_and_a_week_later(db_session: Session) -> None:
    show(db_session, A)
    waits = []
    for _ in range(3):
        record_media_failure(db_session, due(db_session, 10_000)[0].id, REFUSED, "text/html", NOW)
        waits.append(only(db_session).next_fetch_at)
    assert waits == [NOW + DAY, NOW + 7 * DAY, None]


def test_a_miss_takes_no_file_away_that_another_process_has_got(db_session: Session) -> None:
    show(db_session, A)
    (medium,) = due(db_session)
    store_file(db_session, medium.id, kept_file(), NOW)
    record_media_failure(db_session, medium.id, FAILED, "timeout", NOW)
    assert (only(db_session).last_outcome, only(db_session).next_fetch_at) == ("kept", None)
    assert files(db_session) == {A.key: kept_file()}


def test_a_new_signed_address_replaces_the_old_one_and_makes_it_due_again(db_session: Session) -> None:
    show(db_session, video("a", 2))
    record_media_failure(db_session, due(db_session)[0].id, FAILED, "reset", NOW + HOUR)
    show(db_session, video("b", 5), number=2, hours=1)
    (medium,) = due(db_session, 1)
    assert (medium.url, medium.expires_at) == (video("b").url, NOW + 5 * HOUR)
    assert (only(db_session).attempts, only(db_session).last_reason) == (0, "")


SHEET = "https://res.wx.qq.com/assets/index.1a2b.css"
STYLES = ("style",)


def test_a_style_sheet_of_many_pages_is_one_medium_of_no_post_and_due_for_every_run(
    db_session: Session,
) -> None:
    for number in (1, 2):
        show(db_session, number=number, style_sheets=(SHEET,))
    run_id = start_run(db_session, "backfill", {}, NOW)
    for run in (None, run_id):
        assert [one.url for one in due_media(db_session, NOW, 9, types=STYLES, run_id=run)] == [SHEET]
    (sheet,) = due(db_session, types=STYLES)
    assert (media_of(db_session, the_post(db_session)), due(db_session)) == ([], [])
    content = replace(kept_file(b"body{}"), media_type="text/css")
    store_file(db_session, sheet.id, content, NOW)
    show(db_session, number=3, style_sheets=(SHEET,))
    assert due(db_session, 10_000, types=STYLES) == []
    numbers = media_numbers(db_session, NOW)["style"]
    assert (numbers["known"], numbers["kept"], numbers["bytes"]) == (1, 1, content.size)


@pytest.mark.parametrize(
    ("outcome", "known"),
    [(Outcome.DELETED, 1), (Outcome.UNKNOWN, 0), (Outcome.VERIFICATION, 0)],
)
def test_style_sheets_of_notices_are_wanted_and_those_of_blocks_and_strange_pages_are_not(
    db_session: Session, outcome: Outcome, known: int
) -> None:
    store(db_session, ParsedPage(outcome, style_sheets=(SHEET,)))
    assert len(due(db_session, types=STYLES)) == known


def test_a_known_style_sheet_is_not_locked_by_the_next_page(db_session: Session) -> None:
    show(db_session, style_sheets=(SHEET,))
    before = db_session.execute(text("SELECT ctid, xmax::text FROM media WHERE type = 'style'")).one()
    show(db_session, number=2, style_sheets=(SHEET,))
    assert db_session.execute(text("SELECT ctid, xmax::text FROM media WHERE type = 'style'")).one() == before


@pytest.mark.parametrize("older", [video("old", 1), replace(video(hours=9), url="")])
def test_an_older_address_or_none_replaces_no_newer_one(db_session: Session, older: MediaRef) -> None:
    show(db_session, video("new", 5))
    show(db_session, older, number=2)
    assert [medium.url for medium in due(db_session)] == [video("new").url]


def test_a_batch_with_two_addresses_of_one_video_takes_the_one_that_lasts(db_session: Session) -> None:
    none = replace(video(hours=9), url="")
    media = [none, video("1", 2), video("2", 5), video("3", 4), none]
    store(db_session, *(article(record(n), media=(medium,)) for n, medium in enumerate(media)))
    assert [medium.url for medium in due(db_session)] == [video("2").url]


def test_the_address_of_what_has_a_file_stays_the_one_it_came_from(db_session: Session) -> None:
    show(db_session, video("a", 2))
    store_file(db_session, due(db_session)[0].id, kept_file(), NOW)
    show(db_session, video("b", 5), hours=1)
    assert (only(db_session).url, due(db_session, 10_000)) == (video("a").url, [])


def test_an_address_that_expires_is_asked_for_first_and_after_that_no_more(db_session: Session) -> None:
    unknown = replace(video(name="wxv_3"), expires_at=None)
    show(db_session, A, unknown, video("a", 3), video("b", 1, "wxv_2"))
    assert [medium.key for medium in due(db_session)] == ["wxv_2", "wxv_1", "wxv_3", A.key]
    assert [medium.key for medium in due(db_session, 2)] == ["wxv_1", "wxv_3", A.key]
    assert [give_up_expired(db_session, NOW + hours * HOUR) for hours in (2, 2, 3)] == [1, 0, 1]
    shown = {m.key: m.last_reason.code for m in media_of(db_session, the_post(db_session))}
    assert shown == {A.key: "", "wxv_1": ADDRESS_EXPIRED, "wxv_2": ADDRESS_EXPIRED, "wxv_3": ""}
    show(db_session, video("c", 9), hours=4)
    assert [medium.key for medium in due(db_session, 4)] == ["wxv_1", "wxv_3", A.key]


def test_no_try_is_planned_for_when_the_address_will_have_expired(db_session: Session) -> None:
    show(db_session, video(hours=2))
    (medium,) = due(db_session)
    record_media_failure(db_session, medium.id, FAILED, "reset", NOW + HOUR)
    assert only(db_session).next_fetch_at == NOW + HOUR + timedelta(minutes=10)
    record_media_failure(db_session, medium.id, FAILED, "reset", NOW + 1.9 * HOUR)
    assert (only(db_session).next_fetch_at, only(db_session).last_reason) == (None, "reset")


@pytest.mark.parametrize(
    ("medium", "reason"), [(video(hours=-1), ADDRESS_EXPIRED), (replace(video(), url=""), NO_ADDRESS)]
)
def test_what_has_no_address_that_works_is_known_but_not_asked_for(
    db_session: Session, medium: MediaRef, reason: str
) -> None:
    show(db_session, medium)
    assert due(db_session) == []
    assert [shown.last_reason.code for shown in media_of(db_session, the_post(db_session))] == [reason]
    show(db_session, video("new", 5), hours=1)
    assert [medium.url for medium in due(db_session, 1)] == [video("new").url]


def test_an_address_too_long_for_an_index_is_stored_whole_and_found(db_session: Session) -> None:
    long = image("长" * 100_000)
    show(db_session, long)
    show(db_session, long, number=2)
    (medium,) = due(db_session)
    assert (medium.url, len(medium.key)) == (long.url, len("sha256:") + 64)
    store_file(db_session, medium.id, kept_file(), NOW)
    assert files(db_session, 2) == {medium.key: kept_file()}


@pytest.mark.slow
def test_a_post_of_ten_thousand_images_is_stored_whole(db_session: Session) -> None:
    show(db_session, *(image(str(n), n) for n in range(10_000)))
    assert len(media_of(db_session, the_post(db_session))) == 10_000


def test_a_run_is_given_the_media_of_the_posts_it_saw(db_session: Session) -> None:
    run, another = (start_run(db_session, "backfill", {}, NOW) for _ in range(2))
    for number, seen_in in ((1, run), (2, another)):
        seen = [SightingData(parse_address(record(number).url), "list", NOW)]
        record_sightings(db_session, seen_in, seen, NOW)
    show(db_session, A, B, number=1)
    show(db_session, B, C, number=2)
    show(db_session, image("d"), number=3)

    def of(run_id: int) -> list[str]:
        return [medium.key for medium in due_media(db_session, NOW, 100, types=ALL, run_id=run_id)]

    assert (of(run), of(another)) == ([A.key, B.key], [B.key, C.key])
    assert len(due_media(db_session, NOW, 1, types=ALL, run_id=run)) == 1
    for medium in due(db_session):
        for _ in range(3):
            record_media_failure(db_session, medium.id, REFUSED, "text/html", NOW)
    assert due(db_session, 10_000) == []
    assert make_media_due(db_session, run, NOW) == 2
    assert (of(run), of(another)) == ([A.key, B.key], [B.key])


def test_making_due_spares_what_has_a_file_and_what_no_longer_works(db_session: Session) -> None:
    run = start_run(db_session, "backfill", {}, NOW)
    record_sightings(db_session, run, [SightingData(parse_address(record().url), "list", NOW)], NOW)
    show(db_session, A, B, video(hours=1), replace(video(name="wxv_2"), url=""))
    store_file(db_session, due(db_session, types=("image",))[0].id, kept_file(), NOW)
    assert make_media_due(db_session, run, NOW + 2 * HOUR) == 1
    assert [medium.key for medium in due(db_session, 2)] == [B.key]
