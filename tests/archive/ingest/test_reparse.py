"""Test parsing captures again: what is reported, what is written, and what is left as it is."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from archive.db.models import Address, Post, Version
from archive.domain.addresses import parse_address
from archive.domain.captures import SightingData
from archive.domain.outcomes import Outcome
from archive.domain.parsed_page import ParsedPage
from archive.domain.text_diff import Extent
from archive.domain.update_decisions import REPARSE
from archive.ingest.pages import store_parse_results
from archive.ingest.reparse import ReparseResult, apply_parse_results, compare_parse_results
from archive.repository import absences, post_queries
from archive.repository.captures import (
    ReparseSelection,
    captures_to_reparse,
    store_captures,
    unparsed_captures,
)
from archive.repository.frontier import record_sightings
from archive.repository.media import due_media, media_of
from archive.repository.posts import links_of
from archive.repository.runs import start_run
from tests.archive.making import NOW, article, capture, image, link, record

OLD, NEW = 1, 2  # versions of the parser
LATER = NOW + timedelta(days=9)
UNREAD = ParsedPage(Outcome.UNKNOWN, "a post of a type this version does not know")
EVERYTHING = text(
    "SELECT (SELECT json_agg((outcome, reason, parser_version) ORDER BY id) FROM parse_results),"
    " (SELECT json_agg(p ORDER BY id) FROM posts p), (SELECT json_agg(v ORDER BY id) FROM versions v),"
    " (SELECT json_agg(m ORDER BY id) FROM post_media m), (SELECT json_agg(a ORDER BY id) FROM addresses a)"
)


def ask(session: Session, reading: ParsedPage, minutes: int = 0, number: int = 1) -> int:
    """Store a response as an early parser parsed it; return the capture's id."""
    seen = SightingData(parse_address(record(number).url), "list", NOW)
    (sighted,) = record_sightings(session, None, [seen], NOW)
    at = NOW + timedelta(minutes=minutes)
    (kept,) = store_captures(session, None, [(sighted.address_id, capture(b"%d" % minutes, minutes=minutes))])
    store_parse_results(session, None, [(kept, reading)], at, OLD)
    return kept


def says(words: str, **more: Any) -> ParsedPage:
    return article(record(text=words), **more)


def again(session: Session, *readings: tuple[int, ParsedPage], at: datetime = LATER) -> list[ReparseResult]:
    """Compare, then apply parse results of a later parser; return the findings, equal for both."""
    told = compare_parse_results(session, readings)
    run_id = start_run(session, "reparse", {}, at)
    assert apply_parse_results(session, run_id, readings, at, NEW) == told
    return [one.finding for one in told]


def versions(session: Session) -> list[tuple[str, str, int | None]]:
    rows = session.query(Version).order_by(Version.number)
    return [(row.source, row.text, row.parser_version) for row in rows]


def everything(session: Session) -> Any:
    session.expire_all()
    return session.execute(EVERYTHING).one()


def test_a_better_reading_of_the_current_page_is_a_version_marked_as_such(db_session: Session) -> None:
    kept = ask(db_session, says("第一\r"))
    (told,) = compare_parse_results(db_session, [(kept, says("第一段\r"))])
    assert (told.finding, told.extent, told.aid) == (ReparseResult.TEXT, Extent(1, 0), "1001_1")
    assert again(db_session, (kept, says("第一段\r"))) == [ReparseResult.TEXT]
    assert versions(db_session) == [("page", "第一\r", OLD), (REPARSE, "第一段\r", NEW)]
    assert [(post.text, post.source) for post in db_session.query(Post)] == [("第一段\r", "page")]
    done = everything(db_session)
    assert again(db_session, (kept, says("第一段\r"))) == [ReparseResult.SAME]
    assert everything(db_session) == done


def test_telling_what_would_change_writes_nothing(db_session: Session) -> None:
    first, second = ask(db_session, says("一\r")), ask(db_session, UNREAD, 5, number=2)
    before = everything(db_session)
    compare_parse_results(db_session, [(first, says("二\r")), (second, article(record(2)))])
    assert everything(db_session) == before


@pytest.mark.slow
def test_an_edit_stays_an_edit_where_both_its_pages_are_read_better(db_session: Session) -> None:
    first, second = ask(db_session, says("旧")), ask(db_session, says("新"), 5)
    found = again(db_session, (first, says("旧的")), (second, says("新的")))
    assert found == [ReparseResult.EARLIER_TEXT, ReparseResult.TEXT]
    assert [words for _, words, _ in versions(db_session)] == ["旧", "新", "旧的", "新的"]
    assert again(db_session, (first, says("旧的")), (second, says("新的"))) == [
        ReparseResult.SAME,
        ReparseResult.SAME,
    ]
    assert len(versions(db_session)) == 4


@pytest.mark.slow
def test_pages_that_are_read_alike_are_one_version(db_session: Session) -> None:
    first, second = ask(db_session, says("字")), ask(db_session, says("字"), 5)
    again(db_session, (first, says("文字")), (second, says("文字")))
    assert [words for _, words, _ in versions(db_session)] == ["字", "文字"]
    (post,) = db_session.query(Post)
    assert (post.text, post.capture_id) == ("文字", second)


def test_facts_media_and_links_are_filled_without_a_version(db_session: Session) -> None:
    kept = ask(db_session, says("字"))
    better = says("字", html="<p>字</p>", page={"author": "某人"}, media=(image("a"),), links=(link(2),))
    assert again(db_session, (kept, better)) == [ReparseResult.FACTS]
    (post,) = db_session.query(Post)
    assert (post.html, post.page_metadata) == ("<p>字</p>", {"author": "某人"})
    assert (len(media_of(db_session, post)), len(links_of(db_session, post))) == (1, 1)
    assert len(versions(db_session)) == 1
    assert again(db_session, (kept, better)) == [ReparseResult.SAME]


def test_what_an_earlier_parser_took_for_a_picture_is_parted_from_its_page(db_session: Session) -> None:
    kept = ask(db_session, says("字", media=(image("a"), image("chrome", 1)), links=(link(2), link(3))))
    assert again(db_session, (kept, says("字", media=(image("a"),), links=(link(3),)))) == [
        ReparseResult.FACTS
    ]
    (post,) = db_session.query(Post)
    assert [medium.key for medium in media_of(db_session, post)] == [image("a").key]
    assert [one.key for one in links_of(db_session, post)] == [link(3).key]


@pytest.mark.parametrize(
    "now_read",
    [
        UNREAD,
        ParsedPage(Outcome.DELETED, "gone"),
        replace(article(record()), record=None),
        article(record(2)),
    ],
)
def test_a_post_that_would_be_none_any_more_or_another_is_told_and_left(
    db_session: Session, now_read: ParsedPage
) -> None:
    kept = ask(db_session, says("字"))
    before = everything(db_session)
    assert again(db_session, (kept, now_read)) == [ReparseResult.LOST]
    assert everything(db_session) == before


def test_a_page_nobody_could_read_becomes_a_post_and_its_address_is_not_asked_again(
    db_session: Session,
) -> None:
    kept = ask(db_session, UNREAD)
    (address,) = db_session.query(Address)
    assert address.next_fetch_at is not None
    tried_at = address.last_tried_at
    assert again(db_session, (kept, says("字"))) == [ReparseResult.NEW]
    assert versions(db_session) == [(REPARSE, "字", NEW)]
    db_session.refresh(address)
    assert (address.last_outcome, address.next_fetch_at, address.attempts) == ("article", None, 0)
    assert address.last_tried_at == tried_at


def test_an_answer_that_was_not_the_last_of_its_address_says_nothing_of_it_now(db_session: Session) -> None:
    kept = ask(db_session, UNREAD)
    ask(db_session, ParsedPage(Outcome.DELETED, "gone"), 5)
    assert again(db_session, (kept, says("字"))) == [ReparseResult.NEW]
    (address,) = db_session.query(Address)
    assert address.last_outcome == "deleted"
    (absence,) = absences.absences_of(db_session, post_queries.find_posts(db_session, "1001_1")[0])
    assert (absence.last_seen_at, absence.first_missing_at) == (NOW, NOW + timedelta(minutes=5))


def test_a_notice_that_is_understood_at_last_tells_of_an_absence(db_session: Session) -> None:
    ask(db_session, says("字"))
    kept = ask(db_session, UNREAD, 5)
    assert again(db_session, (kept, ParsedPage(Outcome.VIOLATION, "此内容因违规无法查看"))) == [
        ReparseResult.OUTCOME
    ]
    (absence,) = absences.absences_of(db_session, post_queries.find_posts(db_session, "1001_1")[0])
    assert absence.outcome == "violation"


def test_a_drawn_page_is_not_replaced_by_the_plain_one_read_again(db_session: Session) -> None:
    plain = ask(db_session, says("", needs_browser=True))
    (address,) = db_session.query(Address)
    (drawn,) = store_captures(db_session, None, [(address.id, capture(b"drawn", minutes=1, rendered=True))])
    store_parse_results(db_session, None, [(drawn, says("播报"))], NOW, OLD)
    assert again(db_session, (plain, says("", needs_browser=True))) == [ReparseResult.SAME]
    assert versions(db_session) == [("page", "播报", OLD)]


def test_of_half_a_page_that_nobody_drew_yet_the_facts_are_filled(db_session: Session) -> None:
    kept = ask(db_session, says("", needs_browser=True, media=(image("chrome"),)))
    better = says("", needs_browser=True, html="<p></p>", media=(image("a"),))
    assert again(db_session, (kept, better)) == [ReparseResult.FACTS]
    (post,) = db_session.query(Post)
    assert (post.html, [medium.key for medium in media_of(db_session, post)]) == ("<p></p>", [image("a").key])
    assert versions(db_session) == []
    done = everything(db_session)
    assert again(db_session, (kept, better)) == [ReparseResult.SAME]
    assert everything(db_session) == done


def test_only_what_an_earlier_parser_read_is_chosen_by_post_account_and_day(db_session: Session) -> None:
    first, second = ask(db_session, says("字")), ask(db_session, article(record(2)), 5, number=2)
    notice = ask(db_session, ParsedPage(Outcome.DELETED, "gone"), 7, number=3)
    (unread,) = store_captures(db_session, None, [(None, capture(minutes=9))])
    again(db_session, (second, article(record(2))))
    day, later = date(2026, 3, 1), date(2026, 3, 2)  # of publication; of the fetch, which is all a notice has

    def chosen(**wanted: Any) -> Sequence[int]:
        return captures_to_reparse(db_session, ReparseSelection(**wanted), NEW)

    assert chosen() == [first, notice]
    assert chosen(whole=True) == [first, second, notice]
    assert chosen(whole=True, aids=("1002_1",)) == [second]
    assert chosen(account="示例账号") == [first, notice]
    assert chosen(account="别家") == []
    assert (chosen(until=day), chosen(since=later)) == ([first], [notice])
    assert unparsed_captures(db_session) == [unread]


def test_the_style_sheets_of_pages_archived_before_are_found_without_a_change(db_session: Session) -> None:
    kept = ask(db_session, says("同"))
    sheet = "https://res.wx.qq.com/assets/index.1a2b.css"
    assert again(db_session, (kept, says("同", style_sheets=(sheet,)))) == [ReparseResult.SAME]
    assert [medium.url for medium in due_media(db_session, LATER, 9, types=["style"])] == [sheet]
