"""One cassette as a file in vcrpy's format, written whole or not at all.

Importing vcrpy imports every HTTP library it can patch, which takes a fifth of a second: only a run that
records or replays imports this module.
"""

import logging
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vcr.cassette import Cassette
from vcr.matchers import method, uri
from vcr.persisters.filesystem import CassetteNotFoundError
from vcr.record_mode import RecordMode
from vcr.request import Request
from vcr.serialize import deserialize, serialize

from archive.system.files import make_private_folder
from crawler.cassettes.cassette import CassetteError

# It logs whole responses, with their secrets, at INFO.
logging.getLogger("vcr").setLevel(logging.WARNING)


class AtomicPersister:
    """vcrpy's file format, written to a temporary file that is renamed: a kill leaves no half cassette."""

    @staticmethod
    def load_cassette(cassette_path: str, serializer: Any) -> Any:
        """Read a cassette. Raises CassetteError where vcrpy's own persister would start an empty one."""
        path = Path(cassette_path)
        if not path.is_file():
            raise CassetteNotFoundError()  # vcrpy then starts an empty one: this is how a recording begins
        try:
            return deserialize(path.read_text(encoding="utf-8"), serializer)
        except Exception as error:
            raise CassetteError("crawler.cassette.broken", path=path, error=str(error)) from error

    @staticmethod
    def save_cassette(cassette_path: str, cassette_dict: dict[str, Any], serializer: Any) -> None:
        """Write a cassette in one step, readable by its owner alone: it may hold secrets of unknown form."""
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


class VcrFile:
    """The requests and responses of one cassette. Secrets must be removed before they are given to it."""

    def __init__(self, path: str, *, records: bool):
        self._cassette = Cassette.load(
            path=path,
            record_mode=RecordMode.NEW_EPISODES if records else RecordMode.NONE,
            match_on=(method, uri, _same_client),
            persister=AtomicPersister,
        )

    def next_response(self, verb: str, url: str, headers: Mapping[str, str]) -> dict[str, Any] | None:
        """Return the next response to a request, each once in the order recorded; None when there is none."""
        wanted = Request(verb, url, None, dict(headers))
        if not self._cassette.can_play_response_for(wanted):
            return None
        response: dict[str, Any] = self._cassette.play_response(wanted)
        return response

    def append(self, verb: str, url: str, headers: Mapping[str, str], response: dict[str, Any]) -> None:
        """Append a response; it is written by `save`."""
        self._cassette.append(Request(verb, url, None, dict(headers)), response)

    def save(self) -> None:
        """Write the file."""
        self._cassette._save(force=True)  # what vcrpy's own context manager does at its end


def _same_client(one: Request, other: Request) -> None:
    """Match only requests of the same client: Scrapy and Chromium get responses of their own."""
    if _is_browser(one) != _is_browser(other):
        raise AssertionError("one is a browser's request, the other is not")  # how vcrpy's matchers say no


def _is_browser(request: Request) -> bool:
    return any(name.lower() == "upgrade-insecure-requests" for name in request.headers)
