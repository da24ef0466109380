"""What `mparchive export --format warc` tells of a capture beside its bytes (docs/warc.md)."""

from collections import Counter
from collections.abc import Generator, Iterator
from itertools import islice
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from archive.domain.addresses import HOST, parse_address, without_session
from archive.domain.captures import Capture
from archive.domain.errors import AddressError
from archive.domain.pg_text import index_key
from archive.export.warc import CAPTURE_FIELD, MEDIUM_FIELD, SAVED, target_uri
from crawler.parse.media import media_key
from crawler.parse.response import DamagedAnswer, FetchedPage, unpack
from crawler.redaction import public_headers
from mparchive.importers.items import (
    MAX_PAGE,
    Flaw,
    InputError,
    Named,
    Passed,
    SavedMedium,
    SavedPage,
    Seek,
    Wanted,
    seek_none,
)
from mparchive.importers.warc_records import (
    MAX_HEAD,
    Answers,
    BadRecord,
    Memory,
    Record,
    answer_of,
    proven,
    records_of,
)

MAX_URL = 8192  # characters; a saved page's file may have a long name, an address of a post has under 2048


class Told(BaseModel):
    """A capture as the archive that wrote the file had it; `sha256` in hexadecimal."""

    model_config = ConfigDict(frozen=True)

    requested_url: str = Field(max_length=MAX_URL)
    final_url: str = Field(max_length=MAX_URL)
    status: int = Field(ge=0, le=999)
    headers: tuple[tuple[str, str], ...]
    sha256: str
    rendered: bool
    evaluated: dict[str, Any] | None
    expected_biz: str


def told_in(block: bytes) -> Told | None:
    """What a metadata record's block tells; None where it is not ours, or not what it should be."""
    mark = f"{CAPTURE_FIELD}: ".encode()
    for line in block.splitlines():
        if line.startswith(mark):
            try:
                return Told.model_validate_json(line.removeprefix(mark))
            except ValidationError:
                return None
    return None


AT_ONCE = 500  # records that are looked up together, of 1 kB

NO_ANSWER = "records that are no answers"

OTHER_HOST = "answers of other hosts"

NO_POST = f"answers of {HOST} that are no posts"

NO_FILE = "answers without a file (redirects, errors)"


def why_no_post(url: str) -> str:
    """Why an address is none of a post's; empty when it is one."""
    try:
        if urlsplit(url).hostname != HOST:
            return OTHER_HOST
        parse_address(without_session(url))
    except ValueError:  # it is no address at all
        return OTHER_HOST
    except AddressError:
        return NO_POST
    return ""


def may_be_medium(record: Record) -> bool:
    """Whether it could hold a media file: something at an address that is no post's."""
    is_held = record.get("WARC-Type") in ("response", "revisit", "resource")
    return is_held and bool(media_key(record.target) and why_no_post(record.target))


def read_media(stream: BinaryIO, name: str, seek: Seek) -> Iterator[SavedMedium | Flaw | Passed]:
    """The files of media that are sought, one in memory at a time; at the end what was passed over.

    What is wrong with the other records whoever read the pages has told.
    """
    passed: Counter[str] = Counter()
    answers = Answers(stream)
    records = (one for one in records_of(stream) if isinstance(one, Record) and may_be_medium(one))
    while some := list(islice(records, AT_ONCE)):
        for record, wanted in zip(some, seek([_named(record) for record in some]), strict=True):
            item = _item(record, wanted, stream, answers, name)
            if isinstance(item, str):
                passed[item] += 1
            else:
                yield item
    for what, count in passed.items():
        yield Passed(name, count, what)


def _named(record: Record) -> Named:
    address = media_key(record.target)
    return Named(address, index_key(unquote(record.get(MEDIUM_FIELD)) or address))


def _item(
    record: Record, wanted: tuple[Wanted, ...], stream: BinaryIO, answers: Answers, name: str
) -> SavedMedium | Flaw | str:
    """A file, what is wrong with it, or why it is passed over."""
    is_resource = record.get("WARC-Type") == "resource"
    if not wanted:
        if record.get("WARC-Type") == "response":
            answers.remember(record)
        return NO_ANSWER if is_resource else why_no_post(record.target)
    most = max(one.max_bytes for one in wanted) + MAX_HEAD
    try:
        _check_place(record)
        answer = _resource(record, stream, most) if is_resource else _answer(record, answers, most)
    except BadRecord as bad:
        return Flaw(name, record.where, str(bad))
    return SavedMedium(name, record.where, wanted, record.target, answer) if answer else NO_FILE


def _check_place(record: Record) -> None:
    """What is known by its address must be at it; others have a name of their own."""
    named = _named(record)
    if "://" in named.key and named.key.partition("?")[0] != named.address.partition("?")[0]:
        raise BadRecord(f"it is of {record.target[:120]}, and is said to be of {named.key[:120]}")


def _resource(record: Record, stream: BinaryIO, most: int) -> FetchedPage:
    body = proven(record, record.block(stream, most))
    return FetchedPage(None, record.target, record.target, 200, (), body, record.date)


def _answer(record: Record, answers: Answers, most: int) -> FetchedPage | None:
    served = answers.of(record, most)
    return answer_of(record, record.target, served) if served.status == 200 else None


MAX_TOLD = 2  # metadata records that wait for the record they are of, of up to 16 MB; it follows at once

_UNSERVED = ("conversion", "resource")

NO_PAGE = "answers without a page (redirects, errors)"


def read_warc(
    stream: BinaryIO, name: str, seek: Seek = seek_none
) -> Iterator[SavedPage | SavedMedium | Flaw | Passed]:
    """Pages of posts, flaws of single records, what was passed over, and then the media that are sought.

    The media come last, for `seek` knows of those that the pages show only when these have been read.
    Raises InputError when there is no record at all.
    """
    if (yield from read_pages(stream, name)):
        yield from read_media(stream, name, seek)


def read_pages(stream: BinaryIO, name: str) -> Generator[SavedPage | Flaw | Passed, None, bool]:
    """The same without the media; whether there may be any is the generator's value."""
    passed: Counter[str] = Counter()
    reader, is_empty, has_media = _Reader(stream, name), True, False
    for record in records_of(stream):
        is_empty = False
        if isinstance(record, Record) and may_be_medium(record):
            has_media = True
            continue
        item = reader.item(record) if isinstance(record, Record) else Flaw(name, *record)
        if isinstance(item, str):
            passed[item] += 1
        elif item is not None:
            yield item
    if is_empty:
        raise InputError(f"{name} begins like a WARC file, but holds no record")
    for what, count in passed.items():
        yield Passed(name, count, what)
    return has_media


class _Reader:
    """Reads records one after the other, and remembers what later ones may refer to."""

    def __init__(self, stream: BinaryIO, name: str):
        self._stream, self._name = stream, name
        self._told: Memory[Told] = Memory(MAX_TOLD)
        self._answers = Answers(stream)

    def item(self, record: Record) -> SavedPage | Flaw | str | None:
        """A page, what is wrong with it, or why it is passed over; None: it tells of another record."""
        try:
            if record.get("WARC-Type") == "metadata" and self._note(record):
                return None
            return self._page(record)
        except (BadRecord, DamagedAnswer) as bad:
            return Flaw(self._name, record.where, str(bad))

    def _note(self, record: Record) -> bool:
        told = told_in(record.block(self._stream)) if record.get("WARC-Refers-To") else None
        if told:
            self._told.put(record.get("WARC-Refers-To"), told)
        return told is not None

    def _page(self, record: Record) -> SavedPage | str:
        told = self._told.get(record.get("WARC-Record-ID"))
        kind = record.get("WARC-Type")
        if kind not in ("response", "revisit") and not (told and kind in _UNSERVED):
            return NO_ANSWER
        is_saved = bool(told) and record.target.startswith(SAVED)
        if why := "" if is_saved else why_no_post(record.target):
            return why
        if kind in _UNSERVED and told:
            return self._kept(record, told, proven(record, record.block(self._stream)))
        return self._answer(record, told)

    def _answer(self, record: Record, told: Told | None) -> SavedPage | str:
        served = self._answers.of(record)
        if told:
            return self._kept(record, told, served.payload)
        if served.status != 200:
            return NO_PAGE
        url = parse_address(without_session(record.target)).url
        return self._saved(record, unpack(answer_of(record, url, served)))

    def _kept(self, record: Record, told: Told, body: bytes) -> SavedPage:
        """A capture that an archive like this one had."""
        if target_uri(told.requested_url) != record.target:
            raise BadRecord(
                f"it is of {record.target[:120]}, and is said to be of {told.requested_url[:120]}"
            )
        capture = Capture(
            requested_url=_public(told.requested_url),
            final_url=_public(told.final_url),
            status=told.status,
            headers=public_headers(told.headers),
            body=body,
            fetched_at=record.date,
            rendered=told.rendered,
            evaluated=told.evaluated,
        )
        if len(body) > MAX_PAGE or capture.sha256.hex() != told.sha256:
            raise BadRecord("it is damaged: its bytes do not have the hash they were exported with")
        return self._saved(record, capture, told.expected_biz)

    def _saved(self, record: Record, capture: Capture, expected_biz: str = "") -> SavedPage:
        url = None if record.target.startswith(SAVED) else capture.requested_url
        name = f"{self._name}, record {record.number}" if url else capture.requested_url
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
