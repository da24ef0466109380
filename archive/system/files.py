"""Files that a configuration names, and itself: small, so that no wrong name fills the memory."""

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeVar

from archive.domain.errors import ExportError, NothingWritable
from archive.system.private_files import make_private_folder, private_opener

CONTAINER_SECRETS = Path("/run/secrets")  # mounted for one container, readable by every user in it


class FileUnusable(Exception):
    """It cannot be read, or is larger than such a file can be; the message says which and why."""


def read_small(path: Path, most: int, hint: str) -> bytes:
    """A file of at most so many bytes; `hint` ends the sentence on a larger one. Raises FileUnusable."""
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
                raise FileUnusable(f"{path} can be read or changed by other users; chmod 600 {path}")
            content = file.read(most + 1)
    except OSError as error:
        raise FileUnusable(f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from None
    if len(content) > most:
        raise FileUnusable(f"{path} has over {most} bytes; {hint}")
    return content


def _is_open_to_others(found: os.stat_result) -> bool:
    """Postgres judges the files of keys in this way: root may lend one to a service by its group."""
    group = stat.S_IWGRP | stat.S_IXGRP if found.st_uid == 0 and os.geteuid() != 0 else stat.S_IRWXG
    return stat.S_ISREG(found.st_mode) and bool(found.st_mode & (group | stat.S_IRWXO))


# What a system says when the next file will fare no better.
_OF_ALL_FILES = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO})

Result = TypeVar("Result")


def atomically(path: Path, write: Callable[[BinaryIO], Result], *, is_private: bool = False) -> Result:
    """Write beside the file and rename: a reader never sees half a file, a full disk costs nothing.

    `is_private`: the file has mode 0600 whatever the umask, and folders that are made for it 0700.
    Raises ExportError when it cannot be written, NothingWritable when no other file could be either.
    """
    unfinished = path.with_name(f".mparchive-{os.getpid()}.unfinished")
    try:
        if is_private:
            make_private_folder(path.parent)
            unfinished.unlink(missing_ok=True)  # one that a killed process left might be open to others
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
        with open(unfinished, "w+b", opener=private_opener if is_private else None) as out:
            result = write(out)
        unfinished.replace(path)
    except OSError as error:
        kind = NothingWritable if error.errno in _OF_ALL_FILES else ExportError
        raise kind(f"cannot write {path}: {error.strerror}") from None
    finally:
        unfinished.unlink(missing_ok=True)
    return result


def write_bytes(path: Path, content: bytes, *, is_private: bool = False) -> None:
    """Write a file's whole content in this way."""
    atomically(path, lambda out: out.write(content), is_private=is_private)
