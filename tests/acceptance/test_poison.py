"""One page or record that cannot be read or stored is named and unknown; everything else goes on."""

from pathlib import Path

from sqlalchemy import Engine, select, text

from archive.db.engine import transaction
from archive.db.models import SERIALS, Incident
from archive.domain.addresses import parse_address
from archive.domain.captures import CaptureData, SightingData
from archive.domain.outcomes import Outcome
from archive.ingest.pages import store_parse_results
from archive.repository.captures import store_captures
from archive.repository.frontier import record_sightings
from crawler.parse import PARSER_VERSION
from crawler.parse.page import classify
from tests.acceptance.command import Command
from tests.acceptance.dumps import dump_bytes, record
from tests.archive.making import NOW
from tests.crawler import pages

POISON = "毒"  # a title that the database of these tests refuses


def refuse_poison(engine: Engine) -> None:
    with transaction(engine) as session:
        session.execute(text(f"ALTER TABLE posts ADD CONSTRAINT poison CHECK (title <> '{POISON}')"))


def poisonous(mid: int) -> bytes:
    return pages.article(mid).replace(f"合成标题{mid}".encode(), POISON.encode())


def outcomes(engine: Engine) -> list[tuple[str, bool]]:
    with transaction(engine) as session:
        rows = session.execute(
            text(
                "SELECT outcome, reason LIKE '%Integrity%' FROM parse_results"
                " WHERE is_current ORDER BY capture_id"
            )
        )
        return [(outcome, named) for outcome, named in rows]


def incidents(engine: Engine) -> list[tuple[str, int, bool]]:
    with transaction(engine) as session:
        rows = session.scalars(select(Incident).order_by(Incident.id))
        return [(row.kind, (row.capture_id or 0) % SERIALS, row.closed_at is None) for row in rows]


def test_of_three_records_two_are_taken_and_the_bad_one_is_named(
    engine: Engine, mparchive: Command, tmp_path: Path
) -> None:
    refuse_poison(engine)
    dump = tmp_path / "dump.json"
    dump.write_bytes(dump_bytes([record(1), record(2, title=POISON), record(3)]))
    done = mparchive("backfill", dump, "--no-fetch")
    assert (done.code, "record 2" in done.err, "IntegrityError" in done.err) == (3, True, True), done.err
    with transaction(engine) as session:
        assert session.scalar(text("SELECT count(*) FROM posts")) == 2


def test_a_number_of_thousands_of_digits_in_a_dump_costs_no_other_record(
    engine: Engine, mparchive: Command, tmp_path: Path
) -> None:
    dump = tmp_path / "dump.json"
    bad = dump_bytes([record(1), record(2, title=0), record(3)]).replace(b": 0,", b": " + b"9" * 5000 + b",")
    dump.write_bytes(bad)
    done = mparchive("backfill", dump, "--no-fetch")
    assert (done.code, "record 2" in done.err) == (3, True), done.err
    with transaction(engine) as session:
        assert session.scalar(text("SELECT count(*) FROM posts")) == 2


def test_a_saved_page_that_cannot_be_stored_is_unknown_with_an_incident_until_it_can(
    engine: Engine, mparchive: Command, tmp_path: Path
) -> None:
    refuse_poison(engine)
    (tmp_path / "1.html").write_bytes(poisonous(1))
    (tmp_path / "2.html").write_bytes(pages.article(2))
    done = mparchive("backfill", tmp_path, "--no-fetch")
    assert (done.code, "1.html" in done.err) == (3, True), done.err
    assert outcomes(engine) == [("unknown", True), ("article", False)]
    assert incidents(engine) == [("capture", 1, True)]
    with transaction(engine) as session:
        session.execute(text("ALTER TABLE posts DROP CONSTRAINT poison"))
    assert mparchive("reparse", "--all", "--apply").code == 0
    assert outcomes(engine) == [("article", False), ("article", False)]
    assert incidents(engine) == [("capture", 1, False)]


def test_a_page_that_reparse_cannot_store_is_named_and_the_others_are_written(
    engine: Engine, mparchive: Command
) -> None:
    refuse_poison(engine)
    bodies = {1: pages.article(1), 2: poisonous(2), 3: pages.article(3)}
    captures = [CaptureData(pages.url(m), pages.url(m), 200, (), body, NOW) for m, body in bodies.items()]
    with transaction(engine) as session:
        seen = [SightingData(parse_address(one.requested_url), "list", NOW) for one in captures]
        ids = [one.address_id for one in record_sightings(session, None, seen, NOW)]
        kept = store_captures(session, None, list(zip(ids, captures, strict=True)))
    with transaction(engine) as session:
        notices = [classify(CaptureData("", "", 200, (), pages.deleted(), NOW))] * len(kept)
        store_parse_results(session, None, list(zip(kept, notices, strict=True)), NOW, PARSER_VERSION - 1)
    done = mparchive("reparse", "--apply")
    assert (done.code, "capture 2" in done.err) == (3, True), done.err
    assert [outcome for outcome, _ in outcomes(engine)] == ["article", Outcome.DELETED, "article"]
    assert incidents(engine) == [("capture", 2, True)]
