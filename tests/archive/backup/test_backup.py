"""Backups: what is restored is what was there; what is damaged is named before anything is written."""

import hashlib
import io
import stat
from collections.abc import Iterator
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from archive.backup.backup_file import BackupDamaged, BackupError, NotEmpty, opened, rows_of
from archive.backup.postgres import tables_in
from archive.backup.restore import restore
from archive.backup.write import write_backup
from archive.db import schema
from archive.db.engine import open_archive, transaction
from archive.db.settings import ArchiveSettings
from archive.export.warc import write_warc
from archive.repository.capture_selection import Selection
from archive.storage.media_files import MediaFolder
from tests.archive.backup.forging import forge
from tests.archive.filled import fill
from tests.support.database import database_from

Place = tuple[Engine, MediaFolder]


@pytest.fixture(scope="module")
def original(server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """An archive with one of everything; no test changes it."""
    folder = MediaFolder(ArchiveSettings(home=tmp_path_factory.mktemp("home")))
    for url in database_from(server_url, f"TEMPLATE {template}"):
        with open_archive(ArchiveSettings(database_url=url)) as engine:
            fill(engine, folder)
            yield engine, folder


@pytest.fixture(scope="module")
def backup(original: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("backup") / "a.backup"
    assert write_backup(*original, path).lacking == ()
    return path


@pytest.fixture
def place(engine: Engine, tmp_path: Path) -> Place:
    """An empty one."""
    return engine, MediaFolder(ArchiveSettings(home=tmp_path))


def bring_back(path: Path, place: Place, room: Path) -> None:
    with opened(path) as backup:
        backup.check()
        restore(*place, backup, room)


def rows(engine: Engine) -> dict[str, list]:
    """Every row of every table, seals and all."""
    with engine.connect() as connection:
        names = [table.name for table in tables_in(connection)]
        return {
            name: list(connection.execute(text(f"SELECT t::text FROM {name} t ORDER BY 1")).scalars())
            for name in names
        }


def warc(place: Place) -> bytes:
    out = io.BytesIO()
    with transaction(place[0]) as session:
        write_warc(session, Selection(), place[1], out)
    return out.getvalue()


def constraints(engine: Engine) -> list[tuple]:
    """Every constraint, and every trigger with whether it fires."""
    with engine.connect() as connection:
        return [
            tuple(row)
            for query in (
                "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), convalidated"
                " FROM pg_constraint WHERE connamespace = current_schema()::regnamespace ORDER BY 1, 2",
                "SELECT tgrelid::regclass::text, tgname, tgenabled::text"
                " FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1, 2",
            )
            for row in connection.execute(text(query))
        ]


def test_what_is_restored_is_what_was_there(original: Place, place: Place, tmp_path: Path) -> None:
    path, before = tmp_path / "a.backup", constraints(place[0])
    manifest = write_backup(*original, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    bring_back(path, place, tmp_path)
    assert rows(place[0]) == rows(original[0])
    assert constraints(place[0]) == before
    assert list(place[1].paths()) == list(original[1].paths())
    assert warc(place) == warc(original)
    with place[0].begin() as connection:  # numbers and triggers go on
        run = text(
            "INSERT INTO runs (command, started_at) VALUES ('x', now()) RETURNING id, seal IS NOT NULL"
        )
        assert connection.execute(run).one() == (rows_of(manifest)["runs"] + 1, True)


def test_a_damaged_row_comes_back_damaged_and_not_sealed_anew(
    original: Place, place: Place, tmp_path: Path
) -> None:
    path = tmp_path / "a.backup"
    with original[0].begin() as connection:
        connection.execute(text("ALTER TABLE runs DISABLE TRIGGER USER"))
        connection.execute(text("UPDATE runs SET command = 'forged'"))
        connection.execute(text("ALTER TABLE runs ENABLE TRIGGER USER"))
    write_backup(*original, path)
    with original[0].begin() as connection:
        connection.execute(text("UPDATE runs SET command = 'fill'"))
    bring_back(path, place, tmp_path)
    with place[0].connect() as connection:
        assert connection.execute(text("SELECT seal = seal_of(r), command FROM runs r")).one() == (
            False,
            "forged",
        )


def test_a_full_place_is_not_touched(original: Place, backup: Path, place: Place, tmp_path: Path) -> None:
    before = rows(original[0])
    with pytest.raises(NotEmpty, match="a row in accounts"):
        bring_back(backup, (original[0], place[1]), tmp_path)
    assert rows(original[0]) == before
    place[1].put(b"x", bytes(32), ".png")
    with pytest.raises(NotEmpty, match="media folder is not empty"):
        bring_back(backup, place, tmp_path)
    assert not any(rows(place[0]).values())


def damaged_places(content: bytes) -> list[tuple[str, bytes]]:
    """A bit flipped in each sort of member, and the file cut in several places."""
    flips = {
        r"tables/captures\.copy": content.index(b"tables/captures.copy") + 5000,
        "media/": content.index(b"\x89PNG") + 50,
        r"manifest\.json": content.index(b"manifest.json") + 200,
    }
    flipped = [
        (name, content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]) for name, at in flips.items()
    ]
    cuts = (flips[r"tables/captures\.copy"], flips["media/"], len(content) - 10)
    return flipped + [("is cut off or damaged", content[:at]) for at in cuts]


def test_damage_is_named_before_anything_is_written(backup: Path, place: Place, tmp_path: Path) -> None:
    path = tmp_path / "damaged.backup"
    for name, content in damaged_places(backup.read_bytes()):
        path.write_bytes(content)
        with pytest.raises(BackupDamaged, match=name):
            bring_back(path, place, tmp_path)
    assert not any(rows(place[0]).values())
    assert not list(place[1].paths())


def with_a_file_named(backup: Path, name: str, path: Path) -> None:
    """A backup with one media file of this name, for which its manifest vouches."""

    def change(manifest: dict[str, Any], members: dict[str, bytes]) -> None:
        for file in manifest["media"]:
            del members[f"media/{file['path']}"]
        manifest["media"] = [{"path": name}]
        members[f"media/{name}"] = b"x"

    forge(backup, path, change)


def test_no_flipped_bit_in_the_list_of_members_makes_another_error(backup: Path, tmp_path: Path) -> None:
    """Nearly all are told; what a zip says of when and by what a member was written does not matter."""
    path = tmp_path / "small.backup"
    with_a_file_named(backup, "x", path)
    content = path.read_bytes()
    for at, bit in product(range(content.rindex(b"PK\x01\x02"), len(content)), range(8)):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :])
        with suppress(BackupDamaged, BackupError), opened(path) as damaged:
            damaged.check()


def test_a_file_that_is_not_named_by_its_content_costs_nothing_outside(
    backup: Path, place: Place, tmp_path: Path
) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"somebody's")
    with_a_file_named(backup, "../precious", tmp_path / "forged.backup")
    with pytest.raises(BackupDamaged, match=r"media/\.\./precious in .* is not named by its content"):
        bring_back(tmp_path / "forged.backup", place, tmp_path)
    assert precious.read_bytes() == b"somebody's"
    assert not list(place[1].paths())


def test_what_is_no_backup_is_said(tmp_path: Path, backup: Path) -> None:
    for content in (b"", b"[]", b"PK\x03\x04" + bytes(100), backup.read_bytes()[10:]):
        (tmp_path / "x").write_bytes(content)
        with pytest.raises(BackupError, match="is no backup"), opened(tmp_path / "x"):
            pass
    with pytest.raises(BackupError, match="cannot be read"), opened(tmp_path / "nothing"):
        pass


def test_a_backup_is_never_overwritten(original: Place, tmp_path: Path) -> None:
    path = tmp_path / "a.backup"
    path.write_bytes(b"precious")
    with pytest.raises(BackupError, match="never overwritten"):
        write_backup(*original, path)
    assert path.read_bytes() == b"precious"


def test_a_failure_half_way_leaves_the_place_empty(backup: Path, place: Place, tmp_path: Path) -> None:
    with place[0].begin() as connection:
        connection.execute(text("ALTER TABLE versions ADD CONSTRAINT never CHECK (number < 0)"))
    with pytest.raises(BackupDamaged, match=r"the rows of versions cannot be loaded .*never"):
        bring_back(backup, place, tmp_path)
    assert not any(rows(place[0]).values())
    assert not list(place[1].paths())
    with place[0].begin() as connection:
        connection.execute(text("ALTER TABLE versions DROP CONSTRAINT never"))
    bring_back(backup, place, tmp_path)


def test_a_media_file_that_is_gone_is_told_and_the_rest_is_kept(original: Place, tmp_path: Path) -> None:
    empty = MediaFolder(ArchiveSettings(home=tmp_path))
    manifest = write_backup(original[0], empty, tmp_path / "a.backup")
    assert len(manifest.lacking) == 2
    assert "is not in the media folder" in manifest.lacking[0]
    assert not manifest.media


def test_a_media_file_that_its_disk_has_lost_is_told_and_the_rest_is_kept(
    original: Place, tmp_path: Path
) -> None:
    folder = MediaFolder(ArchiveSettings(home=tmp_path))
    first, second = original[1].paths()
    (tmp_path / "media" / first).mkdir(parents=True)
    content = original[1].get(second, bytes.fromhex(Path(second).stem))
    assert folder.put(content, hashlib.sha256(content).digest(), ".png") == second
    manifest = write_backup(original[0], folder, tmp_path / "a.backup")
    assert manifest.lacking == (f"{first} in the media folder cannot be read (Is a directory)",)
    assert second in [file.path for file in manifest.media]


def test_the_rows_are_loaded_by_a_role_that_is_no_superuser(
    backup: Path, place: Place, tmp_path: Path
) -> None:
    engine = place[0]
    with engine.begin() as connection:
        assert connection.scalar(text("SHOW is_superuser")) == "on"
        condition = "current_setting('is_superuser') = 'off' AND current_user LIKE 'mparchive_load_%'"
        connection.execute(text(f"ALTER TABLE versions ADD CONSTRAINT who CHECK ({condition})"))
    bring_back(backup, place, tmp_path)
    with engine.connect() as connection:
        roles = text("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'mparchive_load_%'")
        assert connection.scalar(roles) == 0


def test_media_files_that_an_interrupted_restore_has_left_are_used(
    original: Place, backup: Path, place: Place, tmp_path: Path
) -> None:
    first, _ = original[1].paths()
    digest = bytes.fromhex(Path(first).stem)
    place[1].put(original[1].get(first, digest), digest, ".png")
    with place[0].begin() as connection:
        connection.execute(text("ALTER TABLE versions ADD CONSTRAINT never CHECK (number < 0)"))
    with pytest.raises(BackupDamaged, match="never"):
        bring_back(backup, place, tmp_path)
    assert list(place[1].paths()) == [first]
    with place[0].begin() as connection:
        connection.execute(text("ALTER TABLE versions DROP CONSTRAINT never"))
    bring_back(backup, place, tmp_path)
    assert list(place[1].paths()) == list(original[1].paths())
    assert rows(place[0]) == rows(original[0])


def test_a_database_that_somebody_else_uses_is_refused(
    backup: Path, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("archive.backup.postgres.LOCK_TIMEOUT", 1)
    with place[0].connect() as other:
        other.execute(text("SELECT count(*) FROM runs"))
        with pytest.raises(BackupError, match="another program uses this database"):
            bring_back(backup, place, tmp_path)
    assert not list(place[1].paths())


def test_a_backup_of_an_older_schema_is_brought_up_to_date(
    backup: Path, place: Place, module_engine: Engine, tmp_path: Path
) -> None:
    older = module_engine, MediaFolder(ArchiveSettings(home=tmp_path / "older"))
    bring_back(backup, older, tmp_path)
    expected = rows(module_engine)
    with module_engine.begin() as connection:
        schema.migrate(connection, "0005")
    assert write_backup(*older, tmp_path / "older.backup").schema_revision == "0005"
    bring_back(tmp_path / "older.backup", place, tmp_path)
    assert rows(place[0]) == expected
    assert expected["post_words"]
