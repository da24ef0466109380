"""Test that closed sets are kept, and that an odd value of an earlier version stops no upgrade."""

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from archive.db import schema
from archive.db.engine import transaction
from archive.ingest.pages import import_records
from tests.archive.making import NOW, record

ADDED = text("INSERT INTO egresses (name, seen_at) VALUES (:name, now())")
SEALED = text("SELECT bool_and(seal = seal_of(accounts)) FROM accounts")


def test_a_value_outside_of_a_closed_set_is_refused(engine: Engine) -> None:
    with transaction(engine) as session:
        import_records(session, None, [record()], "dump", NOW)
    with pytest.raises(IntegrityError, match="ck__posts__kind"), engine.begin() as connection:
        connection.execute(text("UPDATE posts SET kind = 'poem'"))


def test_an_odd_value_of_an_earlier_version_stays_and_new_ones_are_refused(engine: Engine) -> None:
    with transaction(engine) as session:
        import_records(session, None, [record(1), record(2)], "dump", NOW)
    with engine.begin() as connection:
        schema.migrate(connection, "0012")
        connection.execute(text("UPDATE posts SET kind = 'poem' WHERE aid = '1001_1'"))
        assert connection.scalar(SEALED) is True
    with engine.begin() as connection:
        schema.migrate(connection, "head")
        kinds = text("SELECT kind FROM posts ORDER BY aid")
        assert list(connection.execute(kinds).scalars()) == ["poem", None]
        assert connection.scalar(SEALED) is True
    with pytest.raises(IntegrityError, match="ck__posts__kind"), engine.begin() as connection:
        connection.execute(text("UPDATE posts SET kind = 'poem' WHERE aid = '1002_1'"))


def test_the_connection_that_migrated_goes_on_writing(engine: Engine) -> None:
    """Checksums are made by functions that a connection remembers with the types of their tables."""
    with engine.connect() as connection:
        for number, revision in enumerate(("0009", "head"), 1):
            schema.migrate(connection, revision)
            connection.execute(ADDED.bindparams(name=f"egress {number}"))
        connection.commit()
    with transaction(engine) as session:
        import_records(session, None, [record()], "dump", NOW)
