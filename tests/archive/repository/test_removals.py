"""Test what forgetting takes, and what stays because something else vouches for it."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from archive.db.models import Address, Post
from archive.domain.addresses import parse_address
from archive.domain.captures import SightingData
from archive.ingest.pages import import_records, store_parse_results
from archive.repository.captures import note_repeated, store_captures
from archive.repository.frontier import record_sightings
from archive.repository.removals import RemovalScope, scope_of_account, scope_of_posts, scope_of_runs
from archive.repository.runs import start_run
from tests.archive.making import BIZ, NOW, article, capture, image, record


def run(session: Session) -> int:
    return start_run(session, "backfill", {}, NOW)


def list_address(session: Session, run_id: int, number: int, source: str = "list") -> int:
    sighting = SightingData(parse_address(record(number).url), source, NOW)
    return record_sightings(session, run_id, [sighting], NOW)[0].address_id


def import_page(session: Session, run_id: int, number: int, body: bytes = b"<html>") -> int:
    address_id = list_address(session, run_id, number)
    (kept,) = store_captures(session, run_id, [(address_id, capture(body + b"%d" % number))])
    page = article(record(number, text=f"{body!r}"), media=(image("shared"), image(f"own{number}")))
    store_parse_results(session, run_id, [(kept, page)], NOW, 1)
    return kept


def aids(session: Session, scope: RemovalScope) -> list[str]:
    return sorted(session.scalars(select(Post.aid).where(Post.id.in_(scope.posts))))


def test_a_run_takes_its_posts_and_the_media_that_no_other_post_shows(db_session: Session) -> None:
    first, second = run(db_session), run(db_session)
    import_page(db_session, first, 1)
    kept = import_page(db_session, second, 2)
    scope = scope_of_runs(db_session, [second])
    assert (aids(db_session, scope), scope.captures, len(scope.media)) == (["1002_1"], {kept}, 1)
    assert not scope.queue


def test_a_capture_that_another_run_brought_again_stays(db_session: Session) -> None:
    first, second = run(db_session), run(db_session)
    kept = import_page(db_session, first, 1)
    note_repeated(db_session, kept, second)
    assert not scope_of_runs(db_session, [first]).captures
    assert aids(db_session, scope_of_runs(db_session, [first, second])) == ["1001_1"]


def test_a_post_that_a_source_lists_stays_unless_only_links_of_posts_name_it(db_session: Session) -> None:
    imported, checked = run(db_session), run(db_session)
    for number in (1, 2):
        import_page(db_session, imported, number)
    list_address(db_session, checked, 1, "feed")
    list_address(db_session, checked, 2, "neighbours")
    scope = scope_of_runs(db_session, [imported])
    assert (aids(db_session, scope), len(scope.kept)) == (["1002_1"], 1)


def test_a_post_stays_with_the_page_of_another_run(db_session: Session) -> None:
    first, second = run(db_session), run(db_session)
    kept = import_page(db_session, first, 1)
    import_page(db_session, second, 1, b"<html>edited")
    scope = scope_of_runs(db_session, [first])
    assert (scope.captures, scope.posts, len(scope.trimmed)) == ({kept}, frozenset(), 1)


def test_addresses_without_a_post_leave_the_queue_unless_another_run_listed_them(db_session: Session) -> None:
    first, second = run(db_session), run(db_session)
    alone, both = list_address(db_session, first, 1), list_address(db_session, first, 2)
    list_address(db_session, second, 2)
    assert scope_of_runs(db_session, [first]).queue == {alone}
    assert both not in scope_of_runs(db_session, [first]).addresses


def test_a_dump_that_another_run_read_again_stays(db_session: Session) -> None:
    first, second = run(db_session), run(db_session)
    import_records(db_session, first, [record(1), record(2)], "dump", NOW)
    import_records(db_session, second, [record(1)], "dump", NOW)
    assert aids(db_session, scope_of_runs(db_session, [first])) == ["1002_1"]
    assert scope_of_runs(db_session, [second]).is_empty


def test_an_account_and_a_post_take_their_addresses(db_session: Session) -> None:
    import_records(db_session, run(db_session), [record(1), record(2)], "dump", NOW)
    post = db_session.scalars(select(Post).where(Post.aid == "1001_1")).one()
    (address,) = db_session.scalars(select(Address.id).where(Address.aid == "1001_1"))
    assert scope_of_posts(db_session, [post.id], []).addresses == {address}
    assert len(scope_of_account(db_session, post.account_id, BIZ).addresses) == 2
