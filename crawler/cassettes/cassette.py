"""Cassette files: written whole or not at all, and never taken for empty when they cannot be read."""

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

from archive.system.private_files import make_private_folder
from crawler import redaction
from crawler.parse.response import MAX_PAGE_BYTES, DamagedAnswer, gunzip


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


# It writes whole answers, unscrubbed, at INFO.
logging.getLogger("vcr").setLevel(logging.WARNING)

MODES = ("record", "replay")

_PACKING = frozenset({"content-encoding", "content-length", "transfer-encoding"})


class CassetteMiss(Exception):
    """A request that the cassette being replayed holds no (further) answer for."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """An answer with its body unpacked."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def tape_from(settings: BaseSettings) -> "Tape":
    """The tape that CASSETTE and CASSETTE_MODE ask for; raises CassetteError when they make no sense."""
    path, mode = settings.get("CASSETTE") or "", settings.get("CASSETTE_MODE") or ""
    if not path and not mode:
        return Tape()
    if mode not in MODES or not path:
        raise CassetteError(
            f"CASSETTE={path!r} with CASSETTE_MODE={mode!r}: give a file, and record or replay"
        )
    if mode == "replay" and not Path(path).is_file():
        raise CassetteError(f"there is no cassette {path} to replay")
    return Tape(path, mode)


class Tape:
    """Plays each recorded answer once, in the order recorded, or appends what it is given."""

    def __init__(self, path: str = "", mode: str = ""):
        self.records = mode == "record"
        self.replays = mode == "replay"
        self._path = path
        if mode:
            self._cassette = Cassette.load(
                path=path,
                record_mode=RecordMode.NEW_EPISODES if self.records else RecordMode.NONE,
                match_on=(method, uri, _same_asker),
                before_record_request=_clean_request,
                before_record_response=_clean_response,
                persister=AtomicPersister,
            )

    def recorded(self, verb: str, url: str, headers: Mapping[str, str]) -> Recorded:
        """The next recorded answer; raises CassetteMiss, naming the address."""
        wanted = VcrRequest(verb, url, None, dict(headers))
        if not self._cassette.can_play_response_for(wanted):
            raise CassetteMiss(f"{self._path} holds no further answer for {verb} {redaction.scrub_url(url)}")
        played = self._cassette.play_response(wanted)
        pairs = ((name, value) for name, values in played["headers"].items() for value in _listed(values))
        return Recorded(played["status"]["code"], tuple(pairs), _as_bytes(played["body"]["string"]))

    def replay(self, verb: str, url: str, headers: Mapping[str, str]) -> Response:
        """The next recorded answer, as Scrapy wants it."""
        answer = self.recorded(verb, url, headers)
        replayed = Headers()
        for name, value in answer.headers:
            replayed.appendlist(name, value)
        return Response(url, status=answer.status, headers=replayed, body=answer.body, protocol="HTTP/1.1")

    def record(self, verb: str, url: str, headers: Mapping[str, str], response: Response) -> None:
        """Append an answer of Scrapy's. A body that cannot be unpacked is recorded as it came."""
        pairs = tuple(
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, values in response.headers.items()
            for value in values
        )
        packing = [value.lower() for name, value in pairs if name.lower() == "content-encoding"]
        body = response.body
        if packing == ["gzip"]:
            try:
                body = gunzip(body, MAX_PAGE_BYTES)
            except DamagedAnswer:
                self.keep(verb, url, headers, Recorded(response.status, pairs, body))
                return
        unpacked = tuple(pair for pair in pairs if pair[0].lower() not in _PACKING)
        self.keep(verb, url, headers, Recorded(response.status, unpacked, body))

    def keep(self, verb: str, url: str, headers: Mapping[str, str], answer: Recorded) -> None:
        """Append an answer whose body is unpacked."""
        lists: dict[str, list[str]] = {}
        for name, value in answer.headers:
            lists.setdefault(name, []).append(value)
        response = {
            "status": {"code": answer.status, "message": ""},
            "headers": lists,
            "body": {"string": answer.body},
        }
        self._cassette.append(VcrRequest(verb, url, None, dict(headers)), response)

    def close(self) -> None:
        """Write what was recorded; a cassette that was replayed stays untouched."""
        if self.records:
            self._cassette._save(force=True)  # what vcrpy's own context manager does at its end


def _same_asker(one: VcrRequest, other: VcrRequest) -> None:
    """Scrapy's plain request and Chromium's for the same address have answers of their own."""
    if _is_browser(one) != _is_browser(other):
        raise AssertionError("one is a browser's request, the other is not")  # how vcrpy's matchers say no


def _is_browser(request: VcrRequest) -> bool:
    return any(name.lower() == "upgrade-insecure-requests" for name in request.headers)


def _clean_request(request: VcrRequest) -> VcrRequest:
    headers = {
        k: redaction.scrub_log(v) for k, v in request.headers.items() if not redaction.is_secret_header(k)
    }
    body = redaction.scrub_form(request.body) if request.body else request.body
    return VcrRequest(request.method, redaction.scrub_url(request.uri), body, headers)


def _clean_response(response: dict[str, Any]) -> dict[str, Any]:
    headers = {
        name: [redaction.scrub_log(value) for value in _listed(values)]
        for name, values in response["headers"].items()
        if not redaction.is_secret_header(name)
    }
    kind = next((values[0] for name, values in headers.items() if name.lower() == "content-type"), "")
    body = redaction.scrub_body(_as_bytes(response["body"]["string"]), kind)
    return {**response, "headers": headers, "body": {**response["body"], "string": body}}


def _listed(values: str | list[str]) -> list[str]:
    return [values] if isinstance(values, str) else values


def _as_bytes(body: str | bytes | None) -> bytes:
    return body.encode() if isinstance(body, str) else body or b""
