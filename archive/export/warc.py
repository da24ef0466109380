"""The records of a WARC file: built from what is known, the same bytes every time. Pure."""

import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, BinaryIO
from urllib.parse import quote, urlsplit
from uuid import NAMESPACE_URL, uuid5

from sqlalchemy.orm import Session
from warcio.recordloader import ArcWarcRecord
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from archive.domain.errors import IntegrityError, MediaMissing
from archive.export.files import Written
from archive.repository.bodies import bodies
from archive.repository.capture_selection import (
    SelectedCapture,
    SelectedMedium,
    Selection,
    count_captures,
    selected_captures,
    selected_media,
)
from archive.storage.media_files import MediaFolder

VERSION = "1.1"

SAVED = "urn:mparchive:saved:"  # what stands for the address of a page that was saved without one

ORIGINAL = "X-Archive-Orig-"  # before headers that were true of the answer's wrappings, not of its body

CAPTURE_FIELD = "mparchive-capture"  # of a metadata record: what `mparchive backfill` makes the capture of

MEDIUM_FIELD = (
    "mparchive-medium"  # of a media file's record: the key of the medium, whose address may be signed
)

_WRAPPINGS = frozenset({"content-encoding", "content-length", "transfer-encoding", "connection"})

_SAFE = "/?#[]@!$&'()*+,;=:%-._~"  # what an address may hold as it is

_KEY_SAFE = "/:?&="  # without %, so that it can be undone


class Records:
    """Builds records. Their ids are hashes of what they hold, so that the same record has the same id."""

    def __init__(self) -> None:
        self._builder = WARCWriter(io.BytesIO(), warc_version=VERSION)

    def warcinfo(self, fields: Mapping[str, str], date: datetime) -> ArcWarcRecord:
        """What the file is, as `name: value` lines."""
        block = _lines(fields)
        return self._record("warcinfo", "", block, _headers(f"warcinfo {block.decode()}", date))

    def of_capture(self, capture: SelectedCapture, body: bytes, *, is_revisit: bool) -> list[ArcWarcRecord]:
        """A capture's records: metadata, the answer, and the request where one was made.

        The metadata come first, so that who reads the file knows what the answer is when it comes.
        """
        if capture.rendered:
            answer = self._unserved("conversion", capture, body)
        elif not capture.headers:  # a page that somebody saved: nobody answered us
            answer = self._unserved("resource", capture, body)
        else:
            answer = self._revisit(capture) if is_revisit else self._response(capture, body)
        records = [self._metadata(capture, answer), answer]
        is_asked = bool(capture.headers) and not capture.rendered
        return [*records, self._request(capture, answer)] if is_asked else records

    def of_medium(self, medium: SelectedMedium, content: bytes) -> ArcWarcRecord:
        """A media file at its address; its answer's headers were not kept."""
        headers = _headers(f"medium {medium.url} {medium.sha256.hex()}", medium.stored_at) | {
            "Content-Type": medium.media_type,
            "WARC-Payload-Digest": digest(medium.sha256),
            MEDIUM_FIELD: quote(medium.key, safe=_KEY_SAFE),
        }
        return self._record("resource", medium.url, content, headers)

    def _response(self, capture: SelectedCapture, body: bytes) -> ArcWarcRecord:
        headers = _answer_headers("response", capture) | {"WARC-Payload-Digest": digest(capture.sha256)}
        return self._record(
            "response", target(capture.requested_url), body, headers, _http(capture, len(body))
        )

    def _revisit(self, capture: SelectedCapture) -> ArcWarcRecord:
        """The same bytes again: only the headers, and where the bytes are."""
        url, first = target(capture.requested_url), capture.first_fetched_at
        before = _headers(f"response {_what(capture, first)}", first)["WARC-Record-ID"]
        return self._builder.create_revisit_record(
            url,
            digest(capture.sha256),
            url,
            _date(first),
            http_headers=_http(capture),
            warc_headers_dict=_answer_headers("revisit", capture) | {"WARC-Refers-To": before},
        )

    def _unserved(self, kind: str, capture: SelectedCapture, body: bytes) -> ArcWarcRecord:
        headers = _answer_headers(kind, capture) | {
            "Content-Type": "text/html",
            "WARC-Payload-Digest": digest(capture.sha256),
        }
        return self._record(kind, target(capture.requested_url), body, headers)

    def _metadata(self, capture: SelectedCapture, answer: ArcWarcRecord) -> ArcWarcRecord:
        block, answer_id = _lines(_told(capture)), answer.rec_headers.get_header("WARC-Record-ID")
        headers = _headers(f"metadata {answer_id} {block.decode()}", capture.fetched_at)
        headers |= {"WARC-Refers-To": answer_id}
        return self._record("metadata", target(capture.requested_url), block, headers)

    def _request(self, capture: SelectedCapture, answer: ArcWarcRecord) -> ArcWarcRecord:
        parts = urlsplit(capture.requested_url)
        path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        line = f"GET {quote(path, safe=_SAFE)} HTTP/1.1"
        http = StatusAndHeaders(line, [("Host", parts.netloc)], is_http_request=True)
        answer_id = answer.rec_headers.get_header("WARC-Record-ID")
        headers = _headers(f"request {answer_id}", capture.fetched_at) | {"WARC-Concurrent-To": answer_id}
        return self._record("request", target(capture.requested_url), b"", headers, http)

    def _record(
        self,
        kind: str,
        uri: str,
        block: bytes,
        headers: dict[str, str],
        http: StatusAndHeaders | None = None,
    ) -> ArcWarcRecord:
        return self._builder.create_warc_record(
            uri,
            kind,
            payload=io.BytesIO(block),
            length=len(block),
            warc_headers_dict=headers,
            http_headers=http,
        )


def _headers(what: str, date: datetime) -> dict[str, str]:
    """A record's name, a hash of what it is, and its date."""
    return {
        "WARC-Record-ID": f"<urn:uuid:{uuid5(NAMESPACE_URL, 'mparchive ' + what)}>",
        "WARC-Date": _date(date),
    }


def _answer_headers(kind: str, capture: SelectedCapture) -> dict[str, str]:
    return _headers(f"{kind} {_what(capture, capture.fetched_at)}", capture.fetched_at)


def _what(capture: SelectedCapture, fetched_at: datetime) -> str:
    return f"{capture.requested_url} {_date(fetched_at)} {capture.sha256.hex()}"


def target(url: str) -> str:
    """The address a capture's records are of; for a page saved without one, a name made of its file's."""
    return url if url.startswith(("http://", "https://")) else SAVED + quote(url, safe="")


def digest(sha256: bytes) -> str:
    """A digest as WARC records write it."""
    return f"sha256:{sha256.hex()}"


def _date(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _http(capture: SelectedCapture, length: int | None = None) -> StatusAndHeaders:
    """The answer's headers, true of the body as it is now: without the wrappings it came in."""
    headers = [
        (f"{ORIGINAL}{name}" if name.lower() in _WRAPPINGS else name, _one_line(value))
        for name, value in capture.headers
    ]
    if length is not None:
        headers.append(("Content-Length", str(length)))
    return StatusAndHeaders(_status_line(capture.status), headers, protocol="HTTP/1.1")


def _status_line(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"{status} Unknown"


def _told(capture: SelectedCapture) -> dict[str, str]:
    """What the archive knows of a capture: in words, and as `backfill` takes it."""
    known: dict[str, Any] = {
        "outcome": capture.outcome,
        "reason": capture.reason,
        "kind": capture.kind,
        "aid": capture.aid,
        "parser-version": capture.parser_version,
        "rendered": "yes" if capture.rendered else "no",
    }
    return {
        **{name: str(value) for name, value in known.items() if value not in (None, "")},
        CAPTURE_FIELD: json.dumps(
            {
                "requested_url": capture.requested_url,
                "final_url": capture.final_url,
                "status": capture.status,
                "headers": capture.headers,
                "sha256": capture.sha256.hex(),
                "rendered": capture.rendered,
                "evaluated": capture.evaluated,
                "expected_biz": capture.expected_biz or "",
            }
        ),
    }


def _lines(fields: Mapping[str, str]) -> bytes:
    return "".join(f"{name}: {_one_line(value)}\r\n" for name, value in fields.items()).encode()


def _one_line(value: str) -> str:
    return " ".join(value.splitlines())


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)  # of a file that holds nothing

_ABOUT = (
    "Bodies are as they were after content decoding; headers of the wrappings they came in are named "
    "X-Archive-Orig-*. The headers of the requests were not kept: request records hold only method, path and "
    "host. Pages as a browser drew them are conversion records, pages saved by hand and media files resource "
    "records."
)


def write_warc(
    session: Session,
    chosen: Selection,
    folder: MediaFolder,
    out: BinaryIO,
    step: Callable[[str, int], None] = lambda words, done: None,
) -> Written:
    """Write what is chosen, one body at a time in memory; what cannot be read is left out, and told.

    `step` hears after each capture what it was and how many are done. Two exports of an unchanged archive are
    the same bytes.
    """
    written, records = Written(), Records()
    out.write(_packed([_warcinfo(session, chosen, records)]))
    damaged: set[int] = set()
    for capture, body in _with_bodies(session, chosen):
        if isinstance(body, IntegrityError):
            damaged.add(capture.id)
            written.lack(str(body), damaged=True)
            continue
        packed = b""
        with written.apart(f"capture {capture.id} of {capture.requested_url}"):
            is_revisit = capture.first_id != capture.id and capture.first_id not in damaged
            packed = _packed(records.of_capture(capture, body, is_revisit=is_revisit))
        if not packed:  # the next of the same bytes refers to no record that is not there
            damaged.add(capture.id)
            continue
        out.write(packed)
        written.captures += 1
        step(target(capture.requested_url), written.captures)
    for medium, content in _readable_media(session, chosen, folder, written):
        packed = b""
        with written.apart(f"media file {medium.url}"):
            packed = _packed([records.of_medium(medium, content)])
        out.write(packed)
    return written


def _packed(records: Iterable[ArcWarcRecord]) -> bytes:
    """Records as bytes, so that one that cannot be written leaves no half of itself in the file."""
    out = io.BytesIO()
    writer = WARCWriter(out, gzip=True, warc_version=VERSION)
    for record in records:
        writer.write_record(record)
    return out.getvalue()


def _warcinfo(session: Session, chosen: Selection, records: Records) -> ArcWarcRecord:
    count, latest = count_captures(session, chosen)
    fields = {
        "software": f"mparchive/{version('mparchive')}",
        "format": f"WARC File Format {VERSION}",
        "conformsTo": "https://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/",
        "description": f"Posts of WeChat official accounts: {chosen}, {count} captures. {_ABOUT}",
    }
    return records.warcinfo(fields, latest or EPOCH)


def _with_bodies(
    session: Session, chosen: Selection
) -> Iterator[tuple[SelectedCapture, bytes | IntegrityError]]:
    for some in selected_captures(session, chosen):
        for capture, (_, body) in zip(some, bodies(session, [one.id for one in some]), strict=True):
            yield capture, body


def _readable_media(
    session: Session, chosen: Selection, folder: MediaFolder, written: Written
) -> Iterator[tuple[SelectedMedium, bytes]]:
    for medium in selected_media(session, chosen):
        try:
            yield medium, folder.get(medium.path, medium.sha256)
        except (MediaMissing, IntegrityError) as error:
            written.lack(str(error), damaged=isinstance(error, IntegrityError))
