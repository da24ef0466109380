"""A backup is read from its place verified; what is missing or damaged there is named."""

from pathlib import Path

import pytest

from archive.backup.backup_file import BackupDamaged, BackupError
from archive.backup.incremental import write_incremental
from archive.backup.lease import Lease
from archive.backup.object_store import ObjectStore
from archive.backup.place import (
    BACKUPS,
    backup_names,
    claim,
    is_place,
    manifest_object,
    open_incremental,
    packed,
    read_manifest,
    split_source,
    unpacked,
)
from archive.backup.restore import Destination, restore
from tests.archive.backup.places import Place, accept, is_empty


@pytest.fixture
def store(original: Place, tmp_path: Path) -> ObjectStore:
    """Return a place with one backup of the archive with one of everything."""
    store = ObjectStore(str(tmp_path / "place"))
    claim(store)
    with Lease(store) as lease:
        write_incremental(*original, store, lease)
    return store


def object_of(store: ObjectStore, folder: str) -> str:
    return min(name for sizes in store.shards(folder) for name in sizes)


def refused(store: ObjectStore, place: Place, room: Path, match: str) -> None:
    """Assert that neither a check nor a restore takes the backup, and that the archive stays empty."""
    with pytest.raises(BackupDamaged, match=match):
        open_incremental(store, None).check()
    with pytest.raises(BackupDamaged, match=match):
        restore(Destination(*place, room), open_incremental(store, None), accept)
    assert is_empty(place)


@pytest.mark.slow
def test_every_byte_of_a_backup_is_checked(store: ObjectStore) -> None:
    steps = list[tuple[str, int]]()
    backup = open_incremental(store, None)
    backup.check(lambda name, done: steps.append((name, done)))
    assert [name for name, _ in steps] == [member.name for member in backup.manifest.members]
    assert any(name.startswith("media/") for name, _ in steps)


@pytest.mark.parametrize("folder", ["rows", "media"])
def test_an_object_that_is_missing_is_named(
    store: ObjectStore, place: Place, tmp_path: Path, folder: str
) -> None:
    name = object_of(store, folder)
    store.remove(name)
    refused(store, place, tmp_path, f"{name} is missing in")


@pytest.mark.parametrize("folder", ["rows", "media"])
@pytest.mark.parametrize("content", [b"", b"forged", packed(b"forged"), packed(b"x") + b"more"])
def test_an_object_that_was_changed_is_named(
    store: ObjectStore, place: Place, tmp_path: Path, folder: str, content: bytes
) -> None:
    name = object_of(store, folder)
    store.write(name, content)
    refused(store, place, tmp_path, f"{name} in .* is not what was written")


def test_a_manifest_that_is_damaged_or_of_a_newer_format_is_refused(store: ObjectStore) -> None:
    (name,) = backup_names(store)
    whole = store.read(manifest_object(name))
    for content in (b"", whole[:-1], whole[:-9] + b"x" + whole[-8:], packed(b"{}"), packed(b"\xff")):
        store.write(manifest_object(name), content)
        with pytest.raises(BackupDamaged, match=r"manifest\.json in .* is missing or damaged"):
            open_incremental(store, None)
    newer = unpacked(whole, len(whole) * 100).replace(b'{"format":1', b'{"format":9')
    store.write(manifest_object(name), packed(newer))
    with pytest.raises(BackupError, match="made by a newer mparchive"):
        open_incremental(store, name)


@pytest.mark.slow
def test_a_media_file_that_is_named_otherwise_than_by_its_content_is_never_read(store: ObjectStore) -> None:
    (name,) = backup_names(store)
    whole = read_manifest(store, name)
    first, *others = whole.backup.media
    forged = first.model_copy(update={"path": "../../etc/passwd"})
    backup = whole.backup.model_copy(update={"media": (forged, *others)})
    changed = whole.model_copy(update={"backup": backup})
    store.write(manifest_object(name), packed(changed.model_dump_json().encode()))
    with pytest.raises(BackupDamaged, match=r"\.\./\.\./etc/passwd in .* is not named by its content"):
        open_incremental(store, None)


@pytest.mark.slow
def test_a_place_without_a_backup_or_without_the_named_one_says_so(
    store: ObjectStore, tmp_path: Path
) -> None:
    (name,) = backup_names(store)
    with pytest.raises(BackupError, match=f"has no backup 20200101T000000Z; the newest are {name}"):
        open_incremental(store, "20200101T000000Z")
    store.remove(manifest_object(name))
    store.write(f"{BACKUPS}/notes.txt", b"")
    with pytest.raises(BackupError, match="has no complete backup yet"):
        open_incremental(store, None)
    with pytest.raises(BackupError, match="there are no backups at"):
        open_incremental(ObjectStore(str(tmp_path / "nowhere")), None)


def test_a_folder_that_holds_something_else_is_refused_and_unchanged(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("precious")
    with pytest.raises(BackupError, match=r"holds something else than backups \(notes\.txt\)"):
        claim(ObjectStore(str(tmp_path)))
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_source_is_split_into_place_and_name(tmp_path: Path) -> None:
    assert split_source("s3://b/p@20260302T010203Z") == ("s3://b/p", "20260302T010203Z")
    assert split_source("s3://b/p@20260302T010203Z-2") == ("s3://b/p", "20260302T010203Z-2")
    assert split_source("s3://b/me@work") == ("s3://b/me@work", None)
    assert is_place("s3://b/p") and is_place(f"{tmp_path}@20260302T010203Z")
    assert not is_place(str(tmp_path / "a.backup"))
