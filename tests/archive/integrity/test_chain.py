"""Chains of hashes: what they vouch for, and that a third party can tell without this program."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from alembic import command
from sqlalchemy import Connection, Engine, func, select, text
from sqlalchemy.orm import Session

from archive.address import parse_address
from archive.database import transaction
from archive.integrity.chain import heads
from archive.models import Chain, ChainEntry
from archive.schema import alembic_config
from archive.sighting import Sighting
from archive.store import import_records, keep_captures, record_sightings, store_readings
from tests.archive.making import BIZ, NOW, article, capture, record

SHORT = "https://mp.weixin.qq.com/s/" + "a" * 22


def fill(session: Session) -> None:
    """Two versions of a post; captures of its address, of a short link, and of none."""
    import_records(session, None, [record(), record(2)], "dump", NOW)
    urls = (record().url, SHORT)
    sighted = record_sightings(
        session, None, [Sighting(parse_address(url), "list", NOW) for url in urls], NOW
    )
    drawn = capture(
        b"drawn", rendered=True, evaluated={"text": '改\x7f\u2028\\"/\n', "n": [1.50, 1e22, None]}
    )
    pages = [
        (sighted[0].address_id, capture(b"one")),
        (sighted[1].address_id, capture(b"two")),
        (None, drawn),
    ]
    kept = keep_captures(session, None, pages)
    store_readings(session, None, [(kept[0], article(record(text="改\r")))], NOW, 1)


def test_each_account_has_a_chain_and_what_tells_no_account_has_one_of_its_own(db_session: Session) -> None:
    fill(db_session)
    assert [(head.biz, head.length) for head in heads(db_session)] == [("", 2), (BIZ, 4)]


def test_a_third_party_finds_the_head_from_the_rows(db_session: Session) -> None:
    fill(db_session)
    found = recomputed(db_session.connection())
    assert found == {head.biz: head.digest for head in heads(db_session)}
    assert len(set(found.values()) - {bytes(32).hex()}) == 2


CAPTURE = """
SELECT c.requested_url, c.final_url, c.status, c.headers, encode(c.sha256, 'hex'), c.body_size, c.fetched_at,
  c.rendered, c.evaluated::text, a.key
FROM captures c LEFT JOIN addresses a ON a.id = c.address_id WHERE c.id = :id
"""
VERSION = """
SELECT accounts.biz, p.aid, v.number, v.title, v.text, v.content_hash, v.source, encode(c.sha256, 'hex'),
  v.parser_version, v.recorded_at FROM versions v JOIN posts p ON p.id = v.post_id
  JOIN accounts ON accounts.id = p.account_id LEFT JOIN captures c ON c.id = v.capture_id WHERE v.id = :id
"""
ENTRIES = """
SELECT biz, capture_id, version_id FROM chain_entries e JOIN chains ON chains.id = e.chain_id
ORDER BY e.chain_id, position
"""


def recomputed(connection: Connection) -> dict[str, str]:
    """The heads, from nothing but the rows: the rule of docs/integrity.md, as anybody would write it down."""
    found: dict[str, bytes] = {}
    for biz, capture_id, version_id in connection.execute(text(ENTRIES)).all():
        subject, query, hashed = ("capture", CAPTURE, 8) if capture_id else ("version", VERSION, 4)
        row = connection.execute(text(query), {"id": capture_id or version_id}).one()
        values: list[Any] = [subject, *row]
        if values[hashed + 1] is not None:
            values[hashed + 1] = hashlib.sha256(values[hashed + 1].encode()).hexdigest()
        values = [_told(value) for value in values]
        content = hashlib.sha256(json.dumps(values, ensure_ascii=False).encode()).digest()
        found[biz] = hashlib.sha256(found.get(biz, bytes(32)) + content).digest()
    return {biz: digest.hex() for biz, digest in found.items()}


def _told(value: Any) -> Any:
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ") if isinstance(value, datetime) else value


def test_what_was_kept_before_there_were_chains_is_chained_when_the_schema_is_brought_up_to_date(
    engine: Engine,
) -> None:
    with transaction(engine) as session:
        fill(session)
        contents = set(
            session.execute(select(ChainEntry.capture_id, ChainEntry.version_id, ChainEntry.content))
        )
    for revision in ("0003", "head"):
        with engine.begin() as connection:
            to = command.upgrade if revision == "head" else command.downgrade
            to(alembic_config(connection), revision)
    with transaction(engine) as session:
        again = session.execute(select(ChainEntry.capture_id, ChainEntry.version_id, ChainEntry.content))
        assert set(again) == contents
        assert recomputed(session.connection()) == {head.biz: head.digest for head in heads(session)}
        assert session.scalar(select(func.sum(Chain.length))) == len(contents)
