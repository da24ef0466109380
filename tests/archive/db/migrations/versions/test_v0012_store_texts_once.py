"""Test that posts name the version that has their text, and that no text is lost on the way."""

import pytest
from sqlalchemy import Engine, text

from archive.db import schema
from archive.db.engine import transaction
from archive.ingest.pages import import_records
from archive.repository import post_queries
from archive.repository.search_index import check_search_index
from tests.archive.making import NOW, record

CURRENT = text(
    "SELECT aid, number, text FROM posts LEFT JOIN versions v ON v.id = current_version_id ORDER BY aid"
)


@pytest.fixture
def before(engine: Engine) -> Engine:
    """Store a post that was edited and edited back, one with an only text, and go back to the old schema."""
    with transaction(engine) as session:
        for number, body in ((1, "一"), (1, "二"), (1, "一"), (2, "三")):
            import_records(session, None, [record(number, text=body)], "dump", NOW)
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
