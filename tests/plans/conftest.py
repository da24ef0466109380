"""A large archive, filled once a session."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from archive.db.engine import open_archive
from archive.db.settings import ArchiveSettings
from tests.plans.large_archive import Sizes, fill
from tests.support.database import database_from


@pytest.fixture(scope="session")
def large(server_url: str, template: str) -> Iterator[Engine]:
    """Yield an engine on an archive of 300,000 captures; tests change little in it."""
    for url in database_from(server_url, f"TEMPLATE {template}"):
        with open_archive(ArchiveSettings(database_url=url)) as engine:
            fill(engine, Sizes())
            yield engine
