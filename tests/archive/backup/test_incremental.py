"""A backup sends what its place lacks, and is one only when all of it is there."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from errno import ENOSPC
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from archive.backup import incremental
from archive.backup.backup_file import BackupError, rows_of
from archive.backup.incremental import LEAST, MOST, Sent, pieces_of, write_incremental
from archive.backup.lease import Lease
from archive.backup.object_store import ObjectStore
from archive.backup.place import backup_names, claim, open_incremental
from archive.backup.restore import Destination, restore
from archive.db.engine import transaction
from archive.db.settings import ArchiveSettings
from archive.ingest.pages import store_parse_results
from archive.repository.captures import store_captures
from archive.repository.media import due_media, store_file
from archive.storage.media_files import MediaFolder
from tests.archive.backup.places import Place, accept, rows
from tests.archive.backup.s3_server import BUCKET, s3_server, use_s3
from tests.archive.making import NOW, article, capture, image, kept_file, record


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with s3_server() as address:
        yield address


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore(str(tmp_path / "place"))


def back_up(place: Place, store: ObjectStore) -> Sent:
    claim(store)
    with Lease(store) as lease:
        return write_incremental(*place, store, lease)[1]


def add_post(place: Place, number: int) -> None:
    """Archive a post with a picture of its own."""
    body = f"<p>{number}</p>".encode() * 5000
    with transaction(place[0]) as session:
        (id_,) = store_captures(session, None, [(None, capture(body))])
        page = article(record(number), media=(image(f"picture {number}"),))
        store_parse_results(session, None, [(id_, page)], NOW, 1)
        (medium,) = due_media(session, NOW, 1, types=["image"])
        file = kept_file(b"picture %d" % number)
        path = place[1].put(b"picture %d" % number, file.sha256, ".png")
        store_file(session, medium.id, replace(file, path=path), NOW)


@pytest.mark.parametrize("kind", ["folder", "S3"])
def test_what_is_restored_is_what_was_there(  # noqa: PLR0917 - of fixtures
    original: Place,
    place: Place,
    tmp_path: Path,
    kind: str,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address = str(tmp_path / "place")
    if kind == "S3":
        use_s3(monkeypatch, request.getfixturevalue("s3"))
        address = f"s3://{BUCKET}/archive"
    store = ObjectStore(address)
    sent = back_up(original, store)
    assert backup_names(store) == [sent.name]
    backup = open_incremental(ObjectStore(address), None)
    assert rows_of(backup.manifest) == {name: len(found) for name, found in rows(original[0]).items()}
    restore(Destination(*place, tmp_path), backup, accept)
    assert rows(place[0]) == rows(original[0])
    assert list(place[1].paths()) == list(original[1].paths())


def test_what_is_there_already_is_not_sent_again(place: Place, store: ObjectStore) -> None:
    for number in range(1, 4):
        add_post(place, number)
    first = back_up(place, store)
    again = back_up(place, store)
    assert (again.objects, again.kept) == (0, first.objects)
    bodies, media = (set(name for sizes in store.shards(of) for name in sizes) for of in ("rows", "media"))
    add_post(place, 4)
    third = back_up(place, store)
    new_media = {name for sizes in store.shards("media") for name in sizes} - media
    assert len(new_media) == 1
    assert 0 < third.objects < first.objects
    assert bodies < {name for sizes in store.shards("rows") for name in sizes}
    assert len(backup_names(store)) == 3
    for name in backup_names(store):
        open_incremental(store, name).check()


def test_an_older_backup_is_restored_by_its_name(
    place: Place, second_place: Place, store: ObjectStore, tmp_path: Path
) -> None:
    add_post(place, 1)
    before, name = rows(place[0]), back_up(place, store).name
    add_post(place, 2)
    back_up(place, store)
    restore(Destination(*second_place, tmp_path), open_incremental(store, name), accept)
    assert rows(second_place[0]) == before


@pytest.mark.slow
def test_a_backup_that_is_stopped_is_none_and_the_next_one_uses_what_it_sent(
    original: Place, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, count = store.write, 0

    def fill_up(name: str, content: bytes) -> None:
        nonlocal count
        is_content = name.startswith(("rows", "media"))
        count += is_content
        if count > 5 and is_content:
            raise BackupError("archive.backup.target.full", target=store.shown, reason=str(ENOSPC))
        write(name, content)

    monkeypatch.setattr(store, "write", fill_up)
    with pytest.raises(BackupError, match="has no room left"):
        back_up(original, store)
    assert backup_names(store) == []
    with pytest.raises(BackupError, match="has no complete backup yet"):
        open_incremental(store, None)
    monkeypatch.setattr(store, "write", write)
    assert back_up(original, store).kept
    open_incremental(store, None).check()


def test_an_object_that_was_lost_is_sent_again(place: Place, store: ObjectStore) -> None:
    add_post(place, 1)
    back_up(place, store)
    lost = [min(name for sizes in store.shards(of) for name in sizes) for of in ("rows", "media")]
    store.remove(lost[0])
    store.write(lost[1], b"cut off")
    assert back_up(place, store).objects == 2
    for name in backup_names(store):
        open_incremental(store, name).check()


def test_another_archive_is_refused(place: Place, second_place: Place, store: ObjectStore) -> None:
    add_post(place, 1)
    name = back_up(place, store).name
    add_post(second_place, 2)
    with pytest.raises(BackupError, match="holds backups of another archive"):
        back_up(second_place, store)
    assert backup_names(store) == [name]


def test_an_archive_that_was_set_back_is_the_same_one(
    place: Place, second_place: Place, store: ObjectStore, tmp_path: Path
) -> None:
    add_post(place, 1)
    name = back_up(place, store).name
    add_post(place, 2)
    back_up(place, store)
    restore(Destination(*second_place, tmp_path), open_incremental(store, name), accept)
    add_post(second_place, 3)
    back_up(second_place, store)
    assert len(backup_names(store)) == 3


def test_missing_media_files_are_listed_and_the_rest_is_sent(
    original: Place, store: ObjectStore, tmp_path: Path
) -> None:
    empty = MediaFolder(ArchiveSettings(home=tmp_path))
    back_up((original[0], empty), store)
    manifest = open_incremental(store, None).manifest
    assert (len(manifest.lacking), manifest.media) == (2, ())


@pytest.mark.slow
def test_two_backups_at_once_are_one_and_a_refusal(original: Place, store: ObjectStore) -> None:
    claim(store)
    refused = list[BackupError]()
    both = threading.Barrier(2)

    def run() -> None:
        both.wait()
        try:
            with Lease(store) as lease:
                write_incremental(*original, store, lease)
        except BackupError as error:
            refused.append(error)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(backup_names(store)) + len(refused) == 2
    assert backup_names(store)
    assert all("writes to" in str(error) for error in refused)


def test_rows_are_cut_alike_after_an_insertion() -> None:
    random = Random(1)
    lines = [random.randbytes(500).hex().encode() + b"\n" for _ in range(12_000)]
    before = list(pieces_of(lines, alone=False))
    after = list(pieces_of([*lines[:50], b"inserted\n", *lines[50:]], alone=False))
    assert b"".join(before) == b"".join(lines)
    assert all(LEAST <= len(piece) <= MOST + 1001 for piece in before[:-1])
    assert len(before) > 10
    assert len(set(after) - set(before)) <= 2


@given(st.lists(st.binary(min_size=1), max_size=20), st.booleans())
def test_no_row_is_lost_or_moved(lines: list[bytes], alone: bool) -> None:
    pieces = list(pieces_of(lines, alone=alone))
    assert b"".join(pieces) == b"".join(lines)
    if alone:
        assert pieces == lines


def test_few_bytes_wait_to_be_sent(
    engine: Engine, tmp_path: Path, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = engine, MediaFolder(ArchiveSettings(home=tmp_path))
    for number in range(1, 9):
        add_post(place, number)
    monkeypatch.setattr(incremental, "MAX_WAITING", 1)
    most = 0
    submit = incremental._Sender._submit

    def watch(sender: incremental._Sender, *arguments: object, **options: bool) -> None:
        nonlocal most
        submit(sender, *arguments, **options)  # type: ignore[arg-type]
        most = max(most, len(sender._waiting))

    monkeypatch.setattr(incremental._Sender, "_submit", watch)
    back_up(place, store)
    assert most == 1


def test_the_rows_of_bodies_have_objects_of_their_own(place: Place, store: ObjectStore) -> None:
    for number in range(1, 4):
        add_post(place, number)
    back_up(place, store)
    with place[0].connect() as connection:
        bodies = connection.scalar(text("SELECT count(*) FROM bodies"))
    backup = open_incremental(store, None)
    assert len(backup.rows["bodies"]) == bodies
    assert len(backup.rows["posts"]) == 1
