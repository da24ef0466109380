"""Files in the media folder: written once, whole or not at all, proved when read."""

import fcntl
import hashlib
import os
import resource
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from fsspec.registry import _registry

from archive.db.settings import ArchiveSettings
from archive.domain.errors import IntegrityError, MediaFolderError, MediaMissing, MediaUnreadable
from archive.storage.media_files import UNFINISHED_FOLDER, MediaFolder
from tests.archive.backup.s3_server import BUCKET, s3_server, use_s3

PICTURE = b"\x89PNG invented" * 1000
HASH = hashlib.sha256(PICTURE).digest()
PATH = f"{HASH.hex()[:2]}/{HASH.hex()[2:4]}/{HASH.hex()}.png"


@pytest.fixture(params=["folder", "file://", "memory://"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where media lie: a folder, the same as an address, and a storage that is no folder."""
    folder = tmp_path / "not yet" / "媒体"
    return {
        "folder": str(folder),
        "file://": f"file://{folder}",
        "memory://": f"memory://{uuid4().hex}/prefix/",
    }[str(request.param)]


def folder_at(address: str | Path) -> MediaFolder:
    """Open the media folder at this address."""
    return MediaFolder(ArchiveSettings(media=str(address)))


def files_in(folder: Path) -> list[str]:
    """Every file below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_file_comes_back_from_a_path_made_of_its_hash(address: str) -> None:
    path = folder_at(address).put(PICTURE, HASH, ".png")
    assert path == PATH
    assert folder_at(address).get(path, HASH) == PICTURE


def test_a_small_form_is_no_file_of_the_archive_and_goes_with_its_image(address: str) -> None:
    folder = folder_at(address)
    path = folder.put(PICTURE, HASH, ".png")
    assert folder.small_form(HASH) == b""
    folder.put_small_form(b"small", HASH)
    folder.put_small_form(b"smaller", HASH)
    assert folder_at(address).small_form(HASH) == b"smaller"
    assert list(folder.paths()) == [path]
    folder.remove(path)
    assert (folder.small_form(HASH), list(folder.paths())) == (b"", [])


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with s3_server() as address:
        yield address


@pytest.fixture
def s3(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    use_s3(monkeypatch, server)


@pytest.mark.slow
@pytest.mark.usefixtures("s3")
def test_a_bucket_that_is_missing_is_named_and_not_made() -> None:
    folder = folder_at("s3://nobodys-bucket/posts")
    for use in (
        lambda: folder.put(PICTURE, HASH, ".png"),
        lambda: folder.get(PATH, HASH),
        lambda: list(folder.paths()),
    ):
        with pytest.raises(
            MediaFolderError, match=r"s3://nobodys-bucket/posts .* bucket does not exist; create"
        ):
            use()
    assert "nobodys-bucket" not in folder._files.ls("")


@pytest.mark.usefixtures("s3")
def test_an_address_without_a_bucket_is_refused() -> None:
    with pytest.raises(MediaFolderError, match="names no bucket; name a folder"):
        folder_at("s3://")


@pytest.mark.usefixtures("s3")
def test_a_bucket_keeps_files() -> None:
    folder = folder_at(f"s3://{BUCKET}/posts")
    assert list(folder.paths()) == []
    with pytest.raises(MediaMissing, match="is not in the media folder"):
        folder.get(PATH, HASH)
    folder.put(PICTURE, HASH, ".png")
    assert (folder.get(PATH, HASH), list(folder.paths())) == (PICTURE, [PATH])
    folder.remove(PATH)
    assert list(folder.paths()) == []


def test_what_is_there_is_not_written_again_but_half_of_it_is(address: str) -> None:
    folder = folder_at(address)
    first, second = b"a" * 100, b"b" * 100  # of one size, under one hash: what is there is not looked into
    path = folder.put(first, HASH, "")
    folder.put(second, HASH, "")
    assert folder.get(path, hashlib.sha256(first).digest()) == first
    folder.put(PICTURE, HASH, "")
    assert folder.get(path, HASH) == PICTURE


def test_a_file_that_is_not_there_and_one_that_was_changed_are_told_apart(address: str) -> None:
    folder = folder_at(address)
    with pytest.raises(MediaMissing, match=f"{PATH} is not in the media folder"):
        folder.get(PATH, HASH)
    folder.put(PICTURE[:-1] + b"!", HASH, ".png")
    with pytest.raises(IntegrityError, match="does not have the hash"):
        folder.get(PATH, HASH)


def test_one_file_that_cannot_be_read_is_not_the_whole_folder(tmp_path: Path) -> None:
    (tmp_path / PATH).mkdir(parents=True)  # as a bad sector: the file system gives this one file no more
    with pytest.raises(MediaUnreadable, match=f"{PATH} in the media folder cannot be read"):
        folder_at(tmp_path).get(PATH, HASH)


def test_the_folder_is_in_the_home_unless_it_is_named(tmp_path: Path) -> None:
    MediaFolder(ArchiveSettings(home=tmp_path)).put(PICTURE, HASH, ".png")
    assert files_in(tmp_path) == [f"media/{PATH}"]


def test_the_folder_is_named_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPARCHIVE_MEDIA", str(tmp_path / "there"))
    MediaFolder(ArchiveSettings()).put(PICTURE, HASH, ".png")
    assert files_in(tmp_path) == [f"there/{PATH}"]


def test_files_can_be_read_by_whom_the_umask_allows(tmp_path: Path) -> None:
    folder_at(tmp_path).put(PICTURE, HASH, ".png")
    (plain := tmp_path / "plain").write_bytes(b"")
    assert (tmp_path / PATH).stat().st_mode == plain.stat().st_mode


def test_many_that_write_the_same_file_at_once_leave_it_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        put = [pool.submit(folder_at(tmp_path).put, PICTURE, HASH, ".png") for _ in range(32)]
    assert {each.result() for each in put} == {PATH}
    assert files_in(tmp_path) == [PATH]


@contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """Limit the size of files this process can write, as a full disk would."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_disk_that_takes_half_of_a_file_leaves_nothing_of_it(tmp_path: Path) -> None:
    folder = folder_at(tmp_path)
    with no_file_above(len(PICTURE) // 2), pytest.raises(MediaFolderError) as raised:
        folder.put(PICTURE, HASH, ".png")
    assert f"{tmp_path} (File too large); make room" in str(raised.value)
    assert files_in(tmp_path) == []
    assert folder.put(PICTURE, HASH, ".png") == PATH


def test_what_killed_processes_left_half_written_is_removed_when_nobody_writes(tmp_path: Path) -> None:
    (unfinished := tmp_path / UNFINISHED_FOLDER).mkdir()
    (unfinished / uuid4().hex).write_bytes(PICTURE[:10])
    writing = os.open(unfinished, os.O_RDONLY)
    fcntl.flock(writing, fcntl.LOCK_SH)  # as whoever writes does
    folder_at(tmp_path).put(PICTURE, HASH, ".png")
    assert len(files_in(tmp_path)) == 2
    os.close(writing)
    folder_at(tmp_path).put(PICTURE, HASH, ".gif")
    assert files_in(tmp_path) == [PATH.replace(".png", ".gif"), PATH]


def test_a_place_that_is_no_folder_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    folder = folder_at(tmp_path / "file")
    with pytest.raises(MediaFolderError, match=r"cannot write to the media folder .*/file \("):
        folder.put(PICTURE, HASH, ".png")
    with pytest.raises(MediaFolderError, match="cannot read the media folder"):
        folder.get(PATH, HASH)
    assert (tmp_path / "file").read_bytes() == b""


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("s3://bucket/prefix", "s3://bucket/prefix.*Install s3fs"),
        ("nosuch://place", "nosuch://place.*name a folder"),
        ("ftp://user:secret@127.0.0.1:9/x?key=secret", "ftp://127.0.0.1:9/x, which cannot be used"),
        ("simplecache::ftp://user:secret@127.0.0.1:9/x", "simplecache::ftp://127.0.0.1:9/x"),
    ],
)
def test_a_storage_that_cannot_be_used_is_said_so_without_its_password(
    address: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)  # as where it is not installed
    monkeypatch.delitem(_registry, "s3", raising=False)
    with pytest.raises(MediaFolderError, match=words) as raised:
        folder_at(address)
    assert "secret" not in str(raised.value)
    assert "secret" not in repr(ArchiveSettings(media=address))


@pytest.mark.parametrize(
    "path", ["../secret.txt", "{}/secret.txt", "ab/../../secret.txt", "ab/./../..//x", ""]
)
def test_a_path_that_leads_out_of_the_folder_is_refused(tmp_path: Path, path: str) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_bytes(PICTURE)
    folder = folder_at(tmp_path / "media")
    folder.put(PICTURE, HASH, ".png")
    with pytest.raises(IntegrityError, match="leads out of it"):
        folder.get(path.format(tmp_path), HASH)
    folder.remove(path.format(tmp_path))
    assert (secret.read_bytes(), list(folder.paths())) == (PICTURE, [PATH])
