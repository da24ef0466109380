"""Test that the second revision adds media, their files and links."""

from sqlalchemy import Engine, inspect

from archive.db import schema


def test_the_revision_makes_its_tables_and_none_of_later_ones(engine: Engine) -> None:
    with engine.begin() as connection:
        schema.migrate(connection, "0002")
    tables = set(inspect(engine).get_table_names())
    assert {"files", "media", "post_links", "post_media"} <= tables
    assert "sources" not in tables
