"""A place of backups is a folder or a bucket; what is wrong with it is one sentence, without a key."""

import errno
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fsspec.registry import _registry

from archive.backup.backup_file import BackupError
from archive.backup.object_store import ATTEMPTS, ObjectStore, without_secrets
from tests.archive.backup.s3_server import BUCKET, CREDENTIALS, s3_server, use_s3


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with s3_server() as address:
        yield address


@pytest.fixture(params=["folder", "file URL", "S3"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """Return an empty store of each kind."""
    if request.param == "S3":
        use_s3(monkeypatch, request.getfixturevalue("s3"))
        return ObjectStore(f"s3://{BUCKET}/{tmp_path.name}/below", sleep=_never)
    prefix = "file://" if request.param == "file URL" else ""
    return ObjectStore(f"{prefix}{tmp_path}/new/place", sleep=_never)


def _never(_seconds: float) -> None:
    raise AssertionError("nothing is tried again")


def test_objects_are_written_listed_read_and_removed(store: ObjectStore) -> None:
    assert store.names("") == []
    assert store.sizes("rows") == {}
    store.write("rows/ab/1", b"one")
    store.write("rows/cd/2", b"two, longer")
    store.write("rows/ab/1", b"1")
    store.write("mark", b"")
    assert {"mark", "rows"} <= set(store.names(""))
    assert store.names("rows") == ["ab", "cd"]
    assert list(store.shards("rows")) == [{"rows/ab/1": 1}, {"rows/cd/2": 11}]
    assert store.read("rows/ab/1") == b"1"
    store.remove("rows/ab/1")
    store.remove("rows/ab/1")
    assert store.sizes("rows") == {"rows/cd/2": 11}
    with pytest.raises(FileNotFoundError):
        store.read("rows/ab/1")


def test_of_two_that_create_an_object_one_is_told_that_it_is_there(store: ObjectStore) -> None:
    assert store.create("lease/1", b"first")
    assert not store.create("lease/1", b"second")
    assert store.read("lease/1") == b"first"


def test_files_and_folders_are_for_their_owner_only(tmp_path: Path) -> None:
    ObjectStore(str(tmp_path / "place")).write("rows/x", b"x")
    modes = [stat.S_IMODE(path.stat().st_mode) for path in ((tmp_path / "place"), *tmp_path.rglob("x"))]
    assert modes == [0o700, 0o600]


@pytest.mark.parametrize(
    "address",
    [
        "s3://AKIAX:never/to+be/shown@bucket/p",
        "ftp://user:hidden@host/p",
        "s3://AKIAX:hidden@bucket?key=hidden",
    ],
)
def test_a_password_in_the_address_is_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(BackupError, match="has a password in it") as refused:
        ObjectStore(address)
    for secret in ("hidden", "never", "shown", "AKIAX"):
        assert secret not in str(refused.value)
        assert secret not in without_secrets(address)


@pytest.mark.parametrize(
    ("address", "match"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ("foo://x", "no storage is known by foo://"),
        ("s3://[x/y", "is no address"),
        ("s3://", "is no address"),
    ],
)
def test_what_cannot_be_an_address_is_refused(address: str, match: str) -> None:
    with pytest.raises(BackupError, match=match):
        ObjectStore(address)


def test_a_file_is_no_place(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"precious")
    for address in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(BackupError, match="is a file or lies below one"):
            ObjectStore(str(address), sleep=_never).write("x", b"")
    assert (tmp_path / "file").read_bytes() == b"precious"


def test_a_package_that_is_missing_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(_registry, "s3", raising=False)  # where it is, once imported
    with pytest.raises(BackupError, match=r"pip install 'mparchive\[remote\]'"):
        ObjectStore("s3://bucket/prefix")


def test_a_bucket_that_is_missing_is_not_made(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    use_s3(monkeypatch, s3)
    store = ObjectStore("s3://nobodys-bucket/x", sleep=_never)
    assert store.names("") == []
    with pytest.raises(BackupError, match="its bucket or folder does not exist"):
        store.write("x", b"")


@pytest.mark.slow
def test_wrong_and_missing_credentials_are_said_without_them(monkeypatch: pytest.MonkeyPatch) -> None:
    with s3_server(checks_credentials=True) as address:
        use_s3(monkeypatch, address)
        with pytest.raises(BackupError, match=r"refuses access \(InvalidAccessKeyId\)") as refused:
            ObjectStore("s3://bucket/x", sleep=_never).names("")
        assert not any(CREDENTIALS[name] in str(refused.value) for name in CREDENTIALS)
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
        monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
        with pytest.raises(BackupError, match="there are no credentials for s3://bucket/x"):
            ObjectStore("s3://bucket/x", sleep=_never).names("")


def test_a_server_that_does_not_answer_is_tried_again_and_then_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("s3fs")
    use_s3(monkeypatch, "http://127.0.0.1:9")
    waits = list[float]()
    with pytest.raises(BackupError, match=r"s3://bucket/x cannot be used \(EndpointConnectionError\)"):
        ObjectStore("s3://bucket/x", sleep=waits.append).names("")
    assert waits == [1, 2, 4, 8]
    assert len(waits) == ATTEMPTS - 1


def test_a_failure_that_passes_is_overcome(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    waits = list[float]()
    monkeypatch.setattr(store, "_sleep", waits.append)
    failures = [TimeoutError(), ConnectionResetError(), OSError(errno.EIO, "x")]
    write = store._write

    def fail_first(name: str, content: bytes) -> None:
        if failures:
            raise failures.pop()
        write(name, content)

    monkeypatch.setattr(store, "_write", fail_first)
    store.write("x", b"x")
    assert (store.read("x"), len(waits)) == (b"x", 3)


@pytest.mark.parametrize(
    ("number", "match"), [(errno.ENOSPC, "has no room left"), (errno.EROFS, r"refuses access \(Read-only")]
)
def test_a_disk_that_is_full_or_read_only_is_said_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, match: str
) -> None:
    store = ObjectStore(str(tmp_path), sleep=_never)

    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(store, "_write", fail)
    with pytest.raises(BackupError, match=match):
        store.write("x", b"")


@pytest.mark.parametrize("name", ["a::b", "a b", "合成", "[x]*?#%41", "file:x", "x" * 200])
def test_any_name_of_a_folder_is_one(tmp_path: Path, name: str) -> None:
    store = ObjectStore(str(tmp_path / name))
    store.write("rows/ab/1", b"one")
    assert (tmp_path / name / "rows" / "ab" / "1").read_bytes() == b"one"
    assert list(store.shards("rows")) == [{"rows/ab/1": 3}]
    assert store.read("rows/ab/1") == b"one"


def test_a_server_without_exclusive_writes_is_asked_before(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    use_s3(monkeypatch, s3)
    store = ObjectStore(f"s3://{BUCKET}/plain", sleep=_never)
    write = store._files.pipe_file

    def refuse(path: str, content: bytes, mode: str = "overwrite") -> None:
        if mode == "create":
            raise OSError from ServerError
        write(path, content)

    class ServerError(Exception):
        response = {"Error": {"Code": "NotImplemented"}}  # noqa: RUF012

    monkeypatch.setattr(store._files, "pipe_file", refuse)
    assert store.create("lease/1", b"first")
    assert not store.create("lease/1", b"second")
    assert store.read("lease/1") == b"first"
