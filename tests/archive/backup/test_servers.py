"""A backup of one version of PostgreSQL restores into another, also as a role that is no superuser."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, make_url, text

from archive.backup.write import write_backup
from archive.db.engine import open_archive
from archive.db.settings import ArchiveSettings
from archive.storage.media_files import MediaFolder
from tests.archive.backup.own_server import own_server, programs
from tests.archive.backup.places import bring_back, rows
from tests.fixtures.make_archive_v0_1 import FIXTURE

OLDEST_SUPPORTED = 15
FROM_OLD = ["pg_dump.backup", "copy.backup"]


@pytest.mark.parametrize("name", FROM_OLD)
def test_a_backup_goes_to_an_older_server_and_back(engine: Engine, tmp_path: Path, name: str) -> None:
    if "pginstall" in str(programs(OLDEST_SUPPORTED)):
        pytest.skip("no older PostgreSQL than the embedded one; apt-get install postgresql-15")
    with own_server(OLDEST_SUPPORTED) as server:
        server.sh("createuser owner; psql -d mparchive -c 'GRANT ALL ON SCHEMA public TO owner'")
        server.sh("psql -d mparchive -c 'ALTER DATABASE mparchive OWNER TO owner'")
        url = make_url(server.database_url).set(username="owner").render_as_string(hide_password=False)
        with open_archive(ArchiveSettings(database_url=url)) as older:
            folder = MediaFolder(ArchiveSettings(home=tmp_path / "older"))
            bring_back(FIXTURE / name, (older, folder), tmp_path)
            expected = rows(older)
            write_backup(older, folder, tmp_path / "a.backup")
            with older.connect() as connection:
                assert connection.scalar(text("SHOW is_superuser")) == "off"
    newer = MediaFolder(ArchiveSettings(home=tmp_path / "newer"))
    bring_back(tmp_path / "a.backup", (engine, newer), tmp_path)
    assert rows(engine) == expected
    assert sum(map(len, expected.values())) > 100
