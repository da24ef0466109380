"""The files of a folder that may be inputs, in order."""

import os
from collections.abc import Iterator
from pathlib import Path

from archive.address import HOST
from mparchive.inputs.flaw import InputError
from mparchive.inputs.source import HEAD, Source

MOST_FILES = 100_000  # looked at in one folder; a page a file, ten years of a busy account have a tenth
_LISTS = (".txt", ".csv", ".tsv")  # a script or a log may well hold addresses too, and is no list
_HOSTS = (HOST.encode(), HOST.encode("utf-16-le"), HOST.encode("utf-16-be"))


def files_of(folder: Path) -> Iterator[Path]:
    """Every file below, by name; nothing hidden. Raises InputError when there are too many to look at."""
    number = 0
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for path in (Path(here) / name for name in sorted(files) if not name.startswith(".")):
            number += 1
            if number > MOST_FILES:
                raise InputError(f"{folder} holds over {MOST_FILES} files; name some of its folders instead")
            if path.is_file():  # no pipe, which would be waited for
                yield path


def is_listing(source: Source) -> bool:
    """Whether a file that may be a list of addresses is meant as one."""
    head = source.stream.read(HEAD)
    source.stream.seek(0)
    name = source.name.lower().removesuffix(".gz")
    return name.endswith(_LISTS) and any(host in head for host in _HOSTS)
