"""Test how captures and versions are appended to the hash chains."""

import hashlib

from sqlalchemy import Engine, func, select, update
from sqlalchemy.orm import Session

from archive.db.engine import transaction
from archive.db.models import Account, ChainEntry, PendingFact
from archive.domain.addresses import parse_address
from archive.domain.captures import SightingData
from archive.ingest.pages import import_records
from archive.repository.accounts import put_accounts
from archive.repository.captures import store_captures
from archive.repository.evidence import FactKind
from archive.repository.frontier import record_sightings, submit_sightings
from archive.repository.hash_chain import START, append_captures, chain_heads, entry_digest
from tests.archive.making import BIZ, NOW, capture, record


def test_a_digest_is_of_the_digest_before_and_the_content() -> None:
    assert entry_digest(START, b"content") == hashlib.sha256(bytes(32) + b"content").digest()
    assert entry_digest(START, b"content", "post 1") == hashlib.sha256(bytes(32) + b"contentpost 1").digest()


def test_captures_of_no_account_and_versions_of_one_extend_chains_of_their_own(db_session: Session) -> None:
    store_captures(db_session, None, [(None, capture(b"1")), (None, capture(b"2"))])
    import_records(db_session, None, [record()], "dump", NOW)
    assert [(head.biz, head.length) for head in chain_heads(db_session)] == [("", 2), (BIZ, 5)]


def test_a_capture_belongs_to_the_account_of_its_address(db_session: Session) -> None:
    seen = SightingData(parse_address(record().url), "list", NOW)
    address = record_sightings(db_session, None, [seen], NOW)[0].address_id
    store_captures(db_session, None, [(address, capture())])
    assert [head.biz for head in chain_heads(db_session)] == [BIZ]


def test_every_entry_follows_from_the_one_before_and_the_head_is_the_last(db_session: Session) -> None:
    store_captures(db_session, None, [(None, capture(b"%d" % n)) for n in range(5)])
    chain_heads(db_session)
    digest = START
    for entry in db_session.scalars(select(ChainEntry).order_by(ChainEntry.position)):
        digest = entry_digest(digest, entry.content_digest)
        assert entry.digest == digest
    assert [(head.length, head.digest) for head in chain_heads(db_session)] == [(5, digest.hex())]


def test_nothing_to_append_makes_no_chain(db_session: Session) -> None:
    append_captures(db_session, [])
    assert chain_heads(db_session) == []


def entries(session: Session, kind: FactKind) -> int:
    chain_heads(session)  # appends what is noted
    return session.scalar(select(func.count()).where(ChainEntry.fact_kind == kind)) or 0


def test_a_fact_gets_an_entry_when_it_changes_and_only_then(db_session: Session) -> None:
    found = []
    for name in ("一", "一", "", "二"):
        put_accounts(db_session, {BIZ: name})
        found.append(entries(db_session, FactKind.ACCOUNT))
    assert found == [1, 1, 1, 2]


def test_seeing_an_address_again_appends_nothing(db_session: Session) -> None:
    seen = SightingData(parse_address(record().url), "list", NOW, title="标题")
    lengths = []
    for _ in range(2):
        record_sightings(db_session, None, [seen], NOW)
        lengths.append(chain_heads(db_session)[0].length)
    assert lengths == [3, 3]  # account, address, sighting


def test_a_change_past_the_program_is_not_appended_with_the_next_fact(db_session: Session) -> None:
    put_accounts(db_session, {BIZ: "一", "other": "二"})
    chain_heads(db_session)
    db_session.execute(update(Account).where(Account.biz == BIZ).values(name="改"))
    put_accounts(db_session, {"other": "三"})
    assert entries(db_session, FactKind.ACCOUNT) == 3


def test_what_the_web_stores_is_appended_by_the_next_transaction_of_the_owner(engine: Engine) -> None:
    with transaction(engine) as session:
        submit_sightings(
            session, [SightingData(parse_address(record().url), "web", NOW)], NOW, statement_seconds=9
        )
    with transaction(engine) as session:
        assert session.scalar(select(func.count(ChainEntry.id))) == 0
        assert session.scalar(select(func.count(PendingFact.id))) == 3
        put_accounts(session, {"other": ""})
    with transaction(engine) as session:
        assert [(head.biz, head.length) for head in chain_heads(session)] == [(BIZ, 3), ("other", 1)]
        assert session.scalar(select(func.count(PendingFact.id))) == 0


def test_what_is_rolled_back_is_not_appended(engine: Engine) -> None:
    with Session(engine) as session:
        put_accounts(session, {BIZ: ""})
        session.rollback()
        put_accounts(session, {"other": ""})
        session.commit()
        assert [head.biz for head in chain_heads(session)] == ["other"]
