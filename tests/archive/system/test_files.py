"""Test bounded reads and atomic writes."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pytest

from archive.domain.errors import file_message
from archive.system.files import (
    FileUnusable,
    FileWriteError,
    atomically,
    process_folder,
    read_secret_file,
    read_small,
    write_bytes,
)
from tests.archive.nobody import NOBODY


def test_a_file_within_the_bound_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    assert read_small(tmp_path / "a", 5, "split it") == b"12345"


def test_a_file_beyond_the_bound_is_refused_with_the_bound(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"123456")
    with pytest.raises(FileUnusable, match="over 5 bytes; split it") as refused:
        read_small(tmp_path / "a", 5, "split it")
    assert file_message(refused.value).code == "archive.file.too_large"


def test_a_file_that_is_not_there_is_named_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(FileUnusable, match="no such file") as refused:
        read_small(tmp_path / "a", 5, "split it")
    message = file_message(refused.value)
    assert (message.code, message.params["path"]) == ("archive.file.unreadable", str(tmp_path / "a"))


def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_bytes(path, b"old")

    def fail(out: BinaryIO) -> None:
        out.write(b"new")
        raise OSError(28, "No space left on device")

    with pytest.raises(FileWriteError) as refused:
        atomically(path, fail)
    assert str(file_message(refused.value)) == f"cannot write {path}: No space left on device"
    assert (path.read_bytes(), list(tmp_path.iterdir())) == (b"old", [path])


def test_folders_are_made_and_the_result_of_the_writer_returned(tmp_path: Path) -> None:
    assert atomically(tmp_path / "x" / "y", lambda out: out.write(b"abc")) == 3
    assert (tmp_path / "x" / "y").read_bytes() == b"abc"


def test_a_path_below_a_file_is_refused(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a", b"file")
    for path in (tmp_path / "a" / "x", tmp_path / "a" / "x" / "y"):
        with pytest.raises(FileWriteError) as refused:
            write_bytes(path, b"new")
        assert refused.value.filename == str(path)
    assert (tmp_path / "a").read_bytes() == b"file"


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # else opening it for writing would wait
    try:
        write_bytes(path, b"new")
        assert os.read(reader, 10) == b"new"
    finally:
        os.close(reader)
    assert path.is_fifo()


def test_the_remedy_for_a_file_open_to_others_can_be_pasted(tmp_path: Path) -> None:
    path = tmp_path / "a b"
    path.write_bytes(b"secret")
    path.chmod(0o644)
    with pytest.raises(FileUnusable) as refused:
        read_secret_file(path, 10, "")
    assert f"chmod 600 '{path}'" in str(refused.value)
    assert str(file_message(refused.value)).endswith(f"run `chmod 600 '{path}'`")


@pytest.mark.parametrize("is_private", [False, True])
@pytest.mark.parametrize("is_there", [False, True])
def test_a_symbolic_link_stays_and_what_it_leads_to_is_written(
    tmp_path: Path, is_there: bool, is_private: bool
) -> None:
    real, link, first = tmp_path / "real" / "a", tmp_path / "link", tmp_path / "first"
    real.parent.mkdir()
    if is_there:
        real.write_bytes(b"old")
    link.symlink_to("real/a")
    first.symlink_to(link)
    write_bytes(first, b"new", is_private=is_private)
    assert (real.read_bytes(), list(real.parent.iterdir())) == (b"new", [real])
    assert (first.readlink(), str(link.readlink())) == (link, "real/a")


def test_links_in_a_circle_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(FileWriteError, match="Too many levels") as refused:
        write_bytes(tmp_path / "a", b"new")
    assert refused.value.filename == str(tmp_path / "a")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a link that belongs to another user")
def test_a_link_of_another_user_in_a_folder_that_everybody_writes_is_refused(tmp_path: Path) -> None:
    shared, mine = tmp_path / "shared", tmp_path / "mine"
    shared.mkdir()
    shared.chmod(0o1777)
    mine.write_bytes(b"precious")
    (shared / "a").symlink_to(mine)
    os.lchown(shared / "a", NOBODY, NOBODY)
    with pytest.raises(FileWriteError, match="Permission denied"):
        write_bytes(shared / "a", b"new")
    assert mine.read_bytes() == b"precious"


@pytest.mark.parametrize("is_private", [False, True])
def test_a_link_in_place_of_the_unfinished_file_is_not_followed(tmp_path: Path, is_private: bool) -> None:
    mine = tmp_path / "mine"
    mine.write_bytes(b"precious")
    (tmp_path / f".mparchive-{os.getpid()}.unfinished").symlink_to(mine)
    write_bytes(tmp_path / "a", b"new", is_private=is_private)
    assert (mine.read_bytes(), (tmp_path / "a").read_bytes()) == (b"precious", b"new")
    assert not (tmp_path / "a").is_symlink()


_WITH_FOLDER = """
import sys
from multiprocessing import util
from archive.system.files import process_folder
folder = process_folder(for_sockets=sys.argv[1] == "sockets")
(folder / "rows").write_text("kept while the process lives")
print(util.get_temp_dir() if sys.argv[1] == "sockets" else folder, flush=True)
sys.stdin.read()
"""


@contextmanager
def process_with_folder(base: Path, purpose: str = "files") -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Run a process that has made its folder below `base`, until its standard input is closed."""
    command = [sys.executable, "-c", _WITH_FOLDER, purpose]
    environment = {**os.environ, "TMPDIR": str(base)}
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process, Path(process.stdout.readline().strip())


def test_the_folder_of_a_process_is_private_and_goes_with_it(tmp_path: Path) -> None:
    with process_with_folder(tmp_path) as (_, folder):
        assert (folder.parent, folder.stat().st_mode & 0o777) == (tmp_path, 0o700)
    assert list(tmp_path.iterdir()) == []


def test_the_next_process_removes_the_folder_of_one_that_was_killed_and_no_other(tmp_path: Path) -> None:
    (others := tmp_path / "mparchive-home").mkdir()
    with process_with_folder(tmp_path) as (process, abandoned):
        process.send_signal(signal.SIGKILL)
    assert (abandoned / "rows").exists()
    with process_with_folder(tmp_path) as (_, living), process_with_folder(tmp_path) as (_, next_one):
        assert set(tmp_path.iterdir()) == {others, living, next_one}
        assert (living / "rows").exists()


def test_sockets_have_a_short_path_where_the_folder_for_temporary_files_has_a_long_one(
    tmp_path: Path,
) -> None:
    (long := tmp_path / ("长" * 60)).mkdir()
    with process_with_folder(long, "sockets") as (_, folder):
        assert len(os.fsencode(folder / "listener-12345678")) < 104
        assert folder.stat().st_mode & 0o777 == 0o700
    assert not folder.exists()
    with process_with_folder(long) as (_, folder):
        assert folder.parent == long


def test_a_folder_for_temporary_files_that_cannot_be_used_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(FileWriteError) as refused:
        process_folder()
    assert refused.value.filename == str(tmp_path / "nowhere")
