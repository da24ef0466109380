"""Test that a downgrade below deltas stores every body whole, and stops at a damaged one."""

import pytest
from sqlalchemy import Engine, text

from archive.db import schema
from archive.db.engine import transaction
from archive.repository.captures import store_captures
from archive.storage.body_codec import decode_verified
from tests.archive.making import capture, template

PAGES = [template(1) + b"%d" % number for number in range(3)]
STORED = text("SELECT body, body_encoding, sha256 FROM captures ORDER BY id")


def test_every_delta_becomes_a_whole_body_with_the_same_bytes(engine: Engine) -> None:
    with transaction(engine) as session:
        store_captures(session, None, [(None, capture(page)) for page in PAGES])
    with engine.begin() as connection:
        schema.migrate(connection, "0009")  # until then the bodies were in captures
    with transaction(engine) as session:
        kinds = [row.body_encoding for row in session.execute(STORED)]
        assert kinds == ["zstd", "zstd-prefix", "zstd-prefix"]
    with engine.begin() as connection:
        schema.migrate(connection, "0003")
    with transaction(engine) as session:
        assert [decode_verified(*row) for row in session.execute(STORED)] == PAGES


def test_a_damaged_body_stops_the_downgrade_and_is_named(engine: Engine) -> None:
    with transaction(engine) as session:
        ids = store_captures(session, None, [(None, capture(page)) for page in PAGES])
    with engine.begin() as connection:
        schema.migrate(connection, "0009")
    with transaction(engine) as session:
        session.execute(text("UPDATE captures SET sha256 = '\\x00' WHERE id = :id"), {"id": ids[2]})
    with pytest.raises(ValueError, match=f"capture {ids[2]} is damaged"), engine.begin() as connection:
        schema.migrate(connection, "0003")
    with transaction(engine) as session:
        assert schema.revision(session.connection()) == "0009"
