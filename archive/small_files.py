"""Files that a configuration names, and itself: small, so that no wrong name fills the memory."""

from pathlib import Path


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
