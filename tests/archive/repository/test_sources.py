"""What sources say is kept; a post is fetched once, by whichever address, and only of its own account."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from archive.db.models import Account, Address, Post, Sighting, Source
from archive.domain.addresses import canonical_url, parse_address
from archive.domain.captures import SightingData
from archive.domain.outcomes import Kind, Outcome, Relation
from archive.domain.parsed_page import ParsedPage
from archive.domain.update_decisions import StoreResult
from archive.ingest.pages import import_records, store_parse_results
from archive.repository.captures import store_captures
from archive.repository.frontier import due_addresses, record_sightings
from archive.repository.sources import (
    SourceReport,
    linked_addresses,
    linked_albums,
    post_texts,
    record_report,
    source_memories,
    titled_posts,
)
from tests.archive.making import BIZ, NOW, article, capture, link, record

OTHER = "Mzk5OTAwMDAwMg=="
SHORT = "https://mp.weixin.qq.com/s/AbCdEfGhIjKlMnOpQrStUv"
HOUR = timedelta(hours=1)


def sighting(url: str, *, expected: str = BIZ, source: str = "feed:rss.example/a") -> SightingData:
    return SightingData(parse_address(url), source, NOW, expected_biz=expected)


def report(*urls: str, **more: Any) -> SourceReport:
    return SourceReport(**{"biz": BIZ, "name": "album:1", "state": "ok", "good": True} | more,
                  sightings=[sighting(url, source="album:1") for url in urls])  # fmt: skip


def fetched(session: Session, address_id: int, reading: ParsedPage) -> StoreResult:
    """Store a page that an address gave."""
    (capture_id,) = store_captures(
        session, None, [(address_id, capture(reading.reason.encode() + b"<html>"))]
    )
    return store_parse_results(session, None, [(capture_id, reading)], NOW + HOUR)[0]


def row(session: Session, url: str) -> Address:
    return session.scalars(select(Address).where(Address.key == parse_address(url).key)).one()


def bare(number: int) -> str:
    return record(number, chksm="").url


def test_what_a_source_says_is_kept_with_its_sightings(db_session: Session) -> None:
    (first, _) = record_report(
        db_session, None, report(record(1).url, record(2).url, newest=NOW, memory={"etag": "x"}), NOW
    )
    assert first.is_new
    source = db_session.scalars(select(Source)).one()
    assert (source.name, source.state, source.listed_count, source.new_count) == ("album:1", "ok", 2, 2)
    assert (source.newest_at, source.last_good_at, source.consecutive_failures) == (NOW, NOW, 0)
    assert source_memories(db_session, BIZ) == {"album:1": {"etag": "x"}}
    assert source_memories(db_session, OTHER) == {}
    assert len(due_addresses(db_session, NOW, 10)) == 2


def test_the_state_of_a_source_has_a_beginning_and_failures_are_counted(db_session: Session) -> None:
    record_report(db_session, None, report(record(1).url, newest=NOW), NOW)
    for hours in (1, 2, 3):
        worse = report(state="unreachable", good=False, detail="no answer within 60 s")
        record_report(db_session, None, worse, NOW + hours * HOUR)
    source = db_session.scalars(select(Source)).one()
    assert (source.state, source.state_since, source.consecutive_failures) == ("unreachable", NOW + HOUR, 3)
    assert (source.last_good_at, source.last_tried_at, source.newest_at) == (NOW, NOW + 3 * HOUR, NOW)
    record_report(db_session, None, report(record(1).url), NOW + 4 * HOUR)
    assert (source.consecutive_failures, source.state_since, source.new_count) == (0, NOW + 4 * HOUR, 0)


def test_a_source_found_good_again_is_not_left_alone_for_as_long_as_one_that_failed(
    db_session: Session,
) -> None:
    record_report(db_session, None, report(state="login_expired", good=False), NOW)
    source = db_session.scalars(select(Source)).one()
    for good, planned in ((False, NOW + 24 * HOUR), (True, None)):
        source.next_fetch_at = NOW + 24 * HOUR
        record_report(db_session, None, report(state="ok" if good else "refused", good=good), NOW + HOUR)
        assert source.next_fetch_at == planned
    source.next_fetch_at = NOW + 24 * HOUR
    record_report(db_session, None, report(), NOW + 2 * HOUR)
    assert source.next_fetch_at == NOW + 24 * HOUR


def test_two_sources_of_one_post_make_one_address_and_two_sightings(db_session: Session) -> None:
    record_report(db_session, None, report(bare(1), name="neighbours"), NOW)
    both = SourceReport(BIZ, "feed:x", "ok", True, sightings=[sighting(record(1).url, source="feed:x")])
    record_report(db_session, None, both, NOW)
    (address,) = db_session.scalars(select(Address))
    assert "chksm=be48" in address.url
    assert len(db_session.scalars(select(Sighting)).all()) == 2


def test_a_short_link_settles_the_long_address_of_its_post(db_session: Session) -> None:
    record_sightings(db_session, None, [sighting(record(1).url), sighting(SHORT)], NOW)
    page = article(replace(record(1), url=bare(1)))
    assert fetched(db_session, row(db_session, SHORT).id, page) is StoreResult.NEW
    assert due_addresses(db_session, NOW + HOUR, 10) == []
    assert row(db_session, bare(1)).last_outcome == "article"
    assert db_session.scalars(select(Post.url)).one() == record(1).url, "the post lacks the chksm known"


def test_a_long_address_that_failed_is_not_fetched_again_once_its_post_came_by_a_short_link(
    db_session: Session,
) -> None:
    record_sightings(db_session, None, [sighting(record(1).url), sighting(SHORT)], NOW)
    challenged = ParsedPage(Outcome.VERIFICATION, reason="verify")
    fetched(db_session, row(db_session, record(1).url).id, challenged)
    assert row(db_session, record(1).url).next_fetch_at is not None
    fetched(db_session, row(db_session, SHORT).id, article(record(1)))
    assert row(db_session, record(1).url).next_fetch_at is None


def test_an_archived_post_is_not_fetched_again_for_a_new_address_of_it(db_session: Session) -> None:
    record_sightings(db_session, None, [sighting(SHORT)], NOW)
    fetched(db_session, row(db_session, SHORT).id, article(replace(record(1), url=bare(1))))
    (seen,) = record_sightings(db_session, None, [sighting(record(1).url)], NOW + HOUR)
    assert seen.is_new
    assert due_addresses(db_session, NOW + HOUR, 10) == []
    assert db_session.scalars(select(Post.url)).one() == record(1).url


def test_a_post_known_from_a_dump_alone_is_fetched(db_session: Session) -> None:
    import_records(db_session, None, [record(1)], "dump", NOW)
    assert len(due_addresses(db_session, NOW, 10)) == 1
    (seen,) = record_sightings(db_session, None, [sighting(record(1).url)], NOW)
    assert not seen.is_new
    assert len(due_addresses(db_session, NOW, 10)) == 1


def test_an_address_with_chksm_never_loses_it(db_session: Session) -> None:
    import_records(db_session, None, [record(1)], "dump", NOW)
    record_sightings(db_session, None, [sighting(bare(1)), sighting(record(1, chksm="f00d").url)], NOW)
    assert db_session.scalars(select(Post.url)).one() == record(1).url


def other_accounts(number: int = 9) -> ParsedPage:
    url = canonical_url(OTHER, str(1000 + number), "1", "5a", "be48")
    foreign = replace(record(number), url=url, account="合成别号")
    return ParsedPage(Outcome.ARTICLE, kind=Kind.ARTICLE, record=foreign, biz=OTHER)


def test_a_short_link_to_another_account_is_kept_as_a_page_and_no_post(db_session: Session) -> None:
    record_sightings(db_session, None, [sighting(SHORT)], NOW)
    assert fetched(db_session, row(db_session, SHORT).id, other_accounts()) is StoreResult.FOREIGN
    assert db_session.scalars(select(Post)).all() == []
    assert OTHER not in db_session.scalars(select(Account.biz)).all()
    address = row(db_session, SHORT)
    assert (address.last_outcome, address.next_fetch_at, address.aid) == ("article", None, None)
    assert OTHER in address.last_reason


def test_what_somebody_gave_by_hand_is_wanted_whoever_it_is_of(db_session: Session) -> None:
    by_hand = sighting(SHORT, expected="", source="list")
    for order in ([by_hand], [sighting(SHORT), by_hand], [by_hand, sighting(SHORT)]):
        with db_session.begin_nested() as savepoint:
            for one in order:
                record_sightings(db_session, None, [one], NOW)
            assert row(db_session, SHORT).expected_biz is None
            assert fetched(db_session, row(db_session, SHORT).id, other_accounts()) is StoreResult.NEW
            savepoint.rollback()


def test_a_post_of_an_account_that_is_watched_too_is_taken(db_session: Session) -> None:
    record_report(db_session, None, SourceReport(OTHER, "neighbours", "unchanged", True), NOW)
    record_sightings(db_session, None, [sighting(SHORT)], NOW)
    assert fetched(db_session, row(db_session, SHORT).id, other_accounts()) is StoreResult.NEW


def test_strangers_and_ones_own_in_one_batch_are_told_apart(db_session: Session) -> None:
    urls = [SHORT, SHORT + "2", record(3).url]
    record_sightings(db_session, None, [sighting(url) for url in urls], NOW)
    pages = [other_accounts(), article(record(2)), article(record(3))]
    ids = [row(db_session, url).id for url in urls]
    captures = store_captures(db_session, None, [(i, capture(b"%d" % i)) for i in ids])
    stored = store_parse_results(db_session, None, list(zip(captures, pages, strict=True)), NOW)
    assert stored == [StoreResult.FOREIGN, StoreResult.NEW, StoreResult.NEW]
    assert sorted(db_session.scalars(select(Post.aid))) == ["1002_1", "1003_1"]


def linking(number: int, *links: Any) -> ParsedPage:
    return replace(article(record(number)), links=links)


def store_page(session: Session, number: int, *links: Any) -> None:
    record_sightings(session, None, [sighting(record(number).url)], NOW)
    fetched(session, row(session, record(number).url).id, linking(number, *links))


def test_posts_that_known_ones_lead_to_are_offered_until_they_are_known(db_session: Session) -> None:
    foreign = replace(link(8), key=f"{OTHER}:1008:1", url=other_accounts(8).record.url)  # type: ignore[union-attr]
    short = replace(link(7, position=1), key="s/AbCdEfGhIjKlMnOpQrStUv", url=SHORT)
    album = replace(link(6, Relation.ALBUM), key="3900")
    store_page(db_session, 1, link(5), short, foreign, album)
    store_page(db_session, 2, replace(link(5, Relation.PREVIOUS), url=record(5).url), album)
    found = linked_addresses(db_session, BIZ, 10)
    assert [(one.url, one.posts) for one in found] == [(record(5).url, 2), (SHORT, 1)]
    assert linked_addresses(db_session, OTHER, 10) == []
    assert linked_albums(db_session, BIZ, 10) == ["3900"]
    record_sightings(db_session, None, [sighting(record(5).url)], NOW)
    assert [one.url for one in linked_addresses(db_session, BIZ, 10)] == [SHORT]


def test_titles_come_newest_first_with_their_texts_on_demand(db_session: Session) -> None:
    store_page(db_session, 1)
    store_page(db_session, 2)
    found = titled_posts(db_session, BIZ, 10)
    assert [post.aid for post in found] == ["1002_1", "1001_1"]
    assert post_texts(db_session, [found[0].id]) == {found[0].id: record(2).text}
