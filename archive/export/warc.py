"""Export captures and media files as WARC; two exports of an unchanged archive are the same bytes."""

import hashlib
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
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

from archive.domain.addresses import style_sheet_addresses
from archive.domain.errors import IntegrityError, MediaMissing
from archive.domain.messages import Message
from archive.export.post_renderer import RenderPost
from archive.export.replay_pages import ReplayPage, ReplayPageMaker, render_replay
from archive.export.result import ExportResult
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

SAVED = "urn:mparchive:saved:"  # prefix of the URI of a page that somebody saved without its address

ORIGINAL = "X-Archive-Orig-"  # prefix of headers that describe the encoding of the response, not its body

CAPTURE_FIELD = (
    "mparchive-capture"  # of a metadata record: JSON from which `mparchive backfill` restores the capture
)

MEDIUM_FIELD = "mparchive-medium"  # of a media file's record: the key of the medium

PAGE_FIELD = "mparchive-made-from"  # of a page for replay: address and SHA-256 of the capture it shows

_ENCODING_HEADERS = frozenset({"content-encoding", "content-length", "transfer-encoding", "connection"})

_URL_SAFE = "/?#[]@!$&'()*+,;=:%-._~"  # characters of an address that are not quoted

_KEY_SAFE = "/:?&="  # without %, so that the key can be restored


class RecordBuilder:
    """Builds records; their ids are hashes of their content, so that the same record has the same id."""

    def __init__(self) -> None:
        self._builder = WARCWriter(io.BytesIO(), warc_version=VERSION)

    def warcinfo(self, fields: Mapping[str, str], date: datetime) -> ArcWarcRecord:
        """Return the record that describes the file."""
        block = _lines(fields)
        return self._record("warcinfo", "", block, _headers(f"warcinfo {block.decode()}", date))

    def capture_records(
        self, capture: SelectedCapture, body: bytes, *, is_revisit: bool
    ) -> list[ArcWarcRecord]:
        """Return a capture's records: metadata, the response, and the request where one was made.

        The metadata come first, so that a reader of the file knows them when it comes to the response.
        """
        if capture.rendered:
            response = self._without_response("conversion", capture, body)
        elif not capture.headers:  # a page that somebody saved: there was no response
            response = self._without_response("resource", capture, body)
        else:
            response = self._revisit(capture) if is_revisit else self._response(capture, body)
        records = [self._metadata(capture, response), response]
        has_request = bool(capture.headers) and not capture.rendered
        return [*records, self._request(capture, response)] if has_request else records

    def medium_record(self, medium: SelectedMedium, content: bytes) -> ArcWarcRecord:
        """Return the record of a media file at its address; the headers of its response were not stored."""
        headers = _headers(f"medium {medium.url} {medium.sha256.hex()}", medium.stored_at) | {
            "Content-Type": medium.media_type,
            "WARC-Payload-Digest": warc_digest(medium.sha256),
            MEDIUM_FIELD: quote(medium.key, safe=_KEY_SAFE),
        }
        return self._record("resource", medium.url, content, headers)

    def replay_page_record(self, page: ReplayPage) -> ArcWarcRecord:
        """Return the record of a page made from a capture, or of the list of them."""
        digest = warc_digest(hashlib.sha256(page.content).digest())
        headers = _headers(f"page {page.url} {_date(page.captured_at)} {digest}", page.captured_at) | {
            "Content-Type": "text/html; charset=utf-8",
            "WARC-Payload-Digest": digest,
        }
        if page.sha256:
            headers[PAGE_FIELD] = f"{target_uri(page.captured_url)} {warc_digest(page.sha256)}"
        return self._record("resource", page.url, page.content, headers)

    def _response(self, capture: SelectedCapture, body: bytes) -> ArcWarcRecord:
        headers = _response_headers("response", capture) | {
            "WARC-Payload-Digest": warc_digest(capture.sha256)
        }
        return self._record(
            "response", target_uri(capture.requested_url), body, headers, _http(capture, len(body))
        )

    def _revisit(self, capture: SelectedCapture) -> ArcWarcRecord:
        """Return a record of the same bytes as before: only the headers, and which record has the bytes."""
        url, first = target_uri(capture.requested_url), capture.first_fetched_at
        before = _headers(f"response {_identity(capture, first)}", first)["WARC-Record-ID"]
        return self._builder.create_revisit_record(
            url,
            warc_digest(capture.sha256),
            url,
            _date(first),
            http_headers=_http(capture),
            warc_headers_dict=_response_headers("revisit", capture) | {"WARC-Refers-To": before},
        )

    def _without_response(self, kind: str, capture: SelectedCapture, body: bytes) -> ArcWarcRecord:
        headers = _response_headers(kind, capture) | {
            "Content-Type": "text/html",
            "WARC-Payload-Digest": warc_digest(capture.sha256),
        }
        return self._record(kind, target_uri(capture.requested_url), body, headers)

    def _metadata(self, capture: SelectedCapture, response: ArcWarcRecord) -> ArcWarcRecord:
        block, response_id = (
            _lines(_metadata_fields(capture)),
            response.rec_headers.get_header("WARC-Record-ID"),
        )
        headers = _headers(f"metadata {response_id} {block.decode()}", capture.fetched_at)
        headers |= {"WARC-Refers-To": response_id}
        return self._record("metadata", target_uri(capture.requested_url), block, headers)

    def _request(self, capture: SelectedCapture, response: ArcWarcRecord) -> ArcWarcRecord:
        parts = urlsplit(capture.requested_url)
        path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        line = f"GET {quote(path, safe=_URL_SAFE)} HTTP/1.1"
        http = StatusAndHeaders(line, [("Host", parts.netloc)], is_http_request=True)
        response_id = response.rec_headers.get_header("WARC-Record-ID")
        headers = _headers(f"request {response_id}", capture.fetched_at) | {"WARC-Concurrent-To": response_id}
        return self._record("request", target_uri(capture.requested_url), b"", headers, http)

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


def _headers(identity: str, date: datetime) -> dict[str, str]:
    """Return a record's id, a hash of its identity, and its date."""
    return {
        "WARC-Record-ID": f"<urn:uuid:{uuid5(NAMESPACE_URL, 'mparchive ' + identity)}>",
        "WARC-Date": _date(date),
    }


def _response_headers(kind: str, capture: SelectedCapture) -> dict[str, str]:
    return _headers(f"{kind} {_identity(capture, capture.fetched_at)}", capture.fetched_at)


def _identity(capture: SelectedCapture, fetched_at: datetime) -> str:
    return f"{capture.requested_url} {_date(fetched_at)} {capture.sha256.hex()}"


def target_uri(url: str) -> str:
    """Return the URI of a capture's records; of a saved page without an address, from its file's name."""
    return url if url.startswith(("http://", "https://")) else SAVED + quote(url, safe="")


def warc_digest(sha256: bytes) -> str:
    """Return a digest as WARC records have it."""
    return f"sha256:{sha256.hex()}"


def _date(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _http(capture: SelectedCapture, length: int | None = None) -> StatusAndHeaders:
    """Return the response's headers; those of the encoding are renamed, as the body is stored decoded."""
    headers = [
        (f"{ORIGINAL}{name}" if name.lower() in _ENCODING_HEADERS else name, _one_line(value))
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


def _metadata_fields(capture: SelectedCapture) -> dict[str, str]:
    """Return what is known of a capture: for people, and as `mparchive backfill` reads it."""
    fields: dict[str, Any] = {
        "outcome": capture.outcome,
        "reason": capture.reason,
        "kind": capture.kind,
        "aid": capture.aid,
        "parser-version": capture.parser_version,
        "rendered": "yes" if capture.rendered else "no",
    }
    return {
        **{name: str(value) for name, value in fields.items() if value not in (None, "")},
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


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)  # the date of an empty file

_DESCRIPTION = (
    "Bodies are as they were after content decoding; headers of the wrappings they came in are named "
    "X-Archive-Orig-*. The headers of the requests were not kept: request records hold only method, path and "
    "host. Pages as a browser drew them are conversion records, pages saved by hand and media files resource "
    "records."
)


@dataclass(frozen=True, slots=True)
class Hooks:
    """What a caller adds: `on_capture` gets the URI of each capture written and how many are done.

    `render` makes the pages for replay; that of a PostRenderer bounds their time and memory.
    """

    on_capture: Callable[[str, int], None] = lambda url, done: None
    render: RenderPost = render_replay


NO_HOOKS = Hooks()


def write_warc(
    session: Session,
    chosen: Selection,
    folder: MediaFolder,
    out: BinaryIO,
    hooks: Hooks = NO_HOOKS,
) -> ExportResult:
    """Write the selected captures, media files and pages for replay, one body at a time in memory.

    What cannot be read is left out and recorded in the result.
    """
    result, builder = ExportResult(), RecordBuilder()
    out.write(_serialized([_warcinfo(session, chosen, builder)]))
    damaged: set[int] = set()
    sheets: set[str] = set()
    for capture, body in _with_bodies(session, chosen):
        if isinstance(body, IntegrityError):
            damaged.add(capture.id)
            result.add_missing(body.message, damaged=True)
            continue
        record_bytes = b""
        name = {"id": capture.id, "url": capture.requested_url}
        with result.isolate(Message("archive.export.capture", name)):
            is_revisit = capture.first_id != capture.id and capture.first_id not in damaged
            record_bytes = _serialized(builder.capture_records(capture, body, is_revisit=is_revisit))
        if not record_bytes:  # a later capture of the same bytes must not refer to this record
            damaged.add(capture.id)
            continue
        out.write(record_bytes)
        result.captures += 1
        sheets |= _style_sheets(body)
        hooks.on_capture(target_uri(capture.requested_url), result.captures)
    absent: set[str] = set()
    media = selected_media(session, chosen, sheets)
    for medium, content in _readable_media(media, folder, result, absent):
        record_bytes = b""
        with result.isolate(Message("archive.export.media_file", {"url": medium.url})):
            record_bytes = _serialized([builder.medium_record(medium, content)])
        if not record_bytes:
            absent.add(medium.url)
        out.write(record_bytes)
    for page in ReplayPageMaker(session, folder, hooks.render, result).pages(chosen, absent):
        out.write(_serialized([builder.replay_page_record(page)]))
    return result


def _serialized(records: Iterable[ArcWarcRecord]) -> bytes:
    """Return records as bytes, so that one that cannot be written leaves no part of itself in the file."""
    out = io.BytesIO()
    writer = WARCWriter(out, gzip=True, warc_version=VERSION)
    for record in records:
        writer.write_record(record)
    return out.getvalue()


def _warcinfo(session: Session, chosen: Selection, builder: RecordBuilder) -> ArcWarcRecord:
    count, latest = count_captures(session, chosen)
    fields = {
        "software": f"mparchive/{version('mparchive')}",
        "format": f"WARC File Format {VERSION}",
        "conformsTo": "https://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/",
        "description": f"Posts of WeChat official accounts: {chosen}, {count} captures. {_DESCRIPTION}",
    }
    return builder.warcinfo(fields, latest or EPOCH)


def _with_bodies(
    session: Session, chosen: Selection
) -> Iterator[tuple[SelectedCapture, bytes | IntegrityError]]:
    for batch in selected_captures(session, chosen):
        for capture, (_, body) in zip(batch, bodies(session, [one.id for one in batch]), strict=True):
            yield capture, body


def _style_sheets(body: bytes) -> set[str]:
    """Return the addresses of the style sheets that a captured page loads; they are ASCII."""
    return set(style_sheet_addresses(body.decode("latin-1")))


def _readable_media(
    media: Iterable[SelectedMedium], folder: MediaFolder, result: ExportResult, absent: set[str]
) -> Iterator[tuple[SelectedMedium, bytes]]:
    for medium in media:
        try:
            yield medium, folder.get(medium.path, medium.sha256)
        except (MediaMissing, IntegrityError) as error:
            absent.add(medium.url)
            result.add_missing(error.message, damaged=isinstance(error, IntegrityError))
