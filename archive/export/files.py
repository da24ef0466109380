"""Files of an export: written whole or not at all, named for people."""

import errno
import os
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeVar

from archive.errors import ExportError, NothingWritable
from archive.models import Post
from archive.private_files import make_private_folder, private_opener

MAX_TITLE = 40  # characters of a title in a file's name
MAX_NAME = 200  # bytes of a name, of 255: the rest is for a number, a date and endings such as .warc.gz
_FORBIDDEN = frozenset('/\\:*?"<>|')
_DEVICES = frozenset({  # of Windows, whatever follows after a dot
    "con", "prn", "aux", "nul", "conin$", "conout$",
    *(f"{port}{number}" for port in ("com", "lpt") for number in "0123456789¹²³"),
})  # fmt: skip
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


def as_file_name(name: str, most: int = MAX_NAME) -> str:
    """A name without what some file system does not take, of at most so many bytes."""
    shown = "".join("_" if char in _FORBIDDEN or not char.isprintable() else char for char in name)
    shown = shown.encode()[:most].decode(errors="ignore").strip(". ") or "_"
    return f"_{shown}"[:most] if shown.partition(".")[0].strip().lower() in _DEVICES else shown


class Names:
    """Names of files without their ending, each once: also where a file system takes large and small letters,
    or two ways to write the same letter, for the same.
    """

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def of(self, post: Post) -> str:
        """The name of a post's file: `<date>-<aid>-<title>`."""
        title = as_file_name(" ".join(post.title.split())[:MAX_TITLE])
        name = f"{post.published_on.isoformat()}-{post.aid}-{title}"
        return self._once(name, str(post.account_id))  # the same aid of another account

    def of_account(self, name: str, biz: str) -> str:
        """The name of an account's file, with its biz where another account has the same name."""
        return self._once(name, biz)

    def _once(self, name: str, apart: str) -> str:
        given = as_file_name(name)
        ending, number = "", 1
        while _as_taken(given + ending) in self._taken:
            ending = as_file_name(f"-{apart}" if number == 1 else f"-{apart}-{number}", MAX_NAME // 2)
            given = as_file_name(name, MAX_NAME - len(ending.encode()))
            number += 1
        self._taken.add(_as_taken(given + ending))
        return given + ending


def _as_taken(name: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
