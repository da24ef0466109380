"""Files of an export: written whole or not at all, named for people."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeVar

from archive.errors import ExportError
from archive.models import Post
from archive.private_files import make_private_folder, private_opener

MAX_TITLE = 40  # characters of a title in a file's name: of 255 bytes three a character, and the aid's
_FORBIDDEN = frozenset('/\\:*?"<>|')
Result = TypeVar("Result")


def atomically(path: Path, write: Callable[[BinaryIO], Result], *, is_private: bool = False) -> Result:
    """Write beside the file and rename: a reader never sees half a file, a full disk costs nothing.

    `is_private`: the file has mode 0600 whatever the umask, and folders that are made for it 0700.
    Raises ExportError when it cannot be written.
    """
    unfinished = path.with_name(f".{path.name[:80]}.{os.getpid()}")
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
        raise ExportError(f"cannot write {path}: {error.strerror}") from None
    finally:
        unfinished.unlink(missing_ok=True)
    return result


def write_bytes(path: Path, content: bytes, *, is_private: bool = False) -> None:
    """Write a file's whole content in this way."""
    atomically(path, lambda out: out.write(content), is_private=is_private)


def as_file_name(name: str) -> str:
    """A name without what some file system does not take."""
    shown = "".join("_" if char in _FORBIDDEN or not char.isprintable() else char for char in name)
    return shown.strip(". ") or "_"


class Names:
    """Names of posts' files: `<date>-<aid>-<title>`, each once whatever the file system's letter case."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def of(self, post: Post) -> str:
        """The name of a post's file without its ending."""
        title = as_file_name(" ".join(post.title.split()))[:MAX_TITLE].strip(". ")
        name = as_file_name(f"{post.published_on.isoformat()}-{post.aid}-{title}")
        if name.casefold() in self._taken:  # the same aid of another account
            name = f"{name}-{post.account_id}"
        self._taken.add(name.casefold())
        return name
