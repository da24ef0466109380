"""Test how captures and versions are appended to the hash chains."""

import hashlib

from sqlalchemy import select
from sqlalchemy.orm import Session

from archive.db.models import ChainEntry
from archive.domain.addresses import parse_address
from archive.domain.captures import Sighting
from archive.ingest.pages import import_records
from archive.repository.captures import store_captures
from archive.repository.frontier import record_sightings
from archive.repository.hash_chain import START, append_captures, chain_heads, entry_digest
from tests.archive.making import BIZ, NOW, capture, record


def test_a_digest_is_of_the_digest_before_and_the_content() -> None:
    assert entry_digest(START, b"content") == hashlib.sha256(bytes(32) + b"content").digest()


def test_captures_of_no_account_and_versions_of_one_extend_chains_of_their_own(db_session: Session) -> None:
    store_captures(db_session, None, [(None, capture(b"1")), (None, capture(b"2"))])
    import_records(db_session, None, [record()], "dump", NOW)
    assert [(head.biz, head.length) for head in chain_heads(db_session)] == [("", 2), (BIZ, 1)]


def test_a_capture_belongs_to_the_account_of_its_address(db_session: Session) -> None:
    seen = Sighting(parse_address(record().url), "list", NOW)
    address = record_sightings(db_session, None, [seen], NOW)[0].address_id
    store_captures(db_session, None, [(address, capture())])
    assert [head.biz for head in chain_heads(db_session)] == [BIZ]


def test_every_entry_follows_from_the_one_before_and_the_head_is_the_last(db_session: Session) -> None:
    store_captures(db_session, None, [(None, capture(b"%d" % n)) for n in range(5)])
    digest = START
    for entry in db_session.scalars(select(ChainEntry).order_by(ChainEntry.position)):
        digest = entry_digest(digest, entry.content)
        assert entry.digest == digest
    assert [(head.length, head.digest) for head in chain_heads(db_session)] == [(5, digest.hex())]


def test_nothing_to_append_makes_no_chain(db_session: Session) -> None:
    append_captures(db_session, [])
    assert chain_heads(db_session) == []
