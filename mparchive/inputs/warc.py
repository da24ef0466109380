"""Reading WARC files: the answers of mp.weixin.qq.com for posts become saved pages, with their own date."""

from collections import Counter
from collections.abc import Generator, Iterator
from typing import BinaryIO

from archive.address import parse_address, without_session
from archive.capture import Capture
from archive.export.warc_records import SAVED, target
from crawler.answer import DamagedAnswer, unpack
from crawler.scrub import public_headers
from mparchive.inputs.flaw import Flaw, InputError, Passed
from mparchive.inputs.medium import SavedMedium, Seek, seek_none
from mparchive.inputs.page import MAX_PAGE, SavedPage
from mparchive.inputs.warc_answers import Answers, Memory, answer_of, proven
from mparchive.inputs.warc_media import NO_ANSWER, may_be_medium, read_media, why_no_post
from mparchive.inputs.warc_records import BadRecord, Record, records_of
from mparchive.inputs.warc_told import Told, told_in

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
        if target(told.requested_url) != record.target:
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
