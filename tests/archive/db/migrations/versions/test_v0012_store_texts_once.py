"""Test that posts name the version that has their text, no text is lost, and closed sets are kept."""

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from archive.db import schema
from archive.db.engine import transaction
from archive.ingest.pages import import_records
from archive.repository import post_queries
from archive.repository.search_index import check_search_index
from tests.archive.making import NOW, record

CURRENT = text(
    "SELECT aid, number, text FROM posts LEFT JOIN versions v ON v.id = current_version_id ORDER BY aid"
)
ADDED = text("INSERT INTO egresses (name, seen_at) VALUES (:name, now())")
SEALED = text("SELECT bool_and(seal = seal_of(accounts)) FROM accounts")


@pytest.fixture
def before(engine: Engine) -> Engine:
    """Store a post that was edited and edited back, one with an only text, and go back to the old schema."""
    with transaction(engine) as session:
        for number, body in ((1, "一"), (1, "二"), (1, "一"), (2, "三")):
            import_records(session, None, [record(number, text=body)], f"dump {body}", NOW)
    with engine.begin() as connection:
        schema.migrate(connection, "0011")
    return engine


def test_posts_name_the_newest_version_of_their_text(before: Engine) -> None:
    with transaction(before) as session:
        texts = session.execute(text("SELECT aid, text FROM posts ORDER BY aid")).all()
        assert len(texts) == 2
    with before.begin() as connection:
        schema.migrate(connection, "head")
    with transaction(before) as session:
        assert [(row.aid, row.text) for row in session.execute(CURRENT)] == texts
        assert [one.text for one in post_queries.records(session)] == [row.text for row in reversed(texts)]
        assert check_search_index(session) == []


def test_a_text_that_is_in_no_version_is_not_lost(before: Engine) -> None:
    with before.begin() as connection:
        connection.execute(text("UPDATE posts SET text = '伪', content_hash = '1:x' WHERE aid = '1002_1'"))
        schema.migrate(connection, "head")
        assert connection.execute(CURRENT).all()[1] == ("1002_1", 2, "伪")
    with before.begin() as connection:
        schema.migrate(connection, "0011")
        assert connection.execute(text("SELECT text FROM posts ORDER BY aid")).all()[1].text == "伪"


def test_a_value_outside_of_a_closed_set_is_refused(engine: Engine) -> None:
    with transaction(engine) as session:
        import_records(session, None, [record()], "dump", NOW)
    with pytest.raises(IntegrityError, match="ck__posts__kind"), engine.begin() as connection:
        connection.execute(text("UPDATE posts SET kind = 'poem'"))


def test_an_odd_value_of_an_earlier_version_stays_and_new_ones_are_refused(engine: Engine) -> None:
    with transaction(engine) as session:
        import_records(session, None, [record(1), record(2)], "dump", NOW)
    with engine.begin() as connection:
        schema.migrate(connection, "0011")
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
