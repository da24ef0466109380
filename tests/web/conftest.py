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
class Room:
    """A served archive, and what it reads from; tests only add posts, of 2012."""

    web: Served
    engine: Engine
    folder: MediaFolder
    media: Path


@pytest.fixture(scope="session")
def reading_room(server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """Serve the archive of tests.web.seeding, at the time LATER."""
    for url in database_from(server_url, f"TEMPLATE {template}"):
        media = tmp_path_factory.mktemp("media")
        settings = ArchiveSettings(database_url=url, media=str(media))
        folder = MediaFolder(settings)
        with open_archive(settings) as engine:
            fill(engine, folder)
            with served(engine, now=LATER, folder=folder) as client:
                yield Room(client, engine, folder, media)


@pytest.fixture
def room(reading_room: Room) -> Room:
    """Serve the same a minute later, so that earlier requests do not count for the rate limit."""
    reading_room.web.seconds += 60
    return reading_room
