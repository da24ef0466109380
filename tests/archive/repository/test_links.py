"""What posts lead to."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from archive.db.models import PostLink
from archive.domain.outcomes import Relation
from archive.domain.parsed_page import LinkRef
from archive.ingest.pages import store_parse_results
from archive.repository import post_queries
from archive.repository.captures import store_captures
from archive.repository.posts import links_of
from tests.archive.making import BIZ, NOW, article, capture, link, record

ALBUM = LinkRef(Relation.ALBUM, "1234567890123456789", "", 0, "一图读懂", {"size": 12})


def lead(session: Session, *links: LinkRef, number: int = 1, **more: object) -> None:
    """Store a page of post `number` that leads to these."""
    (id_,) = store_captures(session, None, [(None, capture(b"page"))])
    store_parse_results(session, None, [(id_, article(record(number), links=links, **more))], NOW, 1)


def of(session: Session, number: int = 1) -> list[PostLink]:
    """Return the links of the current page of post `number`."""
    session.expire_all()
    (post,) = post_queries.find_posts(session, f"{1000 + number}_1", BIZ)
    return links_of(session, post)


def test_a_page_ties_its_links_to_the_post_in_order(db_session: Session) -> None:
    second = link(3, position=1, text="又\0", facts={"itemshowtype": 0})
    lead(db_session, second, ALBUM, link(2))
    found = of(db_session)
    assert [(each.relation, each.position, each.key) for each in found] == [
        ("album", 0, ALBUM.key), ("post", 0, f"{BIZ}:1002:1"), ("post", 1, f"{BIZ}:1003:1"),
    ]  # fmt: skip
    assert (found[0].text, found[0].page_metadata, found[0].url) == ("一图读懂", {"size": 12}, "")
    assert (found[2].text, found[2].page_metadata, found[2].url) == (
        "又\ufffd",
        {"itemshowtype": 0},
        second.url,
    )


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


def test_half_a_page_changes_no_links(db_session: Session) -> None:
    lead(db_session, link(2))
    lead(db_session, link(3), needs_browser=True)
    assert [each.key for each in of(db_session)] == [f"{BIZ}:1002:1"]


def test_an_address_too_long_for_an_index_is_stored_whole(db_session: Session) -> None:
    url = "https://www.example.org/?" + "长" * 100_000
    for number in (1, 2):
        lead(db_session, LinkRef(Relation.SOURCE, url, url, 0), number=number)
    (found,) = of(db_session)
    assert (found.url, len(found.key)) == (url, len("sha256:") + 64)
