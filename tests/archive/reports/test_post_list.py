"""Posts are listed in each order and counted by each property."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from archive.db.models import Medium, Post
from archive.domain.outcomes import Kind, Outcome, PostCount, PostMark, PostOrder, Role
from archive.domain.parsed_page import ParsedPage
from archive.ingest.pages import import_records
from archive.reports.post_list import Card, PostTotal, cards_of, count_posts, list_posts
from archive.repository.media import StoredFile, store_file
from archive.repository.notes import Note, put_note
from archive.repository.post_queries import PostFilter
from tests.archive.making import BIZ, NOW, article, image, record
from tests.archive.reports.test_changes import fetch

EVERY = PostFilter()
DAYS = ("2024-12-30", "2025-01-01", "2025-01-01", "2025-02-01")


@pytest.fixture
def filled(db_session: Session) -> Session:
    """Store four posts of three days of two weeks; the last has a page, was edited and removed."""
    posts = [replace(record(n, title=f"{9 - n}"), date=day) for n, day in enumerate(DAYS, 1)]
    import_records(db_session, None, posts[:2], "dump", NOW + timedelta(days=1))
    import_records(db_session, None, posts[2:3], "dump", NOW)
    fetch(db_session, posts[3], article(posts[3]), 0)
    fetch(db_session, posts[3], article(replace(posts[3], text="改\r")), 1)
    fetch(db_session, posts[3], ParsedPage(Outcome.DELETED), 2)
    return db_session


def aids(session: Session, chosen: PostFilter = EVERY, order: PostOrder = PostOrder.NEWEST) -> Sequence[str]:
    return [post.aid for post in list_posts(session, chosen, order)]


def test_posts_are_listed_in_each_order(filled: Session) -> None:
    assert aids(filled) == ["1004_1", "1003_1", "1002_1", "1001_1"]
    assert aids(filled, order=PostOrder.OLDEST) == ["1001_1", "1002_1", "1003_1", "1004_1"]
    assert aids(filled, order=PostOrder.TITLE) == ["1004_1", "1003_1", "1002_1", "1001_1"]
    assert set(aids(filled, order=PostOrder.ARCHIVED)) == set(aids(filled))


@pytest.mark.slow
def test_filters_select_posts_and_marks_are_listed(filled: Session) -> None:
    assert aids(filled, PostFilter(since=date(2025, 1, 1), until=date(2025, 1, 31))) == ["1003_1", "1002_1"]
    assert aids(filled, PostFilter(kind=Kind.ARTICLE)) == ["1004_1"]
    assert aids(filled, PostFilter(account=BIZ)) == aids(filled)
    assert aids(filled, PostFilter(account="nobody\x00")) == []
    for mark in (PostMark.EDITED, PostMark.REMOVED, PostMark.ANY):
        (post,) = list_posts(filled, PostFilter(mark=mark), PostOrder.NEWEST)
        assert (post.aid, post.marks) == ("1004_1", (PostMark.EDITED, PostMark.REMOVED))
    assert aids(filled, PostFilter(mark=PostMark.RESTORED)) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("by", "totals"),
    [
        (PostCount.DAY, [("2025-02-01", 1), ("2025-01-01", 2), ("2024-12-30", 1)]),
        (PostCount.WEEK, [("2025-W05", 1), ("2025-W01", 3)]),
        (PostCount.MONTH, [("2025-02", 1), ("2025-01", 2), ("2024-12", 1)]),
        (PostCount.KIND, [(None, 3), ("article", 1)]),
    ],
)
def test_posts_are_counted(filled: Session, by: PostCount, totals: list[tuple[str | None, int]]) -> None:
    counted = count_posts(filled, EVERY, by, PostOrder.NEWEST)
    assert counted == [PostTotal(value, posts) for value, posts in totals]
    if by is not PostCount.KIND:
        assert count_posts(filled, EVERY, by, PostOrder.OLDEST) == counted[::-1]


def test_posts_are_counted_by_account_whose_biz_is_named(filled: Session) -> None:
    assert count_posts(filled, EVERY, PostCount.ACCOUNT, PostOrder.NEWEST) == [PostTotal("示例账号", 4, BIZ)]
    assert count_posts(filled, PostFilter(account="nobody"), PostCount.DAY, PostOrder.NEWEST) == []


@pytest.mark.slow
def test_a_card_has_the_digest_the_characters_and_the_images_of_the_current_page(db_session: Session) -> None:
    pages = [("old", 3), ("new", 2)]
    for minutes, (name, count) in enumerate(pages):
        media = tuple(image(f"{name}{number}", number) for number in range(count))
        cover = image(f"{name}-cover", 0, Role.COVER)
        page = {"digest": " 摘要&amp;\n要点 "}
        fetch(db_session, record(1), article(record(1), media=(*media, cover), page=page), minutes)
    import_records(db_session, None, [record(2, text="一二三")], "dump", NOW)
    ids = {post.aid: post.id for post in db_session.scalars(select(Post))}
    cards = cards_of(db_session, list(ids.values()))
    assert cards[ids["1001_1"]] == Card("摘要& 要点", len(record(1).text), 2, (), None, None)
    assert cards[ids["1002_1"]] == Card("", 3, 0, (), None, None)
    assert cards_of(db_session, []) == {}


def test_a_card_has_the_marks_the_note_and_the_stored_cover(filled: Session) -> None:
    ids = {post.aid: post.id for post in filled.scalars(select(Post))}
    pictures = [image(f"cover{number}", number, Role.COVER) for number in range(3)]
    fetch(filled, record(5), article(record(5), media=(*pictures, image("shown", 0))), 3)
    note = Note(is_starred=True, tags=("政策",), note="读", changed_at=NOW)
    put_note(filled, ids["1001_1"], note, NOW)
    files = [StoredFile(bytes([number]) * 32, 9, "image/png", 900, 383, f"{number}.png") for number in (1, 2)]
    for picture, file in zip(pictures[1:], files, strict=True):  # of the first cover there is no file
        medium = filled.scalars(select(Medium.id).where(Medium.key == picture.key)).one()
        store_file(filled, medium, file, NOW)
    cards = cards_of(filled, [post.id for post in filled.scalars(select(Post))])
    assert cards[ids["1004_1"]].marks == (PostMark.EDITED, PostMark.REMOVED)
    assert cards[ids["1001_1"]].note == note
    assert {post_id for post_id, card in cards.items() if card.note} == {ids["1001_1"]}
    (cover,) = [card.cover for card in cards.values() if card.cover]
    assert cover == files[0]
