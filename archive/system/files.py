"""Read small files within a bound, and write files atomically."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeVar


class FileUnusable(Exception):
    """A file that cannot be read, or is larger than such a file can be.

    `reason` is the system's, empty for a file of more than `limit` bytes. `limit` is None for the others.
    """

    def __init__(self, path: Path, words: str, reason: str = "", limit: int | None = None):
        super().__init__(words)
        self.path, self.reason, self.limit = path, reason, limit


class FileWriteError(OSError):
    """A file that cannot be written; `filename` names it, `strerror` is the system's reason."""


def read_small(path: Path, most: int, hint: str) -> bytes:
    """Read a file of at most `most` bytes; `hint` ends the sentence on a larger one. Raises FileUnusable."""
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise FileUnusable(path, f"{path} cannot be read: {reason}", reason) from None
    if len(content) > most:
        raise FileUnusable(path, f"{path} has over {most} bytes; {hint}", limit=most)
    return content


Result = TypeVar("Result")


def atomically(path: Path, write: Callable[[BinaryIO], Result]) -> Result:
    """Write a temporary file beside `path`, then rename it: no reader sees half a file.

    Return what `write` returned. Raises FileWriteError; a file that stood at `path` is then unchanged.
    """
    unfinished = path.with_name(f".{path.name[:80]}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with unfinished.open("w+b") as out:
            result = write(out)
        unfinished.replace(path)
    except OSError as error:
        raise FileWriteError(error.errno, error.strerror, str(path)) from None
    finally:
        unfinished.unlink(missing_ok=True)
    return result


def write_bytes(path: Path, content: bytes) -> None:
    """Write the whole content of a file atomically. Raises FileWriteError."""
    atomically(path, lambda out: out.write(content))
