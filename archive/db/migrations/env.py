"""Run Alembic on the connection that archive.db.schema passes."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])

with context.begin_transaction():
    context.run_migrations()
