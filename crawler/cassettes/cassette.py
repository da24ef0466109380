"""Records responses of Scrapy and Chromium to a cassette, without secrets, and replays them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scrapy.http import Headers, Response
from scrapy.settings import BaseSettings

from archive.domain.errors import MessageError
from crawler import redaction
from crawler.parse.response import MAX_PAGE_BYTES, DamagedResponse, gunzip

if TYPE_CHECKING:
    from crawler.cassettes.vcr_file import VcrFile

MODES = ("record", "replay")

_TRANSFER_HEADERS = frozenset({"content-encoding", "content-length", "transfer-encoding"})


class CassetteError(MessageError):
    """A cassette is missing, or the file is not one."""


class CassetteMiss(MessageError):
    """The cassette that is replayed holds no (further) response to a request."""


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
        self._file = _open_file(path, records=self.records) if mode else None

    def play(self, verb: str, url: str, headers: Mapping[str, str]) -> RecordedResponse:
        """Return the next recorded response. Raises CassetteMiss, which names the address."""
        url = redaction.scrub_url(url)
        played = self._file.next_response(verb, url, headers) if self._file else None
        if played is None:
            raise CassetteMiss("crawler.cassette.miss", path=self._path, method=verb, url=url)
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
        """Append a response whose body is unpacked, without secrets. Without a mode nothing is done."""
        if self._file is None:
            return
        lists: dict[str, list[str]] = {}
        for name, value in redaction.public_headers(response.headers):
            lists.setdefault(name, []).append(value)
        kind = next((values[0] for name, values in lists.items() if name.lower() == "content-type"), "")
        recorded = {
            "status": {"code": response.status, "message": ""},
            "headers": lists,
            "body": {"string": redaction.scrub_body(response.body, kind)},
        }
        public = dict(redaction.public_headers(headers.items()))
        self._file.append(verb, redaction.scrub_url(url), public, recorded)

    def close(self) -> None:
        """Write what was recorded; a cassette that was replayed stays untouched."""
        if self._file is not None and self.records:
            self._file.save()


def _open_file(path: str, *, records: bool) -> "VcrFile":
    from crawler.cassettes.vcr_file import VcrFile  # noqa: PLC0415 - takes a fifth of a second

    return VcrFile(path, records=records)
