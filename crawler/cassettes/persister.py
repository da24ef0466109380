"""Cassette files: written whole or not at all, and never taken for empty when they cannot be read."""

import os
import tempfile
from pathlib import Path
from typing import Any

from vcr.persisters.filesystem import CassetteNotFoundError
from vcr.serialize import deserialize, serialize

from archive.private_files import make_private_folder


class CassetteError(Exception):
    """A cassette is missing or is not one; the message says which and what to do."""


class AtomicPersister:
    """vcrpy's file format through a temporary file and a rename, so that a kill leaves no half cassette."""

    @staticmethod
    def load_cassette(cassette_path: str, serializer: Any) -> Any:
        """Read a cassette; raises CassetteError where vcrpy's own persister would start an empty one."""
        path = Path(cassette_path)
        if not path.is_file():
            raise CassetteNotFoundError()  # vcrpy starts an empty one: this is how a recording begins
        try:
            return deserialize(path.read_text(encoding="utf-8"), serializer)
        except Exception as error:
            raise CassetteError(f"{path} is not a cassette in vcrpy's format: {error}") from error

    @staticmethod
    def save_cassette(cassette_path: str, cassette_dict: dict[str, Any], serializer: Any) -> None:
        """Write a cassette in one step, for its owner alone: it may hold cookies."""
        path = Path(cassette_path)
        make_private_folder(path.parent)
        data = serialize(cassette_dict, serializer)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # with mode 0600
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
