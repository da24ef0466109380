"""The web UI of a filled archive, served once for all tests that read it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Engine

from archive.db.engine import open_archive
from archive.db.settings import ArchiveSettings
from archive.storage.media_files import MediaFolder
from tests.support.database import database_from
from tests.web.seeding import LATER, fill
from tests.web.served import Served, served


@dataclass(frozen=True)
class SeededSite:
    """A served archive, and what it reads from; tests only add posts, of 2012."""

    web: Served
    engine: Engine
    folder: MediaFolder
    media: Path


@pytest.fixture(scope="session")
def seeded_site(
    server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SeededSite]:
    """Serve the archive of tests.web.seeding, at the time LATER."""
    for url in database_from(server_url, f"TEMPLATE {template}"):
        media = tmp_path_factory.mktemp("media")
        settings = ArchiveSettings(database_url=url, media=str(media))
        folder = MediaFolder(settings)
        with open_archive(settings) as engine:
            fill(engine, folder)
            with served(engine, now=LATER, folder=folder) as client:
                yield SeededSite(client, engine, folder, media)


@pytest.fixture
def site(seeded_site: SeededSite) -> SeededSite:
    """Serve the same a minute later, so that earlier requests do not count for the rate limit."""
    seeded_site.web.seconds += 60
    return seeded_site
