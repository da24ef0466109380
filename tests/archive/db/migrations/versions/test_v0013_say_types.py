"""Test that closed sets are kept, and that an odd value of an earlier version stops no upgrade."""

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from archive.db import schema
from archive.db.engine import transaction
from archive.ingest.pages import import_records
from tests.archive.integrity.checks.mutations import BENEATH
from tests.archive.making import NOW, record

ADDED = text("INSERT INTO egresses (name, seen_at) VALUES (:name, now())")
UNKNOWN_ROLE = (
    "INSERT INTO post_media (post_id, medium_id, capture_id, role, position) VALUES (1, 1, 1, 'poem', 0)"
)
SEALED = text("SELECT bool_and(seal = seal_of(accounts)) FROM accounts")


def test_a_value_outside_of_a_closed_set_is_refused(engine: Engine) -> None:
    with transaction(engine) as session:
        import_records(session, None, [record()], "dump", NOW)
    with pytest.raises(IntegrityError, match="ck__posts__kind"), engine.begin() as connection:
        connection.execute(text("UPDATE posts SET kind = 'poem'"))


def test_an_odd_value_of_an_earlier_version_stays_and_its_row_can_be_changed(engine: Engine) -> None:
    with transaction(engine) as session:
        import_records(session, None, [record(1), record(2)], "dump", NOW)
    with engine.begin() as connection:
        schema.migrate(connection, "0012")
        connection.execute(text("UPDATE posts SET kind = 'poem' WHERE aid = '1001_1'"))
        assert connection.scalar(SEALED) is True
    with engine.begin() as connection:
        schema.migrate(connection, "0013")
        kinds = text("SELECT kind FROM posts ORDER BY aid")
        assert list(connection.execute(kinds).scalars()) == ["poem", None]
        assert connection.scalar(SEALED) is True
    with engine.begin() as connection:
        connection.execute(text("UPDATE posts SET title = 'x' WHERE aid = '1001_1'"))
    with pytest.raises(IntegrityError, match="ck__post_media__role"), engine.begin() as connection:
        connection.execute(text(UNKNOWN_ROLE))


def test_damage_that_was_there_is_still_there_for_verify(engine: Engine) -> None:
    with transaction(engine) as session:
        import_records(session, None, [record(1), record(2)], "dump", NOW)
    with engine.begin() as connection:
        schema.migrate(connection, "0011")
    with engine.begin() as connection:
        connection.execute(text(BENEATH))
        connection.execute(text("UPDATE posts SET url = 'forged' WHERE aid = '1001_1'"))
        connection.execute(text("UPDATE addresses SET url = 'forged' WHERE aid = '1002_1'"))
    with engine.begin() as connection:
        schema.migrate(connection, "0013")
        for table, aid in (("posts", "1001_1"), ("addresses", "1002_1")):
            wrong = text(f"SELECT aid FROM {table} WHERE seal <> seal_of({table})")
            assert connection.execute(wrong).scalars().all() == [aid]


def test_the_connection_that_migrated_goes_on_writing(engine: Engine) -> None:
    """Checksums are made by functions that a connection remembers with the types of their tables."""
    with engine.connect() as connection:
        for number, revision in enumerate(("0009", "head"), 1):
            schema.migrate(connection, revision)
            connection.execute(ADDED.bindparams(name=f"egress {number}"))
        connection.commit()
    with transaction(engine) as session:
        import_records(session, None, [record()], "dump", NOW)
