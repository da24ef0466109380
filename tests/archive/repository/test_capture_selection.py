"""Test which captures and media files belong to a selection of posts."""

from datetime import date, timedelta

import pytest
from sqlalchemy.orm import Session

from archive.domain.addresses import parse_address
from archive.domain.captures import SightingData
from archive.domain.outcomes import Outcome
from archive.domain.parsed_page import ParsedPage
from archive.ingest.pages import store_parse_results
from archive.repository.capture_selection import (
    Selection,
    count_captures,
    selected_captures,
    selected_media,
)
from archive.repository.captures import store_captures
from archive.repository.frontier import record_sightings
from archive.repository.media import due_media, store_file
from tests.archive.making import BIZ, NOW, article, capture, image, kept_file, record

DAY = date(2026, 3, 1)


def fetch(session: Session, number: int, page: ParsedPage, minutes: int) -> int:
    """Store a capture of a post's address and its parse result; return the capture's id."""
    seen = SightingData(parse_address(record(number).url), "list", NOW)
    address = record_sightings(session, None, [seen], NOW)[0].address_id
    (id_,) = store_captures(session, None, [(address, capture(b"page", minutes=minutes))])
    store_parse_results(session, None, [(id_, page)], NOW, 1)
    return id_


@pytest.fixture
def three(db_session: Session) -> tuple[Session, list[int]]:
    """Store a post twice fetched, and an address that never became a post."""
    page = article(record(1), media=(image("a"),))
    ids = [fetch(db_session, 1, page, minutes) for minutes in (0, 5)]
    ids.append(fetch(db_session, 2, ParsedPage(Outcome.DELETED), 9))
    return db_session, ids


def test_an_account_has_also_the_captures_that_never_became_a_post(three: tuple[Session, list[int]]) -> None:
    session, ids = three
    for selection in (Selection(), Selection(BIZ)):
        assert [one.id for batch in selected_captures(session, selection) for one in batch] == ids
        assert count_captures(session, selection) == (3, NOW + timedelta(minutes=9))


def test_days_select_the_captures_of_their_posts_only(three: tuple[Session, list[int]]) -> None:
    session, ids = three
    (batch,) = selected_captures(session, Selection(BIZ, since=DAY, until=DAY))
    assert [one.id for one in batch] == ids[:2]
    assert count_captures(session, Selection(BIZ, since=date(2026, 3, 2))) == (0, None)


def test_equal_bytes_of_one_address_name_the_capture_that_came_first(
    three: tuple[Session, list[int]],
) -> None:
    session, ids = three
    (batch,) = selected_captures(session, Selection())
    assert [(one.first_id, one.first_fetched_at) for one in batch] == [(ids[0], NOW)] * 3
    assert [(one.aid, one.outcome) for one in batch] == [
        ("1001_1", "article"), ("1001_1", "article"), ("1002_1", "deleted"),
    ]  # fmt: skip


def test_only_media_with_a_file_are_selected(three: tuple[Session, list[int]]) -> None:
    session, _ = three
    assert list(selected_media(session, Selection())) == []
    (medium,) = due_media(session, NOW, 9, types=["image"])
    store_file(session, medium.id, kept_file(), NOW)
    for selection in (Selection(), Selection(BIZ, since=DAY, until=DAY)):
        (stored,) = selected_media(session, selection)
        assert (stored.url, stored.path, stored.stored_at) == (image("a").url, kept_file().path, NOW)
    assert list(selected_media(session, Selection("没有"))) == []


def test_style_sheets_are_selected_by_their_addresses_or_with_everything(
    three: tuple[Session, list[int]],
) -> None:
    session, ids = three
    sheets = [f"https://res.wx.qq.com/{number}.css" for number in (1, 2)]
    page = article(record(), media=(image("a"),), style_sheets=tuple(sheets))
    store_parse_results(session, None, [(ids[0], page)], NOW, 1)
    for number, medium in enumerate(due_media(session, NOW, 9, types=["style"])):
        store_file(session, medium.id, kept_file(b"%d" % number, f"{number}.css"), NOW)
    assert [one.url for one in selected_media(session, Selection())] == sheets
    assert [one.url for one in selected_media(session, Selection(BIZ), sheets[1:])] == sheets[1:]
    assert list(selected_media(session, Selection(BIZ))) == []
