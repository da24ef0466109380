"""Records responses to a cassette and replays them. A cassette is written whole or not at all."""

import logging
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scrapy.http import Headers, Response
from scrapy.settings import BaseSettings
from vcr.cassette import Cassette
from vcr.matchers import method, uri
from vcr.persisters.filesystem import CassetteNotFoundError
from vcr.record_mode import RecordMode
from vcr.request import Request as VcrRequest
from vcr.serialize import deserialize, serialize

from archive.domain.errors import MessageError
from archive.system.files import make_private_folder
from crawler import redaction
from crawler.parse.response import MAX_PAGE_BYTES, DamagedResponse, gunzip

MODES = ("record", "replay")

_TRANSFER_HEADERS = frozenset({"content-encoding", "content-length", "transfer-encoding"})

# It logs whole responses, with their secrets, at INFO.
logging.getLogger("vcr").setLevel(logging.WARNING)


class CassetteError(MessageError):
    """A cassette is missing, or the file is not one."""


class CassetteMiss(MessageError):
    """The cassette that is replayed holds no (further) response to a request."""


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


@dataclass(frozen=True, slots=True)
class RecordedResponse:
    """A response with its body unpacked."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def cassette_from(settings: BaseSettings) -> "HttpCassette":
    """Return the cassette that the settings ask for. Raises CassetteError when they are wrong."""
    path, mode = settings.get("CASSETTE") or "", settings.get("CASSETTE_MODE") or ""
    if not path and not mode:
        return HttpCassette()
    if mode not in MODES or not path:
        raise CassetteError("crawler.cassette.settings", path=repr(path), mode=repr(mode))
    if mode == "replay" and not Path(path).is_file():
        raise CassetteError("crawler.cassette.missing", path=path)
    return HttpCassette(path, mode)


class HttpCassette:
    """Replays each recorded response once, in the order recorded, or appends responses.

    Secrets are removed before anything is recorded. Without a mode it does neither.
    """

    def __init__(self, path: str = "", mode: str = ""):
        self.records = mode == "record"
        self.replays = mode == "replay"
        self._path = path
        if mode:
            self._cassette = Cassette.load(
                path=path,
                record_mode=RecordMode.NEW_EPISODES if self.records else RecordMode.NONE,
                match_on=(method, uri, _same_client),
                persister=AtomicPersister,
            )

    def play(self, verb: str, url: str, headers: Mapping[str, str]) -> RecordedResponse:
        """Return the next recorded response. Raises CassetteMiss, which names the address."""
        url = redaction.scrub_url(url)
        wanted = VcrRequest(verb, url, None, dict(headers))
        if not self._cassette.can_play_response_for(wanted):
            raise CassetteMiss("crawler.cassette.miss", path=self._path, method=verb, url=url)
        played = self._cassette.play_response(wanted)
        pairs = []
        for name, values in played["headers"].items():
            pairs += [(name, value) for value in ([values] if isinstance(values, str) else values)]
        body = played["body"]["string"]
        content = body.encode() if isinstance(body, str) else body or b""
        return RecordedResponse(played["status"]["code"], tuple(pairs), content)

    def replay(self, verb: str, url: str, headers: Mapping[str, str]) -> Response:
        """Return the next recorded response as Scrapy's. Raises CassetteMiss."""
        recorded = self.play(verb, url, headers)
        replayed = Headers()
        for name, value in recorded.headers:
            replayed.appendlist(name, value)
        return Response(
            url, status=recorded.status, headers=replayed, body=recorded.body, protocol="HTTP/1.1"
        )

    def record(self, verb: str, url: str, headers: Mapping[str, str], response: Response) -> None:
        """Append a response of Scrapy's. A body that cannot be unpacked is recorded as it came."""
        pairs = tuple(
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, values in response.headers.items()
            for value in values
        )
        encodings = [value.lower() for name, value in pairs if name.lower() == "content-encoding"]
        body = response.body
        if encodings == ["gzip"]:
            try:
                body = gunzip(body, MAX_PAGE_BYTES)
            except DamagedResponse:
                self.append(verb, url, headers, RecordedResponse(response.status, pairs, body))
                return
        unpacked = tuple(pair for pair in pairs if pair[0].lower() not in _TRANSFER_HEADERS)
        self.append(verb, url, headers, RecordedResponse(response.status, unpacked, body))

    def append(self, verb: str, url: str, headers: Mapping[str, str], response: RecordedResponse) -> None:
        """Append a response whose body is unpacked, without secrets."""
        request = VcrRequest(
            verb, redaction.scrub_url(url), None, dict(redaction.public_headers(headers.items()))
        )
        lists: dict[str, list[str]] = {}
        for name, value in redaction.public_headers(response.headers):
            lists.setdefault(name, []).append(value)
        kind = next((values[0] for name, values in lists.items() if name.lower() == "content-type"), "")
        self._cassette.append(
            request,
            {
                "status": {"code": response.status, "message": ""},
                "headers": lists,
                "body": {"string": redaction.scrub_body(response.body, kind)},
            },
        )

    def close(self) -> None:
        """Write what was recorded; a cassette that was replayed stays untouched."""
        if self.records:
            self._cassette._save(force=True)  # what vcrpy's own context manager does at its end


def _same_client(one: VcrRequest, other: VcrRequest) -> None:
    """Match only requests of the same client: Scrapy and Chromium get responses of their own."""
    if _is_browser(one) != _is_browser(other):
        raise AssertionError("one is a browser's request, the other is not")  # how vcrpy's matchers say no


def _is_browser(request: VcrRequest) -> bool:
    return any(name.lower() == "upgrade-insecure-requests" for name in request.headers)
