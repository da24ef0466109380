"""Test that captures and versions stored before the chains are chained by the upgrade."""

from sqlalchemy import Engine, text

from archive.db import schema
from archive.db.engine import transaction
from archive.ingest.pages import import_records
from archive.repository.captures import store_captures
from archive.repository.hash_chain import chain_heads
from tests.archive.making import NOW, capture, record


def test_the_upgrade_chains_what_was_there(engine: Engine) -> None:
    with transaction(engine) as session:
        store_captures(session, None, [(None, capture(b"1")), (None, capture(b"2"))])
        import_records(session, None, [record()], "dump", NOW)
        heads = chain_heads(session)
        session.execute(text("DELETE FROM chain_entries"))
        session.execute(text("DELETE FROM chains"))
    for revision in ("0004", "head"):
        with engine.begin() as connection:
            schema.migrate(connection, revision)
    with transaction(engine) as session:
        assert chain_heads(session) == heads
