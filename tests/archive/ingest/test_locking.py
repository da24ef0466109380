"""The order in which rows are locked, without which writers end in a deadlock.

One session holds what a writer needs first; whatever the writer needs later must still be free then.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import partial

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from archive.db.engine import transaction
from archive.domain.addresses import parse_address
from archive.domain.captures import SightingData
from archive.domain.outcomes import Outcome
from archive.domain.parsed_page import ParsedPage
from archive.ingest.pages import import_records, store_parse_results
from archive.repository import post_queries
from archive.repository.address_outcomes import record_failures
from archive.repository.captures import store_captures
from archive.repository.frontier import claim_addresses, make_due, record_sightings
from archive.repository.media import due_media, give_up_expired, make_media_due, store_file
from tests.archive.making import BIZ, NOW, article, capture, image, kept_file, record, video

HOUR = timedelta(hours=1)
RECORDS = [record(n) for n in (1, 2, 3)]
WAITING = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)
Work = Callable[[Session], object]


def sight(session: Session) -> list[int]:
    """Record sightings of the three addresses, the last first; return their ids."""
    seen = [SightingData(parse_address(each.url), "list", NOW) for each in RECORDS[::-1]]
    return [sighted.address_id for sighted in record_sightings(session, None, seen, NOW)]


def sight_backwards(session: Session) -> list[int]:
    """Record the same one at a time, so that the ids are in the opposite order of the keys."""
    for each in RECORDS[::-1]:
        record_sightings(session, None, [SightingData(parse_address(each.url), "list", NOW)], NOW)
    return sight(session)


@contextmanager
def stopped_at(engine: Engine, held: str, work: Work) -> Iterator[Session]:
    """Run `work` in a thread until it waits for what `held` has locked; afterwards it must end well."""
    with ThreadPoolExecutor(1) as pool:
        with transaction(engine) as holding:
            holding.execute(text(held))
            working = pool.submit(_in_transaction, engine, work)
            _until_waiting(engine, working)
            yield holding
        working.result()


def _in_transaction(engine: Engine, work: Work) -> None:
    with transaction(engine) as session:
        work(session)


def _until_waiting(engine: Engine, working: Future[None]) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while not connection.execute(WAITING).scalar_one():
            assert not working.done(), "it did not wait"


def lock(session: Session, rows: str) -> None:
    """Lock these rows; an error when somebody else has one."""
    assert session.execute(text(f"SELECT id FROM {rows} FOR UPDATE NOWAIT")).all()


def lock_addresses_from(session: Session, number: int) -> None:
    """Lock the addresses from this one on."""
    listed = ", ".join(parse_address(each.url).mid for each in RECORDS[number:])
    lock(session, f"addresses WHERE mid IN ({listed})")


FIRST_ADDRESS = f"SELECT id FROM addresses WHERE (biz, mid, idx) = ('{BIZ}', 1001, 1) FOR UPDATE"
ACCOUNT = "SELECT id FROM accounts FOR UPDATE"


def test_every_writer_takes_addresses_in_the_order_of_their_keys(engine: Engine) -> None:
    with transaction(engine) as session:
        ids = sight_backwards(session)
    writers: list[Work] = [
        sight,
        lambda session: make_due(session, ids, NOW),
        lambda session: record_failures(session, None, [(id_, "timeout") for id_ in ids], NOW),
        lambda session: import_records(session, None, RECORDS[::-1], "dump", NOW),
    ]
    for writer in writers:
        with stopped_at(engine, FIRST_ADDRESS, writer) as holding:
            lock_addresses_from(holding, 1)


def test_pages_are_stored_account_first_then_addresses_then_captures(engine: Engine) -> None:
    with transaction(engine) as session:
        ids = sight_backwards(session)
        kept = store_captures(session, None, [(id_, capture(str(id_).encode())) for id_ in ids])
    readings = [(id_, article(each)) for id_, each in zip(kept, RECORDS[::-1], strict=True)]

    def store(session: Session) -> None:
        store_parse_results(session, None, readings, NOW, 1)

    with stopped_at(engine, ACCOUNT, store) as holding:
        lock_addresses_from(holding, 0)
    with stopped_at(engine, FIRST_ADDRESS, store) as holding:
        lock_addresses_from(holding, 1)
        lock(holding, "captures")


def test_a_dump_is_imported_account_first_then_addresses(engine: Engine) -> None:
    with transaction(engine) as session:
        sight(session)  # the account has no name yet, and two writers will name it
    with stopped_at(
        engine, ACCOUNT, lambda session: import_records(session, None, RECORDS, "dump", NOW)
    ) as holding:
        lock_addresses_from(holding, 0)


def test_addresses_are_claimed_in_the_order_of_their_keys(engine: Engine) -> None:
    with transaction(engine) as session:
        ids = sight_backwards(session)
        run = session.execute(
            text("INSERT INTO runs (command, started_at) VALUES ('run', now()) RETURNING id")
        ).scalar_one()
    with stopped_at(
        engine, FIRST_ADDRESS, lambda session: claim_addresses(session, run, ids, NOW)
    ) as holding:
        lock_addresses_from(holding, 1)


def test_known_posts_are_taken_in_the_order_of_their_aids(engine: Engine) -> None:
    with transaction(engine) as session:
        import_records(session, None, RECORDS[::-1], "dump", NOW)
        kept = store_captures(session, None, [(None, capture(b"1")), (None, capture(b"2"))])
    readings = [(id_, article(record(n, text="改"))) for id_, n in zip(kept, (3, 1), strict=True)]

    def store(session: Session) -> None:
        store_parse_results(session, None, readings, NOW, 1)

    with stopped_at(engine, "SELECT id FROM posts WHERE aid = '1001_1' FOR UPDATE", store) as holding:
        lock(holding, "posts WHERE aid = '1003_1'")
    with transaction(engine) as session:
        assert [r.text for r in post_queries.records(session)] == ["改", RECORDS[1].text, "改"]


def test_posts_that_gain_a_chksm_are_taken_in_the_order_of_their_aids(engine: Engine) -> None:
    """Also by an import, where the first post has one already and only the others gain it."""
    first = "SELECT id FROM posts WHERE aid = '1001_1' FOR UPDATE"
    with transaction(engine) as session:  # their ids go against the order of their aids
        import_records(session, None, [record(n, chksm="") for n in (3, 2, 1)], "dump", NOW)
    with stopped_at(engine, first, sight) as holding:
        lock(holding, "posts WHERE aid <> '1001_1'")
    with transaction(engine) as session:
        session.execute(text("UPDATE posts SET url = replace(url, '&chksm=be48', '') WHERE aid <> '1001_1'"))
    importing = partial(import_records, run_id=None, records=RECORDS, source="dump", now=NOW)
    with stopped_at(engine, first, importing) as holding:
        lock(holding, "posts WHERE aid <> '1001_1'")
    with transaction(engine) as session:
        assert all("chksm=be48" in one.url for one in post_queries.records(session))


def test_media_are_taken_in_the_order_of_their_keys_whichever_post_shows_them(engine: Engine) -> None:
    run = f"INSERT INTO runs (command, started_at) VALUES ('run', '{NOW}') RETURNING id"
    with transaction(engine) as session:
        run_id = session.execute(text(run)).scalar_one()
        seen = [SightingData(parse_address(each.url), "list", NOW) for each in RECORDS]
        record_sightings(session, run_id, seen, NOW)
        first, *_ = kept = store_captures(session, None, [(None, capture(b"1")), (None, capture(b"2"))])
        backwards = tuple(video(name=name) for name in "cba")  # their ids go against the order of their keys
        store_parse_results(session, None, [(first, article(RECORDS[0], media=backwards))], NOW, 1)
        session.execute(text("UPDATE media SET next_fetch_at = NULL"))
    shown = [(RECORDS[1], video("new", 3, "c")), (RECORDS[0], video("new", 3, "a"))]
    readings = [(id_, article(each, media=(one,))) for id_, (each, one) in zip(kept, shown, strict=True)]
    writers: list[Work] = [
        lambda session: store_parse_results(session, None, readings, NOW, 1),
        lambda session: make_media_due(session, run_id, NOW),
        lambda session: give_up_expired(session, NOW + 4 * HOUR),
    ]
    for writer in writers:
        with stopped_at(engine, "SELECT id FROM media WHERE key = 'a' FOR UPDATE", writer) as holding:
            lock(holding, "media WHERE key <> 'a'")


def test_a_file_is_noted_while_a_page_that_shows_it_is_stored(engine: Engine) -> None:
    with transaction(engine) as session:
        (kept,) = store_captures(session, None, [(None, capture())])
        store_parse_results(session, None, [(kept, article(RECORDS[0], media=(image("a"),)))], NOW, 1)
        (medium,) = due_media(session, NOW, 1, types=["image"])
    with transaction(engine) as storing:
        store_parse_results(storing, None, [(kept, article(RECORDS[0], media=(image("b"),)))], NOW, 1)
        with transaction(engine) as noting:  # waits for nothing that storing has
            noting.execute(text("SET LOCAL lock_timeout = '2s'"))
            store_file(noting, medium.id, kept_file(), NOW)


def test_posts_that_are_away_are_taken_with_those_that_are_there_in_the_order_of_their_aids(
    engine: Engine,
) -> None:
    with transaction(engine) as session:
        import_records(session, None, RECORDS, "dump", NOW)
        pages = [(id_, capture(str(id_).encode())) for id_ in sight(session)]
        kept = store_captures(session, None, pages)
    gone = ParsedPage(Outcome.DELETED, "gone")
    readings = list(zip(kept, (article(record(3, text="改")), gone, gone), strict=True))

    def store(session: Session) -> None:
        store_parse_results(session, None, readings, NOW, 1)

    with stopped_at(engine, "SELECT id FROM posts WHERE aid = '1001_1' FOR UPDATE", store) as holding:
        lock(holding, "posts WHERE aid <> '1001_1'")
    with transaction(engine) as session:
        assert session.execute(text("SELECT count(*) FROM absences")).scalar_one() == 2
