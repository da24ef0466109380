"""Test which posts are found missing."""

from datetime import date

import pytest
from sqlalchemy.orm import Session

from archive.audit.gap import GapKind
from archive.domain.outcomes import Outcome, Relation
from archive.domain.parsed_page import ParsedPage
from archive.repository.address_outcomes import record_failures
from tests.archive.audit.making import DELETED, DIGEST, answer, gaps, post, put, see, subjects
from tests.archive.making import BIZ, NOW, article, link, record


def test_a_position_between_others_of_a_push_and_a_missing_first_one_are_holes(db_session: Session) -> None:
    put(db_session, post(10, 1), post(10, 3), post(20, 2), post(30, 1), post(30, 2), post(40, 999))
    assert subjects(db_session, GapKind.HOLE) == ["10_2", "20_1"]
    hole, _ = gaps(db_session, GapKind.HOLE)
    assert (hole.day, hole.fillable) == (date(2026, 3, 1), False)
    assert "positions 1, 3 of push 10 are known" in str(hole.what)
    assert [gap.fillable for gap in gaps(db_session, GapKind.HOLE, has_sources=True)] == [True, True]


def test_a_position_that_is_deleted_or_that_a_source_of_whole_pushes_leaves_out_is_no_hole(
    db_session: Session,
) -> None:
    put(db_session, post(10, 1), post(10, 3), post(20, 1), post(20, 3))
    answer(db_session, post(10, 2), DELETED)
    see(db_session, post(20, 3), "own_backend")
    assert subjects(db_session, GapKind.HOLE) == []
    assert subjects(db_session, GapKind.MENTIONED) == []


def test_an_address_shows_a_hole_before_it_and_is_none_itself(db_session: Session) -> None:
    put(db_session, post(10, 1))
    see(db_session, post(10, 3))
    assert subjects(db_session, GapKind.HOLE) == ["10_2"]
    assert subjects(db_session, GapKind.MENTIONED) == ["10_3"]


def test_posts_that_were_listed_and_not_fetched_are_mentioned_with_their_state(
    db_session: Session,
) -> None:
    see(db_session, post(10), published_at="2026-02-27T17:00:00+00:00")
    failed = see(db_session, post(11))
    record_failures(db_session, None, [(failed, "timed out")], NOW)
    answer(db_session, post(12), ParsedPage(Outcome.EXPIRED_LINK))
    answer(db_session, post(13), DELETED)
    answer(db_session, post(14), article(post(14)))
    never, waits, expired = gaps(db_session, GapKind.MENTIONED)
    assert (never.subject, never.title, never.day) == ("10_1", "合成10之1", date(2026, 2, 28))
    assert str(never.what) == "seen in album:1 on 2026-03-02; never fetched"
    assert str(waits.what).endswith("due, after 1 attempt: no response (timed out)")
    assert [one.fillable for one in (never, waits, expired)] == [True, True, False]


def test_unknown_responses_and_texts_that_are_not_rendered_are_gaps(db_session: Session) -> None:
    answer(db_session, post(10), ParsedPage(Outcome.UNKNOWN, "no marker"))
    answer(db_session, post(11), article(post(11), needs_browser=True))
    assert subjects(db_session, GapKind.UNKNOWN) == ["10_1"]
    (gap,) = gaps(db_session, GapKind.NOT_RENDERED)
    assert (gap.subject, "Chromium" in str(gap.remedy)) == ("11_1", True)


def test_posts_that_others_link_to_are_mentioned_until_they_are_known(db_session: Session) -> None:
    answer(db_session, record(1), article(record(1), links=(link(5), link(6, Relation.NEXT), link(2))))
    answer(db_session, record(2), article(record(2), links=(link(5),)))
    first, second = gaps(db_session, GapKind.MENTIONED)
    assert (first.subject, first.title) == ("1005_1", "见前文")
    assert str(first.what).startswith("1001_1 and 1 more link to it (post)")
    assert (second.subject, second.fillable) == ("1006_1", True)
    see(db_session, record(5))
    assert [str(gap.what).partition(" ")[0] for gap in gaps(db_session, GapKind.MENTIONED)] == [
        "seen",
        "1001_1",
    ]


def test_an_album_with_more_posts_than_are_known_is_mentioned(db_session: Session) -> None:
    def in_album(number: int, size: str) -> None:
        album = link(1, Relation.ALBUM, text="合成专辑", facts={"size": size})
        answer(db_session, record(number), article(record(number), links=(album,)))

    in_album(1, "1")
    assert subjects(db_session, GapKind.MENTIONED) == []
    in_album(2, "9")
    (gap,) = gaps(db_session, GapKind.MENTIONED)
    assert "has 9 posts; 2 archived" in str(gap.what)
    assert (gap.title, gap.album) == ("合成专辑", f"{BIZ}:1001:1")


@pytest.mark.slow
def test_titles_that_digests_list_and_no_post_has_are_gaps_once(db_session: Session) -> None:
    put(
        db_session,
        post(10, title="虚构的第一条新闻标题"),
        post(11, title="合成一周要闻（上）", text=DIGEST),
        post(12, title="合成一周要闻（下）", text=DIGEST),
    )
    answer(db_session, post(13, title="虚构的第三条新闻标题"), DELETED)
    (gap,) = gaps(db_session, GapKind.DIGEST)
    assert (gap.subject, gap.fillable) == ("虚构的第二条新闻标题", False)
    assert "11_1" in str(gap.what)
    see(db_session, post(14, title="虚构的第二条新闻标题"))
    (gap,) = gaps(db_session, GapKind.DIGEST)
    assert (gap.fillable, "mentioned" in str(gap.remedy)) == (True, True)
    assert gaps(db_session, GapKind.DIGEST, digest_title="月报") == []


def test_a_title_that_a_post_had_before_it_was_edited_is_no_gap(db_session: Session) -> None:
    put(db_session, post(11, title="合成一周要闻", text=DIGEST), post(10, title="虚构的第二条新闻标题"))
    answer(db_session, post(10), article(post(10, title="完全改写过的另一标题")))
    assert "虚构的第二条新闻标题" not in subjects(db_session, GapKind.DIGEST)
