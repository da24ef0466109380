"""Read small files within a bound, write files atomically, and make folders for temporary ones."""

import errno
import fcntl
import os
import shlex
import shutil
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import process, util
from pathlib import Path
from typing import BinaryIO, TypeVar

FOLDER_MODE = 0o700

FILE_MODE = 0o600

# Below the data home: a folder for each login to WeRead, and in it the code while somebody signs in.
WEREAD_FOLDER, CODE_FILE = "weread", "code.png"


def make_private_folder(folder: Path) -> None:
    """Make a folder and the missing ones above it, each with mode 0700; those that exist stay as they are.

    Raises OSError.
    """
    if folder.is_dir():
        return
    make_private_folder(folder.parent)
    folder.mkdir(mode=FOLDER_MODE, exist_ok=True)


def is_below(path: Path, folder: Path) -> bool:
    """Tell whether a path is a folder or below it, symbolic links followed."""
    return path.resolve().is_relative_to(folder.resolve())


def private_opener(path: str, flags: int) -> int:
    """Create a file with mode 0600: pass it to `open` as its `opener`."""
    return os.open(path, flags, FILE_MODE)


CONTAINER_SECRETS = Path("/run/secrets")  # mounted for one container, readable by every user in it


# Reasons for which no other file could be written either.
_OF_ALL_FILES = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO})


class FileUnusable(Exception):
    """A file that cannot be read, or is larger than such a file can be.

    `reason` is the system's; `limit` is the size that the file exceeds, in bytes; `is_open` says that other
    users can read or change a secret.
    """

    def __init__(
        self, path: Path, words: str, reason: str = "", limit: int | None = None, *, is_open: bool = False
    ):
        super().__init__(words)
        self.path, self.reason, self.limit, self.is_open = path, reason, limit, is_open


class FileWriteError(OSError):
    """A file that cannot be written; `filename` names it, `strerror` is the system's reason."""

    @property
    def concerns_all_files(self) -> bool:
        """Whether no other file could be written either: the disk is full, or the folder read-only."""
        return self.errno in _OF_ALL_FILES


def read_small(path: Path, most: int, hint: str) -> bytes:
    """Read a file of at most `most` bytes; `hint` ends the sentence on a larger one. Raises FileUnusable."""
    return _read(path, most, hint, is_secret=False)


def read_secret_file(path: Path, most: int, hint: str) -> bytes:
    """Read a small file that only its owner may read, or where root owns it, its group.

    Raises FileUnusable, also when others may read it; what containers mount below /run/secrets is exempt.
    """
    return _read(path, most, hint, is_secret=not path.is_relative_to(CONTAINER_SECRETS))


def _read(path: Path, most: int, hint: str, *, is_secret: bool) -> bytes:
    try:
        with path.open("rb") as file:
            if is_secret and _is_open_to_others(os.fstat(file.fileno())):
                remedy = f"chmod 600 {shlex.quote(str(path))}"
                reason = f"{path} can be read or changed by other users; {remedy}"
                raise FileUnusable(path, reason, is_open=True)
            content = file.read(most + 1)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise FileUnusable(path, f"{path} cannot be read: {reason}", reason) from None
    if len(content) > most:
        raise FileUnusable(path, f"{path} has over {most} bytes; {hint}", limit=most)
    return content


def _is_open_to_others(found: os.stat_result) -> bool:
    """Postgres judges the files of keys in this way: root may lend one to a service by its group."""
    group = stat.S_IWGRP | stat.S_IXGRP if found.st_uid == 0 and os.geteuid() != 0 else stat.S_IRWXG
    return stat.S_ISREG(found.st_mode) and bool(found.st_mode & (group | stat.S_IRWXO))


MAX_LINKS = 40  # symbolic links that lead to one another; Linux follows as many

_STICKY = stat.S_ISVTX | stat.S_IWOTH  # as /tmp

_Result = TypeVar("_Result")


def atomically(path: Path, write: Callable[[BinaryIO], _Result], *, is_private: bool = False) -> _Result:
    """Write a temporary file beside `path`, then rename it: no reader sees half a file.

    A symbolic link at `path` stays, and what it leads to is written. `is_private`: the file has mode 0600
    whatever the umask, and folders that are made for it 0700. A device or a pipe is written to as it is.
    Return what `write` returned. Raises FileWriteError; a file that stood at `path` is then unchanged.
    """
    path = _target(path)
    if _is_device(path):
        return _directly(path, write)
    unfinished = path.with_name(f".mparchive-{os.getpid()}.unfinished")
    try:
        if is_private:
            make_private_folder(path.parent)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.unlink(missing_ok=True)  # one that a killed process left, or a link that another user made
        with open(unfinished, "x+b", opener=private_opener if is_private else None) as out:
            result = write(out)
        unfinished.replace(path)
    except OSError as error:
        raise FileWriteError(error.errno, error.strerror, str(path)) from None
    finally:
        with suppress(OSError):  # of a folder that is a file, for example: its error is raised already
            unfinished.unlink()
    return result


def _target(path: Path) -> Path:
    """Return where a symbolic link at `path` leads, which need not exist; any other path as it is.

    As the kernel does for opened files, a link in a folder where everybody may write counts only from the
    user of this process or the owner of the folder. Raises FileWriteError.
    """
    target = path
    try:
        for _ in range(MAX_LINKS):
            if not target.is_symlink():
                return target
            folder = target.parent.stat()
            if (folder.st_mode & _STICKY) == _STICKY and target.lstat().st_uid not in (
                os.geteuid(),
                folder.st_uid,
            ):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            target = target.parent / target.readlink()
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    except OSError as error:
        raise FileWriteError(error.errno, error.strerror, str(path)) from None


def _is_device(path: Path) -> bool:
    """Tell whether there is something at `path` that a file must not replace, such as /dev/full or a pipe."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _directly(path: Path, write: Callable[[BinaryIO], _Result]) -> _Result:
    try:
        with path.open("wb") as out:
            return write(out)
    except OSError as error:
        raise FileWriteError(error.errno, error.strerror, str(path)) from None


def write_bytes(path: Path, content: bytes, *, is_private: bool = False) -> None:
    """Write the whole content of a file atomically. Raises FileWriteError."""
    atomically(path, lambda out: out.write(content), is_private=is_private)


_TEMPORARY = "mparchive-process-"

MAX_SOCKET_BASE = (
    50  # characters; below it come this folder and multiprocessing's socket, 104 in all on macOS
)

_process_folders: dict[Path, Path] = {}


def process_folder(*, for_sockets: bool = False) -> Path:
    """Return a private folder that is removed with this process; those of killed processes are removed now.

    `for_sockets`: its path is short enough for them, and multiprocessing keeps its own there from now on.
    Raises FileWriteError.
    """
    base = Path()
    try:
        base = Path(tempfile.gettempdir())
        if for_sockets and len(str(base)) > MAX_SOCKET_BASE:
            base = Path("/tmp")  # noqa: S108 - the folder has a random name and mode 0700
        folder = _process_folders.get(base)
        if folder is None or not folder.exists():  # systems remove old files there
            _remove_abandoned(base)
            unlocked = Path(tempfile.mkdtemp(prefix=".mparchive-", dir=base))
            fcntl.flock(os.open(unlocked, os.O_RDONLY), fcntl.LOCK_SH)  # as long as this process lives
            folder = unlocked.rename(base / f"{_TEMPORARY}{unlocked.name.rpartition('-')[2]}")
            util.Finalize(None, shutil.rmtree, (folder, True), exitpriority=-100)
            _process_folders[base] = folder
    except OSError as error:
        raise FileWriteError(error.errno, error.strerror, str(base)) from None
    if for_sockets:
        vars(process.current_process())["_config"]["tempdir"] = str(folder)
    return folder


def remove_temporary_files_of_programs() -> None:
    """Let programs that this process starts keep temporary files in its process folder, which is removed.

    Chromium and Playwright leave theirs behind when they are killed. Raises FileWriteError.
    """
    os.environ["TMPDIR"] = str(process_folder(for_sockets=True))


def _remove_abandoned(base: Path) -> None:
    """Remove the folders of processes that were killed, whose locks the kernel has dropped."""
    for folder in base.glob(f"{_TEMPORARY}*"):
        with suppress(OSError):  # of another user, or removed meanwhile
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(handle).st_uid == os.geteuid():
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(handle)
