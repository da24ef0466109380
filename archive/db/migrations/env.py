"""Run Alembic on the connection that archive.db.schema passes."""

from alembic import context
from sqlalchemy import MetaData

# How released migrations name what they do not name themselves, whatever the program's rule is later.
NAMES = {
    "ix": "ix__%(table_name)s__%(column_0_N_name)s",
    "uq": "uq__%(table_name)s__%(column_0_N_name)s",
    "ck": "ck__%(table_name)s__%(constraint_name)s",
    "fk": "fk__%(table_name)s__%(column_0_N_name)s__%(referred_table_name)s",
    "pk": "pk__%(table_name)s",
}

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=MetaData(naming_convention=NAMES),
)

with context.begin_transaction():
    context.run_migrations()
