"""Archives and backups of them that the tests of all modules use."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from archive.backup.backup_file import opened
from archive.backup.restore import Destination, restore
from archive.backup.write import write_backup
from archive.db.engine import open_archive
from archive.db.settings import ArchiveSettings
from archive.storage.media_files import MediaFolder
from tests.archive.backup.places import Place, accept
from tests.fixtures.make_archive_v0_1 import FIXTURE
from tests.support.database import database_from


@pytest.fixture(scope="session")
def backup(original: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a backup of the archive with one of everything."""
    path = tmp_path_factory.mktemp("backup") / "a.backup"
    write_backup(*original, path)
    return path


@pytest.fixture(scope="session")
def small_backup(server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a backup of today's format, of the archive of version 0.1; tests forge it."""
    home = tmp_path_factory.mktemp("home")
    folder = MediaFolder(ArchiveSettings(home=home))
    for url in database_from(server_url, f"TEMPLATE {template}"):
        with open_archive(ArchiveSettings(database_url=url)) as engine:
            with opened(FIXTURE / "copy.backup") as old:
                restore(Destination(engine, folder, home), old, accept)
            write_backup(engine, folder, home / "a.backup")
    return home / "a.backup"


@pytest.fixture
def place(engine: Engine, tmp_path: Path) -> Place:
    """Return an empty archive."""
    return engine, MediaFolder(ArchiveSettings(home=tmp_path))


@pytest.fixture
def second_place(server_url: str, template: str, tmp_path: Path) -> Iterator[Place]:
    """Yield another empty archive."""
    for url in database_from(server_url, f"TEMPLATE {template}"):
        with open_archive(ArchiveSettings(database_url=url)) as engine:
            yield engine, MediaFolder(ArchiveSettings(home=tmp_path / "second"))
