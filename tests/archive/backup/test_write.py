"""A backup holds everything of one moment, for its owner only, and replaces no file."""

import hashlib
import stat
from errno import ENOSPC
from pathlib import Path

import pytest
from sqlalchemy import text

from archive.backup.backup_file import BackupError, opened, rows_of
from archive.backup.write import size_of, write_backup
from archive.db import schema
from archive.db.settings import ArchiveSettings
from archive.domain.messages import Message
from archive.storage.media_files import MediaFolder
from archive.system.files import FileWriteError
from tests.archive.backup.places import Place, rows


def test_a_backup_holds_every_row_and_file_and_only_its_owner_may_read_it(
    original: Place, tmp_path: Path
) -> None:
    path, steps = tmp_path / "a.backup", list[tuple[str, int]]()
    manifest = write_backup(*original, path, lambda name, done: steps.append((name, done)))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert rows_of(manifest) == {name: len(found) for name, found in rows(original[0]).items()}
    assert [file.path for file in manifest.media] == sorted(original[1].paths())
    assert (manifest.schema_revision, manifest.lacking) == (schema.newest_revision(), ())
    assert manifest.heads
    with opened(path) as backup:
        assert backup.manifest == manifest
    assert steps[-1][0] == "manifest.json"
    assert [done for _, done in steps] == sorted(done for _, done in steps)


def test_the_expected_size_is_that_of_the_database_and_of_the_files(original: Place) -> None:
    with original[0].connect() as connection:
        database = connection.scalar(text("SELECT pg_database_size(current_database())")) or 0
    files = sum(len(original[1].get(path, bytes.fromhex(Path(path).stem))) for path in original[1].paths())
    assert size_of(original[0]) == pytest.approx(database + files, rel=0.05)
    assert files > 0


def test_rows_that_are_written_meanwhile_are_not_in_the_backup(place: Place, tmp_path: Path) -> None:
    def write_another(_name: str, done: int) -> None:
        with place[0].begin() as connection:
            source = text("INSERT INTO sources (account_id, type, external_id) VALUES (1, 'feed', :host)")
            connection.execute(source, {"host": str(done)})

    with place[0].begin() as connection:
        connection.execute(text("INSERT INTO accounts (biz) VALUES ('MzA=')"))
    write_another("", -1)
    manifest = write_backup(*place, tmp_path / "a.backup", write_another)
    assert rows_of(manifest)["sources"] == 1
    with opened(tmp_path / "a.backup") as backup:
        (sources,) = [table for table in manifest.tables if table.name == "sources"]
        assert b"".join(backup.pieces(sources.member)).count(b"\n") == 1
    assert len(rows(place[0])["sources"]) > 1


def test_a_file_is_never_overwritten(original: Place, tmp_path: Path) -> None:
    path = tmp_path / "a.backup"
    path.write_bytes(b"precious")
    with pytest.raises(BackupError, match="never overwritten"):
        write_backup(*original, path)
    assert path.read_bytes() == b"precious"


def test_a_backup_that_fails_leaves_no_file_and_uses_the_database_no_longer(
    original: Place, tmp_path: Path
) -> None:
    def fail(_name: str, _done: int) -> None:
        raise OSError(ENOSPC, "No space left on device")

    with pytest.raises(FileWriteError, match="No space left"):
        write_backup(*original, tmp_path / "a.backup", fail)
    assert list(tmp_path.iterdir()) == []
    assert write_backup(*original, tmp_path / "a.backup").lacking == ()


def test_missing_media_files_are_listed_and_the_rest_is_backed_up(original: Place, tmp_path: Path) -> None:
    empty = MediaFolder(ArchiveSettings(home=tmp_path))
    manifest = write_backup(original[0], empty, tmp_path / "a.backup")
    assert len(manifest.lacking) == 2
    assert Message.load(manifest.lacking[0]).code == "archive.media_file.missing"
    assert not manifest.media
    assert rows_of(manifest)["posts"] > 0


def test_a_media_file_that_cannot_be_read_is_listed_and_the_rest_is_backed_up(
    original: Place, tmp_path: Path
) -> None:
    folder = MediaFolder(ArchiveSettings(home=tmp_path))
    first, second = original[1].paths()
    (tmp_path / "media" / first).mkdir(parents=True)
    content = original[1].get(second, bytes.fromhex(Path(second).stem))
    assert folder.put(content, hashlib.sha256(content).digest(), ".png") == second
    manifest = write_backup(original[0], folder, tmp_path / "a.backup")
    (message,) = map(Message.load, manifest.lacking)
    assert str(message) == f"{first} in the media folder cannot be read (Is a directory)"
    assert second in [file.path for file in manifest.media]
