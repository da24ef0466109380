"""Backups go between all supported versions of PostgreSQL, and to the server of the compose file.

Versions that are not installed are skipped: `make servers` installs them.
"""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
import yaml
from sqlalchemy import Engine, text

from archive.backup.backup_file import opened
from archive.backup.write import write_backup
from archive.db.embedded_server import NEWEST
from archive.db.engine import open_archive
from archive.db.settings import ArchiveSettings
from archive.storage.media_files import MediaFolder
from mparchive.commands.verify import verify_with
from tests.archive.backup.own_server import OwnServer, own_server, programs_of
from tests.archive.backup.places import Place, bring_back, rows
from tests.fixtures.make_archive_v0_1 import FIXTURE

SUPPORTED = (15, 16, 17, 18)
COMPOSE = Path(__file__).parents[3] / "docker-compose.yml"
OLD_BACKUPS = (FIXTURE / "pg_dump.backup", FIXTURE / "copy.backup")
_numbers = count(1)


@pytest.fixture(scope="module", params=SUPPORTED)
def server(request: pytest.FixtureRequest) -> Iterator[OwnServer]:
    """Yield a server of each supported version that is installed."""
    found = programs_of(request.param)
    if found is None:
        pytest.skip(f"PostgreSQL {request.param} is not installed: run `make servers`")
    with own_server(of=found) as running:
        yield running


@pytest.fixture
def there(server: OwnServer, tmp_path: Path) -> Iterator[Place]:
    """Yield an empty archive of a role that is no superuser on that server."""
    url = server.create_database(f"archive_{next(_numbers)}", "archivist")
    with open_archive(ArchiveSettings(database_url=url)) as engine:
        with engine.connect() as connection:
            assert connection.scalar(text("SHOW is_superuser")) == "off"
        yield engine, MediaFolder(ArchiveSettings(home=tmp_path / "there"))


def test_a_backup_of_the_embedded_server_goes_to_every_version_and_back(
    original: Place, backup: Path, there: Place, place: Place, tmp_path: Path
) -> None:
    with opened(backup) as made:
        assert made.manifest.server == int(NEWEST)
    bring_back(backup, there, tmp_path)
    assert rows(there[0]) == rows(original[0])
    assert verify_with(there[0], ArchiveSettings(home=tmp_path / "there"), ()).is_sound
    write_backup(*there, tmp_path / "there.backup")
    bring_back(tmp_path / "there.backup", place, tmp_path)
    assert rows(place[0]) == rows(original[0])
    assert verify_with(place[0], ArchiveSettings(home=tmp_path), ()).is_sound


@pytest.mark.parametrize("old", OLD_BACKUPS, ids=lambda path: path.stem)
def test_a_backup_of_version_0_1_goes_to_every_version_and_back(
    there: Place, engine: Engine, tmp_path: Path, old: Path
) -> None:
    bring_back(old, there, tmp_path)
    expected = rows(there[0])
    assert sum(map(len, expected.values())) > 100
    write_backup(*there, tmp_path / "a.backup")
    bring_back(tmp_path / "a.backup", (engine, MediaFolder(ArchiveSettings(home=tmp_path))), tmp_path)
    assert rows(engine) == expected


def test_the_server_of_the_compose_file_is_supported_and_not_older_than_the_embedded_one() -> None:
    image = yaml.safe_load(COMPOSE.read_text())["services"]["postgres"]["image"]
    major = int(image.partition(":")[2].partition(".")[0])
    assert int(NEWEST) <= major <= max(SUPPORTED)
