"""What the archive writes is for its owner alone, whatever the umask; an export is as the umask says."""

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from vcr.serializers import yamlserializer

from archive.backup.write import write_backup
from archive.db.embedded_server import embedded_postgres
from archive.db.settings import ArchiveSettings
from archive.integrity.checks import ALL_CHECKS
from archive.integrity.verifier import load_progress
from archive.storage.media_files import MediaFolder
from archive.system.files import make_private_folder, write_bytes
from crawler.cassettes.vcr_file import AtomicPersister
from mparchive.commands.init import write_config

PICTURE = b"invented picture"


@pytest.fixture(params=[0o000, 0o022], ids=["umask 000", "umask 022"])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def open_paths(place: Path) -> list[str]:
    """Return what others may use below a folder, which must not be empty."""
    below = list(place.rglob("*"))
    assert below
    return [f"{path} {stat.S_IMODE(path.stat().st_mode):o}" for path in below if path.stat().st_mode & 0o077]


def put_media(home: Path) -> None:
    MediaFolder(ArchiveSettings(home=home)).put(PICTURE, hashlib.sha256(PICTURE).digest(), ".png")


def record_cassette(home: Path) -> None:
    AtomicPersister.save_cassette(
        str(home / "cassettes" / "a.yaml"), {"requests": [], "responses": []}, yamlserializer
    )


def note_progress(home: Path) -> None:
    load_progress("archive", (), home / "verify.json").finish(ALL_CHECKS[0])


def write_page(home: Path) -> None:
    write_bytes(home / "pages" / "a.html", b"x", is_private=True)


def put_media_in_a_named_folder(home: Path) -> None:
    settings = ArchiveSettings(home=home, media=str(home / "pictures"))
    MediaFolder(settings).put(PICTURE, hashlib.sha256(PICTURE).digest(), ".png")


def write_configuration(home: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MPARCHIVE_HOME", str(home))
        write_config(home / "own" / "mparchive.toml", "# invented")


WRITERS = [
    *(put_media, put_media_in_a_named_folder, record_cassette, note_progress, write_page),
    write_configuration,
]


@pytest.mark.parametrize("write", WRITERS)
def test_each_kind_of_file_is_for_its_owner_alone(
    tmp_path: Path, umask: int, write: Callable[[Path], None]
) -> None:
    write(tmp_path / "new" / "home")
    assert open_paths(tmp_path) == []


def test_a_backup_is_for_its_owner_alone(tmp_path: Path, umask: int, engine: Engine) -> None:
    settings = ArchiveSettings(home=tmp_path / "home")
    write_backup(engine, MediaFolder(settings), tmp_path / "backups" / "a.backup")
    assert open_paths(tmp_path) == []


def test_the_home_and_its_database_are_for_their_owner_alone(tmp_path: Path, umask: int) -> None:
    home = tmp_path / "new" / "home"
    with embedded_postgres(home):
        assert open_paths(tmp_path) == []


def test_an_export_and_a_media_folder_that_is_named_are_as_the_umask_says(tmp_path: Path, umask: int) -> None:
    write_bytes(tmp_path / "exports" / "a.html", b"x")
    media = MediaFolder(ArchiveSettings(home=tmp_path / "home", media=str(tmp_path / "media")))
    path = media.put(PICTURE, hashlib.sha256(PICTURE).digest(), ".png")
    for file in (tmp_path / "exports" / "a.html", tmp_path / "media" / path):
        assert stat.S_IMODE(file.stat().st_mode) == 0o666 & ~umask
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o777 & ~umask


def test_a_folder_that_exists_stays_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    make_private_folder(tmp_path / "a" / "b")
    make_private_folder(tmp_path)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path, tmp_path / "a", tmp_path / "a" / "b")]
    assert modes == [0o755, 0o700, 0o700]
