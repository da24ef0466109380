"""Read pages and media from WARC files, those of our exports with all details (docs/reference/warc.md)."""

from collections import Counter
from collections.abc import Generator, Iterator
from itertools import islice
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from archive.domain.addresses import HOST, parse_address, without_session
from archive.domain.captures import CaptureData
from archive.domain.errors import AddressError
from archive.domain.text import index_key
from archive.export.replay_pages import MADE_PAGES
from archive.export.warc import CAPTURE_FIELD, MEDIUM_FIELD, SAVED, target_uri
from crawler.parse.media import media_key
from crawler.parse.response import DamagedResponse, FetchedPage, unpack
from crawler.redaction import public_headers
from mparchive.importers.items import (
    MAX_PAGE,
    AwaitedMedium,
    FindMedia,
    Flaw,
    InputError,
    MediumName,
    SavedMedium,
    SavedPage,
    Skipped,
    find_no_media,
    message_of,
)
from mparchive.importers.warc_records import (
    MAX_HEAD,
    BadRecord,
    RecentItems,
    Record,
    RecordedResponses,
    fetched_page,
    read_records,
    verified_block,
)

MAX_URL = 8192  # characters; the file of a saved page may have a long name, a post address has under 2048


class CaptureMetadata(BaseModel):
    """A capture as the archive that exported it had it; `sha256` in hexadecimal."""

    model_config = ConfigDict(frozen=True)

    requested_url: str = Field(max_length=MAX_URL)
    final_url: str = Field(max_length=MAX_URL)
    status: int = Field(ge=0, le=999)
    headers: tuple[tuple[str, str], ...]
    sha256: str
    rendered: bool
    evaluated: dict[str, Any] | None
    expected_biz: str


def parse_capture_metadata(block: bytes) -> CaptureMetadata | None:
    """Parse the block of a metadata record; return None where it is not ours, or invalid."""
    mark = f"{CAPTURE_FIELD}: ".encode()
    for line in block.splitlines():
        if line.startswith(mark):
            try:
                return CaptureMetadata.model_validate_json(line.removeprefix(mark))
            except ValidationError:
                return None
    return None


LOOKUP_BATCH = 500  # records of 1 kB looked up in one query

NO_RESPONSE = "mparchive.warc.no_response"

OTHER_HOST = "mparchive.warc.other_host"

NO_POST = "mparchive.warc.no_post"

NO_FILE = "mparchive.warc.no_file"


def skip_reason(url: str) -> str:
    """Return the message code of why an address is not that of a post; empty when it is."""
    try:
        if urlsplit(url).hostname != HOST:
            return OTHER_HOST
        parse_address(without_session(url))
    except ValueError:  # not an address at all
        return OTHER_HOST
    except AddressError:
        return NO_POST
    return ""


def may_be_medium(record: Record) -> bool:
    """Tell whether a record could have a media file: it has content of an address that is not a post's."""
    has_content = record.get("WARC-Type") in ("response", "revisit", "resource") and not _is_made(record)
    return has_content and bool(media_key(record.target) and skip_reason(record.target))


def _is_made(record: Record) -> bool:
    """Tell whether a record is a page that an export made from a capture beside it."""
    return record.target.startswith(MADE_PAGES)


def read_media(stream: BinaryIO, name: str, find_media: FindMedia) -> Iterator[SavedMedium | Flaw | Skipped]:
    """Yield the files of awaited media, one in memory at a time, and at the end what was skipped.

    Flaws of other records are reported by read_pages.
    """
    skipped: Counter[str] = Counter()
    responses = RecordedResponses(stream)
    records = (one for one in read_records(stream) if isinstance(one, Record) and may_be_medium(one))
    while some := list(islice(records, LOOKUP_BATCH)):
        for record, awaited in zip(some, find_media([_medium_name(record) for record in some]), strict=True):
            item = _medium(record, awaited, stream, responses, name)
            if isinstance(item, str):
                skipped[item] += 1
            else:
                yield item
    for code, count in skipped.items():
        yield Skipped(name, count, code)


def _medium_name(record: Record) -> MediumName:
    address = media_key(record.target)
    return MediumName(address, index_key(unquote(record.get(MEDIUM_FIELD)) or address))


def _medium(
    record: Record,
    awaited: tuple[AwaitedMedium, ...],
    stream: BinaryIO,
    responses: RecordedResponses,
    name: str,
) -> SavedMedium | Flaw | str:
    """Return a file, what is wrong with it, or the code of why it is skipped."""
    is_resource = record.get("WARC-Type") == "resource"
    if not awaited:
        if record.get("WARC-Type") == "response":
            responses.remember(record)
        return NO_RESPONSE if is_resource else skip_reason(record.target)
    max_bytes_ = max(one.max_bytes for one in awaited) + MAX_HEAD
    try:
        _check_address(record)
        response = (
            _resource(record, stream, max_bytes_) if is_resource else _response(record, responses, max_bytes_)
        )
    except BadRecord as bad:
        return Flaw(name, record.where, bad.message)
    return SavedMedium(name, record.where, awaited, record.target, response) if response else NO_FILE


def _check_address(record: Record) -> None:
    """Raise BadRecord for a medium that is named by an address other than its own."""
    named = _medium_name(record)
    if "://" in named.key and named.key.partition("?")[0] != named.address.partition("?")[0]:
        raise BadRecord("mparchive.warc.other_address", target=record.target[:120], named=named.key[:120])


def _resource(record: Record, stream: BinaryIO, max_bytes: int) -> FetchedPage:
    body = verified_block(record, record.block(stream, max_bytes))
    return FetchedPage(None, record.target, record.target, 200, (), body, record.date)


def _response(record: Record, responses: RecordedResponses, max_bytes: int) -> FetchedPage | None:
    recorded = responses.of(record, max_bytes)
    return fetched_page(record, record.target, recorded) if recorded.status == 200 else None


MAX_PENDING_METADATA = 2  # metadata records, of up to 16 MB, waiting for their record, which follows at once

_NO_HTTP = ("conversion", "resource")

NO_PAGE = "mparchive.warc.no_page"


def read_warc(
    stream: BinaryIO, name: str, find_media: FindMedia = find_no_media
) -> Iterator[SavedPage | SavedMedium | Flaw | Skipped]:
    """Yield pages of posts, flaws of single records, what was skipped, and then the awaited media.

    Media come last: `find_media` knows those of a page only when the page has been imported. Raises
    InputError when there is no record at all.
    """
    if (yield from read_pages(stream, name)):
        yield from read_media(stream, name, find_media)


def read_pages(stream: BinaryIO, name: str) -> Generator[SavedPage | Flaw | Skipped, None, bool]:
    """Yield the same without the media; return whether there may be any."""
    skipped: Counter[str] = Counter()
    reader, is_empty, has_media = _PageReader(stream, name), True, False
    for record in read_records(stream):
        is_empty = False
        if isinstance(record, Record) and _is_made(record):
            continue
        if isinstance(record, Record) and may_be_medium(record):
            has_media = True
            continue
        item = reader.item(record) if isinstance(record, Record) else Flaw(name, *record)
        if isinstance(item, str):
            skipped[item] += 1
        elif item is not None:
            yield item
    if is_empty:
        raise InputError("mparchive.warc.empty", name=name)
    for code, count in skipped.items():
        yield Skipped(name, count, code)
    return has_media


class _PageReader:
    """Reads records one after the other, and remembers what later ones may refer to."""

    def __init__(self, stream: BinaryIO, name: str):
        self._stream, self._name = stream, name
        self._metadata: RecentItems[CaptureMetadata] = RecentItems(MAX_PENDING_METADATA)
        self._responses = RecordedResponses(stream)

    def item(self, record: Record) -> SavedPage | Flaw | str | None:
        """Return a page, what is wrong with it, or the code of why it is skipped; None for our metadata."""
        try:
            if record.get("WARC-Type") == "metadata" and self._remember_metadata(record):
                return None
            return self._page(record)
        except (BadRecord, DamagedResponse) as bad:
            return Flaw(self._name, record.where, message_of(bad))

    def _remember_metadata(self, record: Record) -> bool:
        metadata = (
            parse_capture_metadata(record.block(self._stream)) if record.get("WARC-Refers-To") else None
        )
        if metadata:
            self._metadata.put(record.get("WARC-Refers-To"), metadata)
        return metadata is not None

    def _page(self, record: Record) -> SavedPage | str:
        metadata = self._metadata.get(record.get("WARC-Record-ID"))
        kind = record.get("WARC-Type")
        if kind not in ("response", "revisit") and not (metadata and kind in _NO_HTTP):
            return NO_RESPONSE
        is_saved = bool(metadata) and record.target.startswith(SAVED)
        if skipped := "" if is_saved else skip_reason(record.target):
            return skipped
        if kind in _NO_HTTP and metadata:
            return self._exported_page(record, metadata, verified_block(record, record.block(self._stream)))
        return self._served_page(record, metadata)

    def _served_page(self, record: Record, metadata: CaptureMetadata | None) -> SavedPage | str:
        recorded = self._responses.of(record)
        if metadata:
            return self._exported_page(record, metadata, recorded.payload)
        if recorded.status != 200:
            return NO_PAGE
        url = parse_address(without_session(record.target)).url
        return self._saved_page(record, unpack(fetched_page(record, url, recorded)))

    def _exported_page(self, record: Record, metadata: CaptureMetadata, body: bytes) -> SavedPage:
        """Return a capture that another archive of this program exported. Raises BadRecord."""
        if target_uri(metadata.requested_url) != record.target:
            params = {"target": record.target[:120], "named": metadata.requested_url[:120]}
            raise BadRecord("mparchive.warc.other_address", **params)
        capture = CaptureData(
            requested_url=_public(metadata.requested_url),
            final_url=_public(metadata.final_url),
            status=metadata.status,
            headers=public_headers(metadata.headers),
            body=body,
            fetched_at=record.date,
            rendered=metadata.rendered,
            evaluated=metadata.evaluated,
        )
        if len(body) > MAX_PAGE or capture.sha256.hex() != metadata.sha256:
            raise BadRecord("mparchive.warc.hash_differs")
        return self._saved_page(record, capture, metadata.expected_biz)

    def _saved_page(self, record: Record, capture: CaptureData, expected_biz: str = "") -> SavedPage:
        url = None if record.target.startswith(SAVED) else capture.requested_url
        name = f"{self._name} #{record.number}" if url else capture.requested_url
        return SavedPage(
            name,
            capture.body,
            capture.fetched_at,
            url,
            capture.headers,
            answer=capture,
            expected_biz=expected_biz,
        )


def _public(url: str) -> str:
    return without_session(url) if "://" in url else url
