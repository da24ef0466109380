"""Bring the database of a test to a revision, with rows of that time."""

from sqlalchemy import Engine, text

from archive.db import schema
from archive.db.engine import transaction


def migrate(engine: Engine, revision: str) -> None:
    """Bring the database to a revision, up or down."""
    with engine.begin() as connection:
        schema.migrate(connection, revision)


def fill(engine: Engine, statements: str) -> None:
    """Run statements, which are separated by semicolons."""
    with transaction(engine) as session:
        for statement in statements.strip().split(";"):
            session.execute(text(statement))
