"""What posts lead to."""

from dataclasses import replace

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from archive import queries
from archive.address import parse_address
from archive.links import LinkedPost, links_of, posts_not_archived
from archive.models import PostLink
from archive.reading import Link
from archive.sighting import Sighting
from archive.store import import_records, keep_captures, record_sightings, store_readings
from archive.vocabulary import Relation
from tests.archive.making import BIZ, NOW, article, capture, link, record

ALBUM = Link(Relation.ALBUM, "1234567890123456789", "", 0, "一图读懂", {"size": 12})


def lead(session: Session, *links: Link, number: int = 1, **more: object) -> None:
    """Store a page of post `number` that leads to these."""
    (id_,) = keep_captures(session, None, [(None, capture(b"page"))])
    store_readings(session, None, [(id_, article(record(number), links=links, **more))], NOW, 1)


def of(session: Session, number: int = 1) -> list[PostLink]:
    """What the current page of post `number` leads to."""
    session.expire_all()
    (post,) = queries.find_posts(session, f"{1000 + number}_1", BIZ)
    return links_of(session, post)


def missing(session: Session, limit: int = 100) -> list[str]:
    """The aids of posts that are linked and not archived."""
    found = posts_not_archived(session, limit)
    return ["_".join(each.key.split(":")[1:]) for each in found]


def test_a_page_ties_its_links_to_the_post_in_order(db_session: Session) -> None:
    second = link(3, position=1, text="又\0", facts={"itemshowtype": 0})
    lead(db_session, second, ALBUM, link(2))
    found = of(db_session)
    assert [(each.relation, each.position, each.key) for each in found] == [
        ("album", 0, ALBUM.key), ("post", 0, f"{BIZ}:1002:1"), ("post", 1, f"{BIZ}:1003:1"),
    ]  # fmt: skip
    assert (found[0].text, found[0].facts, found[0].url) == ("一图读懂", {"size": 12}, "")
    assert (found[2].text, found[2].facts, found[2].url) == ("又\ufffd", {"itemshowtype": 0}, second.url)


def test_a_picture_and_words_that_lead_to_the_same_post_are_one_link_with_the_words(
    db_session: Session,
) -> None:
    lead(db_session, link(2, text=""), link(2, position=1, text="甲"), link(2, position=2, text="乙"))
    assert [(each.position, each.text) for each in of(db_session)] == [(0, "甲")]


def test_a_link_that_is_gone_from_the_page_stays_but_is_not_current(db_session: Session) -> None:
    lead(db_session, link(2), link(3, position=1))
    lead(db_session, link(3), link(4, position=1))
    assert [each.key for each in of(db_session)] == [f"{BIZ}:1003:1", f"{BIZ}:1004:1"]
    assert db_session.scalar(select(func.count()).select_from(PostLink)) == 3
    assert missing(db_session) == ["1002_1", "1003_1", "1004_1"]


def test_half_a_page_changes_no_links(db_session: Session) -> None:
    lead(db_session, link(2))
    lead(db_session, link(3), needs_browser=True)
    assert [each.key for each in of(db_session)] == [f"{BIZ}:1002:1"]


def test_posts_that_are_only_linked_come_most_linked_first_at_their_best_address(db_session: Session) -> None:
    bare = link(7, text="")
    full = replace(bare, url=record(7).url, text="前文", relation=Relation.PREVIOUS)
    lead(db_session, bare, link(8), ALBUM, number=1)
    lead(db_session, full, bare, number=2)
    web = Link(Relation.WEB, "https://www.example.org/", "https://www.example.org/", 0)
    lead(db_session, link(8), link(9, Relation.NEXT), web, number=3)
    lead(db_session, link(8), number=4)
    assert posts_not_archived(db_session, 10) == [
        LinkedPost(f"{BIZ}:1008:1", link(8).url, "见前文", 3),
        LinkedPost(f"{BIZ}:1007:1", record(7).url, "前文", 2),
        LinkedPost(f"{BIZ}:1009:1", link(9).url, "见前文", 1),
    ]
    assert missing(db_session, 1) == ["1008_1"]


@pytest.mark.parametrize("known", ["sighted", "imported", "read from a saved page"])
def test_a_post_whose_address_or_page_is_known_is_not_missing(db_session: Session, known: str) -> None:
    lead(db_session, link(2), link(3))
    if known == "sighted":
        seen = [Sighting(parse_address(record(2).url), "list", NOW)]
        record_sightings(db_session, None, seen, NOW)
    elif known == "imported":
        import_records(db_session, None, [record(2)], "dump", NOW)
    else:
        lead(db_session, number=2)
    assert missing(db_session) == ["1003_1"]


def test_an_address_too_long_for_an_index_is_stored_whole(db_session: Session) -> None:
    url = "https://www.example.org/?" + "长" * 100_000
    for number in (1, 2):
        lead(db_session, Link(Relation.SOURCE, url, url, 0), number=number)
    (found,) = of(db_session)
    assert (found.url, len(found.key)) == (url, len("sha256:") + 64)
