"""Test that the first page of a template is stored whole, the others as deltas, and all come back exactly."""

import gzip
from collections.abc import Sequence
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from archive.db.engine import transaction
from archive.domain.errors import IntegrityError
from archive.reports import status
from archive.repository import bodies as bodies_module
from archive.repository import captures
from archive.repository.bodies import bodies, capture_body
from archive.repository.captures import store_captures
from tests.archive.making import capture, template


def page(number: int, of: int = 1) -> bytes:
    """Make page `number` of the template `of`."""
    return template(of) + f'<p class="page">第 {number} 篇</p>'.encode()


def keep(session: Session, *pages: bytes, **more: object) -> list[int]:
    """Store these pages in one batch."""
    return store_captures(session, None, [(None, capture(body, **more)) for body in pages])


def references_of(session: Session, ids: Sequence[int]) -> list[int | None]:
    """Return the first capture of the body that each capture's is stored against."""
    of = text(
        "SELECT (SELECT min(base.id) FROM captures base WHERE base.sha256 = b.base_sha256)"
        " FROM captures c JOIN bodies b ON b.sha256 = c.sha256 WHERE c.id = :id"
    )
    return [session.scalar(of, {"id": id_}) for id_ in ids]


def hash_of(session: Session, capture_id: int) -> str:
    """Return the SHA-256 of a capture's body in hexadecimal."""
    of = text("SELECT encode(sha256, 'hex') FROM captures WHERE id = :id")
    return str(session.scalar(of, {"id": capture_id}))


def test_equal_bodies_are_stored_once(db_session: Session) -> None:
    ids = keep(db_session, page(1), page(2), page(1), b"x", b"x")
    ids += keep(db_session, page(2), page(1))
    assert db_session.scalar(text("SELECT count(*) FROM bodies")) == 3
    assert read_back(db_session, ids) == [page(1), page(2), page(1), b"x", b"x", page(2), page(1)]


def test_a_base_that_another_process_has_stored_as_a_delta_is_not_used(
    db_session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    (base,) = keep(db_session, template(1, 100_000)[:30_000])
    meanwhile, further = template(1, 100_000)[:30_000] + b"1", template(1, 100_000)[:30_000] + b"2"
    encode = bodies_module._encode

    def raced(session: Session, captures: Any) -> Any:
        """Encode without the base, while the first body is stored against it by somebody else."""
        captures = list(captures)
        monkeypatch.setattr(bodies_module, "_encode", encode)
        with monkeypatch.context() as alone:
            alone.setattr(bodies_module, "_recent_bases", lambda _: [])
            found = encode(session, captures)
        bodies_module.store_bodies(session, captures[:1])
        return found

    monkeypatch.setattr(bodies_module, "_encode", raced)
    ids = keep(db_session, meanwhile, further)
    assert references_of(db_session, ids) == [base, None]
    assert read_back(db_session, ids) == [meanwhile, further]


def read_back(session: Session, ids: Sequence[int]) -> list[bytes | str]:
    """Read each body, or the sentence that says what is wrong with it."""
    return [str(body) if isinstance(body, IntegrityError) else body for _, body in bodies(session, ids)]


def test_further_pages_are_stored_against_the_first_of_their_template(db_session: Session) -> None:
    pages = [page(1), page(2), page(1, of=2), page(3), page(2, of=2)]
    first, _, other, third, _ = ids = keep(db_session, *pages)
    assert ids == sorted(ids)
    assert references_of(db_session, ids) == [None, first, None, first, other]
    later = keep(db_session, page(4), page(3, of=2), rendered=True)
    assert references_of(db_session, later) == [first, other]
    assert read_back(db_session, ids + later) == [*pages, page(4), page(3, of=2)]
    assert captures.load_capture(db_session, third).body == capture_body(db_session, third) == page(3)
    assert status.archive_status(db_session, capture().fetched_at).stored_bytes < len(page(1)) * 1.5


def test_what_a_page_shares_counts_and_not_how_new_a_reference_is(db_session: Session) -> None:
    mixed = template(1)[:15_000] + template(2)[15_000:]  # three quarters of it
    ids = keep(db_session, page(1), mixed, page(1, of=3))
    assert references_of(db_session, ids) == [None] * 3
    nearly = mixed.replace(b"return", b"", 3)
    assert references_of(db_session, keep(db_session, page(9), nearly, page(9, of=3))) == ids


def test_a_template_that_has_moved_gets_a_reference_of_its_own(db_session: Session) -> None:
    moved = template(1)[:10_000] + template(4)[:10_000]
    before, after = keep(db_session, page(1), moved)
    assert references_of(db_session, [after]) == [None]
    assert references_of(db_session, keep(db_session, moved + b"2", page(2))) == [after, before]
    stored_twice = "SELECT count(*) FROM bodies a JOIN bodies b ON b.sha256 = a.base_sha256"
    assert db_session.scalar(text(f"{stored_twice} WHERE b.base_sha256 IS NOT NULL")) == 0


@pytest.mark.parametrize("body", [b"", b"x", template(1)[:4000]], ids=["nothing", "a byte", "4000 bytes"])
def test_small_bodies_are_stored_whole_and_nothing_against_them(db_session: Session, body: bytes) -> None:
    ids = keep(db_session, body, body, body)
    assert references_of(db_session, ids) == [None] * 3
    assert read_back(db_session, ids) == [body] * 3


def test_a_page_is_never_stored_against_one_of_quite_another_size(db_session: Session) -> None:
    ids = keep(db_session, template(1, 100_000), template(1, 100_000)[:20_000])
    assert references_of(db_session, ids) == [None, None]


def test_pages_kept_before_there_were_references_become_some(db_session: Session) -> None:
    (old,) = keep(db_session, page(1))
    gzipped = "UPDATE bodies SET codec = 'gzip', data = :data"
    db_session.execute(text(gzipped), {"data": gzip.compress(page(1))})
    further = keep(db_session, page(2))
    assert references_of(db_session, further) == [old]
    assert read_back(db_session, [old, *further]) == [page(1), page(2)]


def test_a_reference_whose_transaction_was_undone_is_forgotten(db_session: Session) -> None:
    with db_session.begin_nested() as undone:
        keep(db_session, page(1))
        undone.rollback()
    first, _ = ids = keep(db_session, page(1), page(2))
    assert references_of(db_session, ids) == [None, first]


def test_two_at_once_each_keep_a_reference_and_whoever_comes_next_uses_either(engine: Engine) -> None:
    with transaction(engine) as one, transaction(engine) as other:
        ids = keep(one, page(1), page(2))
        ids += keep_apart(other, page(3), page(4))
    with transaction(engine) as session:
        assert references_of(session, ids) == [None, ids[0], None, ids[2]]
        (next_,) = keep(session, page(5))
        assert references_of(session, [next_])[0] in (ids[0], ids[2])
        assert read_back(session, [*ids, next_]) == [page(number) for number in range(1, 6)]


def keep_apart(session: Session, *pages: bytes) -> list[int]:
    """Store pages of an address of their own, whose chain nobody else has locked."""
    biz = "MjM5MDU2MTc4NQ=="
    new = "INSERT INTO addresses (biz, mid, idx, url) VALUES (:biz, 1, 1, '') RETURNING id"
    address_id = session.scalar(text(new), {"biz": biz})
    return store_captures(session, None, [(address_id, capture(body)) for body in pages])


def test_only_so_many_references_are_known_and_those_in_use_are_kept(
    db_session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    (used,) = keep(db_session, page(1))
    for of in range(2, bodies_module.MAX_BASES + 4):
        keep(db_session, page(1, of=of), page(of))
    assert references_of(db_session, keep(db_session, page(0))) == [used]
    assert len(bodies_module._decoded) == bodies_module.MAX_BASES
    assert references_of(db_session, keep(db_session, page(2, of=2))) == [
        None
    ]  # long not used, and forgotten
    monkeypatch.setattr(bodies_module, "MAX_BASE_BYTES", 3 * len(page(1)))
    keep(db_session, page(99))
    assert sum(len(body) for body, _ in bodies_module._decoded.values()) <= 3 * len(page(1))


def test_reading_asks_for_a_page_and_its_reference_and_for_that_once(
    db_session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = keep(db_session, *(page(number) for number in range(6)))
    asked: list[object] = []
    execute = psycopg.Cursor.execute

    def counted(cursor: Any, statement: Any, *arguments: Any, **options: Any) -> Any:
        asked.append(statement)
        return execute(cursor, statement, *arguments, **options)

    monkeypatch.setattr(psycopg.Cursor, "execute", counted)
    capture_body(db_session, ids[3])
    assert len(asked) == 2
    asked.clear()
    list(bodies(db_session, ids))
    assert len(asked) == len(ids) + 1


@pytest.mark.parametrize("column", ["data", "sha256"])
def test_one_bit_of_a_page_that_has_flipped_is_an_error_that_names_it(
    db_session: Session, column: str
) -> None:
    reference, further, other = keep(db_session, page(1), page(2), page(3))
    flip(db_session, column, further)
    assert read_back(db_session, [reference, other]) == [page(1), page(3)]
    for read in (captures.load_capture, capture_body):
        with pytest.raises(IntegrityError, match=f"^capture {further}: (the|its) body "):
            read(db_session, further)


def test_one_bit_of_a_reference_that_has_flipped_names_it_for_every_page_that_needs_it(
    db_session: Session,
) -> None:
    reference, further, other = ids = keep(db_session, page(1), page(2), page(1, of=2))
    flip(db_session, "data", reference)
    damage, through, whole = read_back(db_session, ids)[0], *read_back(db_session, [further, other])
    assert str(damage).startswith(f"capture {reference}: the body ")
    base = hash_of(db_session, reference)
    assert str(through).startswith(f"capture {further}: its delta base, {base}: the body ")
    assert whole == page(1, of=2)


def test_a_capture_whose_hash_is_damaged_damages_no_other_page(db_session: Session) -> None:
    reference, _ = ids = keep(db_session, page(1), page(2))
    flip(db_session, "sha256", reference)
    damage, whole = read_back(db_session, ids)
    assert str(damage) == f"capture {reference}: its body is missing"
    assert whole == page(2)


def flip(session: Session, column: str, capture_id: int) -> None:
    """Turn one bit over."""
    flipped = f"SET {column} = set_bit({column}, 101, 1 - get_bit({column}, 101))"
    of_capture = "(SELECT sha256 FROM captures WHERE id = :id)"
    change = f"UPDATE captures {flipped} WHERE id = :id"
    if column == "data":
        change = f"UPDATE bodies {flipped} WHERE sha256 = {of_capture}"
    session.execute(text("SET LOCAL session_replication_role = replica"))  # no triggers, no foreign keys
    session.execute(text(change), {"id": capture_id})


TAMPERED = {
    "DELETE FROM bodies WHERE sha256 = :further": "body is missing",
    "DELETE FROM bodies WHERE sha256 = :reference": "its delta base, {reference}, is missing",
    "UPDATE bodies SET base_sha256 = '\\x00' WHERE sha256 = :further": "its delta base, 00, is missing",
    "UPDATE bodies SET base_sha256 = NULL WHERE sha256 = :further": "has no delta base",
    "UPDATE bodies SET base_sha256 = sha256 WHERE sha256 = :further": "itself stored as a delta",
    "UPDATE bodies SET codec = 'zstd' WHERE sha256 = :further": "has a delta base",
    "UPDATE bodies SET codec = 'br' WHERE sha256 = :reference": "{reference}: .*'br'",
}


@pytest.mark.parametrize(("change", "sentence"), TAMPERED.items(), ids=TAMPERED)
def test_a_reference_that_is_not_what_it_was_is_named(
    db_session: Session, change: str, sentence: str
) -> None:
    reference, further = keep(db_session, page(1), page(2))
    named = {"reference": hash_of(db_session, reference), "further": hash_of(db_session, further)}
    db_session.execute(text("ALTER TABLE bodies DROP CONSTRAINT ck__bodies__codec"))
    db_session.execute(text("SET LOCAL session_replication_role = replica"))  # no foreign keys
    db_session.execute(
        text(change), {name: bytes.fromhex(hash_) for name, hash_ in named.items() if f":{name}" in change}
    )
    with pytest.raises(IntegrityError, match=f"^capture {further}: .*{sentence.format(**named)}"):
        capture_body(db_session, further)


def test_a_reference_cannot_be_deleted_while_something_is_stored_against_it(db_session: Session) -> None:
    keep(db_session, page(1), page(2))
    for table in ("chain_entries", "unparsed_captures", "captures"):
        db_session.execute(text(f"DELETE FROM {table}"))
    with pytest.raises(DBAPIError, match="fk__bodies__base_sha256__bodies"):
        db_session.execute(text("DELETE FROM bodies WHERE base_sha256 IS NULL"))


def test_nothing_is_stored_against_a_damaged_page_and_it_is_said(
    db_session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    (damaged,) = keep(db_session, page(1))
    bodies_module._decoded.clear()  # as in a process that starts
    db_session.execute(text("UPDATE bodies SET data = 'x'"))
    first, _ = ids = keep(db_session, page(2), page(3))
    assert references_of(db_session, ids) == [None, first]
    (record,) = caplog.records
    sha256 = hash_of(db_session, damaged)
    assert (record.action, record.sha256) == ("reference_damaged", sha256)  # type: ignore[attr-defined]
    assert read_back(db_session, ids) == [page(2), page(3)]


def test_a_body_is_unused_only_when_no_other_capture_has_it(db_session: Session) -> None:
    first, second, other = keep(db_session, page(1), page(1), page(2))
    assert bodies_module.unused_bodies(db_session, [first]) == []
    assert bodies_module.unused_bodies(db_session, [first, other]) == [capture(page(2)).sha256]
    unused = bodies_module.unused_bodies(db_session, [first, second])
    assert unused == [capture(page(1)).sha256]
    db_session.execute(text("SET LOCAL session_replication_role = replica"))
    db_session.execute(text("DELETE FROM captures WHERE id <> :id"), {"id": other})
    bodies_module.remove_bodies(db_session, unused)
    assert read_back(db_session, [other]) == [page(2)]
    assert db_session.scalar(text("SELECT count(*) FROM bodies")) == 1
