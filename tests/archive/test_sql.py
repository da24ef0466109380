"""docs/sql.md: its statements run as they stand there, and answer what their headings ask."""

import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from archive.address import parse_address
from archive.media.queries import due_media
from archive.media.store import keep_file, note_missed
from archive.reading import Link
from archive.sighting import Sighting
from archive.store import keep_captures, record_sightings, store_readings
from archive.vocabulary import MediumOutcome, Relation, Role
from tests.archive.making import NOW, article, capture, image, kept_file, link, record, video

STATEMENTS = re.findall(
    r"```sql\n(.*?)```", (Path(__file__).parents[2] / "docs" / "sql.md").read_text("utf-8"), re.DOTALL
)
TOKEN = "abcdefghijklmnopqrstuv"


@pytest.fixture
def linked(db_session: Session) -> Session:
    """Post 1 with a cover, two pictures and a video; 2 to 4 lead to it, 2 no more, 4 by its short link."""
    short = f"https://mp.weixin.qq.com/s/{TOKEN}"
    by_token = Link(Relation.PREVIOUS, f"s/{TOKEN}", short, 0, "上一篇")
    shown = (image("b", 1), image("a"), image("c", role=Role.COVER), video())
    readings = [article(record(1), media=shown), article(record(2), links=(link(1),)), article(record(2))]
    readings += [
        article(record(3), links=(link(1, text="甲"), link(9))),
        article(record(4), links=(by_token,)),
    ]
    seen = [Sighting(parse_address(short), "list", NOW)]
    (address,) = record_sightings(db_session, None, seen, NOW)
    addresses = [address.address_id, None, None, None, None]
    ids = keep_captures(db_session, None, [(id_, capture()) for id_ in addresses])
    store_readings(db_session, None, list(zip(ids, readings, strict=True)), NOW, 1)
    return db_session


def asked(session: Session, number: int) -> list[tuple[Any, ...]]:
    """What the statement of this number answers."""
    return [tuple(row) for row in session.execute(text(STATEMENTS[number].replace(":", r"\:")))]


def test_the_pictures_of_a_post(linked: Session) -> None:
    first, second, _ = due_media(linked, NOW, 3, types=["image"])
    keep_file(linked, first.id, kept_file(path="ab/a.png"), NOW)
    note_missed(linked, second.id, MediumOutcome.REFUSED, "text/html", NOW)
    assert asked(linked, 0) == [
        ("cover", 0, image("c").url, None, ""),
        ("image", 0, image("a").url, "ab/a.png", ""),
        ("image", 1, image("b").url, None, "text/html"),
    ]


def test_the_posts_that_lead_to_a_post(linked: Session) -> None:
    assert [row[1:] for row in asked(linked, 1)] == [
        ("1003_1", "标题", "post", "甲"), ("1004_1", "标题", "previous", "上一篇"),
    ]  # fmt: skip
    linked.execute(text("UPDATE posts SET capture_id = NULL WHERE aid = '1003_1'"))
    assert [row[1] for row in asked(linked, 1)] == ["1004_1"]


def test_there_is_no_other_statement() -> None:
    assert len(STATEMENTS) == 2
