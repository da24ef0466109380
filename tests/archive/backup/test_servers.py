"""A backup of one version of PostgreSQL restores into another, also as a role that is no superuser."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, make_url, text

from archive.backup.backup_file import opened
from archive.backup.postgres import tables_in
from archive.backup.restore import restore
from archive.backup.write import write_backup
from archive.db.engine import open_archive
from archive.db.settings import ArchiveSettings
from archive.storage.media_files import MediaFolder
from tests.archive.backup.own_server import own_server, programs
from tests.fixtures.make_archive_v0_1 import FIXTURE

OLDEST_SUPPORTED = 15
FROM_OLD = ["pg_dump.backup", "copy.backup"]


def rows(engine: Engine) -> dict[str, list[str]]:
    with engine.connect() as connection:
        names = [table.name for table in tables_in(connection)]
        every = "SELECT t::text FROM {} t ORDER BY 1"
        return {name: list(connection.execute(text(every.format(name))).scalars()) for name in names}


def bring_back(path: Path, engine: Engine, home: Path) -> MediaFolder:
    folder = MediaFolder(ArchiveSettings(home=home))
    home.mkdir(exist_ok=True)
    with opened(path) as backup:
        backup.check()
        restore(engine, folder, backup, home)
    return folder


@pytest.mark.parametrize("name", FROM_OLD)
def test_a_backup_goes_to_an_older_server_and_back(engine: Engine, tmp_path: Path, name: str) -> None:
    if "pginstall" in str(programs(OLDEST_SUPPORTED)):
        pytest.skip("no older PostgreSQL than the embedded one; apt-get install postgresql-15")
    with own_server(OLDEST_SUPPORTED) as server:
        server.sh("createuser owner; psql -d mparchive -c 'GRANT ALL ON SCHEMA public TO owner'")
        server.sh("psql -d mparchive -c 'ALTER DATABASE mparchive OWNER TO owner'")
        url = make_url(server.database_url).set(username="owner").render_as_string(hide_password=False)
        with open_archive(ArchiveSettings(database_url=url)) as older:
            folder = bring_back(FIXTURE / name, older, tmp_path / "older")
            expected = rows(older)
            write_backup(older, folder, tmp_path / "a.backup")
            with older.connect() as connection:
                assert connection.scalar(text("SHOW is_superuser")) == "off"
    bring_back(tmp_path / "a.backup", engine, tmp_path / "newer")
    assert rows(engine) == expected
    assert sum(map(len, expected.values())) > 100
