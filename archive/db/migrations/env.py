"""Run Alembic on the connection that archive.db.schema passes."""

from alembic import context

from archive.db.models import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)

with context.begin_transaction():
    context.run_migrations()
