"""Test that the first revision makes the tables of posts, addresses and captures."""

from sqlalchemy import Engine, inspect

from archive.db import schema


def test_the_revision_makes_its_tables_and_none_of_later_ones(engine: Engine) -> None:
    with engine.begin() as connection:
        schema.migrate(connection, "0001")
    tables = set(inspect(engine).get_table_names())
    assert {"accounts", "addresses", "captures", "posts", "runs", "sightings", "versions"} <= tables
    assert "media" not in tables
