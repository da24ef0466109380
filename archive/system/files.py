"""Files that a configuration names, and itself: small, so that no wrong name fills the memory."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeVar

from archive.domain.errors import ExportError


class FileUnusable(Exception):
    """It cannot be read, or is larger than such a file can be; the message says which and why."""


def read_small(path: Path, most: int, hint: str) -> bytes:
    """A file of at most so many bytes; `hint` ends the sentence on a larger one. Raises FileUnusable."""
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise FileUnusable(f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from None
    if len(content) > most:
        raise FileUnusable(f"{path} has over {most} bytes; {hint}")
    return content


Result = TypeVar("Result")


def atomically(path: Path, write: Callable[[BinaryIO], Result]) -> Result:
    """Write beside the file and rename: a reader never sees half a file, a full disk costs nothing.

    Raises ExportError when it cannot be written.
    """
    unfinished = path.with_name(f".{path.name[:80]}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with unfinished.open("w+b") as out:
            result = write(out)
        unfinished.replace(path)
    except OSError as error:
        raise ExportError(f"cannot write {path}: {error.strerror}") from None
    finally:
        unfinished.unlink(missing_ok=True)
    return result


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file's whole content in this way."""
    atomically(path, lambda out: out.write(content))
