"""Files and folders that only their owner may use, whatever the umask."""

import os
from pathlib import Path

FOLDER_MODE = 0o700

FILE_MODE = 0o600


def make_private_folder(folder: Path) -> None:
    """Make a folder and the missing ones above it, each with mode 0700; those that exist stay as they are.

    Raises OSError.
    """
    if folder.is_dir():
        return
    make_private_folder(folder.parent)
    folder.mkdir(mode=FOLDER_MODE, exist_ok=True)


def private_opener(path: str, flags: int) -> int:
    """Create a file with mode 0600: pass it to `open` as its `opener`."""
    return os.open(path, flags, FILE_MODE)
