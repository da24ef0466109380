"""A small archive with something in every table, for all tests of a module."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.orm import Session

from archive.db.models import Post
from archive.db.settings import ArchiveSettings
from archive.integrity.check import CheckContext
from archive.repository.notes import Note, put_note
from archive.storage.media_files import MediaFolder
from tests.archive.integrity.filling import context_at, fill
from tests.archive.making import NOW


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("media")


@pytest.fixture(scope="module")
def context(folder: Path) -> CheckContext:
    return context_at(MediaFolder(ArchiveSettings(media=str(folder))))


@pytest.fixture(scope="module")
def filled(shared_engine: Engine, context: CheckContext) -> Iterator[Connection]:
    """Yield a connection to the filled archive; the module's transaction is rolled back."""
    with shared_engine.connect() as connection:
        outer = connection.begin()
        with Session(connection, join_transaction_mode="create_savepoint") as session:
            fill(session, context)
            post_id = session.scalars(select(func.min(Post.id))).one()
            put_note(session, post_id, Note(True, ("合成",), "synthetic note"), NOW)
            session.commit()
        yield connection
        outer.rollback()
