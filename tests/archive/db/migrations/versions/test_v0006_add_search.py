"""Test that the upgrade indexes posts that were there by the rule of the search index."""

import pytest
from sqlalchemy import Engine

from archive.db import schema
from archive.db.engine import transaction
from archive.db.migrations.versions.v0006_add_search import _search_words
from archive.domain.search_text import words_of
from archive.ingest.pages import import_records
from archive.repository.search_index import check_search_index
from tests.archive.making import NOW, record


def test_posts_of_before_are_indexed(engine: Engine) -> None:
    with transaction(engine) as session:
        import_records(session, None, [record(number) for number in (1, 2)], "dump", NOW)
    for revision in ("0005", "head"):
        with engine.begin() as connection:
            schema.migrate(connection, revision)
    with transaction(engine) as session:
        assert check_search_index(session) == []


@pytest.mark.parametrize("text", ["A&nbsp;B\u3000&lt;b&gt;\r\n", "İΣ ΑΣ ẞ", "  空  白  "])
def test_the_copied_rule_is_that_of_the_search_index(text: str) -> None:
    assert _search_words(text, text) == words_of(text, text)
