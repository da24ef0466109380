"""Test when heads of the whole archive are recorded, and what they vouch for."""

import hashlib

from sqlalchemy import Engine, func, select, text
from sqlalchemy.orm import Session

from archive.db.engine import transaction
from archive.db.models import Head, HeadLength
from archive.repository.accounts import put_accounts
from archive.repository.hash_chain import chain_heads
from archive.repository.heads import chains_at, find_head, heads_file, last_head, record_head, wrong_heads
from archive.repository.runs import finish_run, start_run
from tests.archive.making import BIZ, NOW


def test_the_digest_of_a_head_is_that_of_the_file_of_heads(db_session: Session) -> None:
    put_accounts(db_session, {BIZ: "一", "other": "二"})
    record_head(db_session, NOW)
    head = last_head(db_session)
    assert head is not None
    assert list(head.chains) == chain_heads(db_session)
    assert head.digest == hashlib.sha256(heads_file(head.chains)).hexdigest()
    only = last_head(db_session, {"other"})
    assert only is not None
    assert [chain.biz for chain in only.chains] == ["other"]


def test_a_head_holds_the_lengths_of_its_time_and_stores_only_what_has_grown(db_session: Session) -> None:
    for names in ({BIZ: "一", "other": "二"}, {BIZ: "三"}, {}):
        put_accounts(db_session, names)
        record_head(db_session, NOW)
    first, second = db_session.scalars(select(Head).order_by(Head.id))  # the third time nothing had changed
    lengths = [[chain.length for chain in chains_at(db_session, head.id)] for head in (first, second)]
    assert lengths == [[1, 1], [2, 1]]
    assert db_session.scalar(select(func.count(HeadLength.id))) == 3
    assert find_head(db_session, first.digest) == first.id
    assert find_head(db_session, bytes(32)) is None


def test_a_head_that_is_not_of_its_chains_is_told(db_session: Session) -> None:
    for name in ("一", "二"):
        put_accounts(db_session, {BIZ: name})
        record_head(db_session, NOW)
    first, second = db_session.scalars(select(Head.id).order_by(Head.id))
    assert list(wrong_heads(db_session, 0, second)) == [(first, False), (second, False)]
    db_session.execute(text("UPDATE chain_entries SET digest = sha256(digest) WHERE position = 2"))
    assert list(wrong_heads(db_session, first, second)) == [(second, True)]


def test_a_run_that_extends_a_chain_records_the_head_when_it_ends(engine: Engine) -> None:
    for names in ({BIZ: "一"}, {}):
        with transaction(engine) as session:
            run_id = start_run(session, "backfill", {}, NOW)
            put_accounts(session, names)
            finish_run(session, run_id, "done", {}, NOW)
    with transaction(engine) as session:
        assert session.scalar(select(func.count(Head.id))) == 1
        head = last_head(session)
        assert head is not None
        assert (head.taken_at, list(head.chains)) == (NOW, chain_heads(session))
