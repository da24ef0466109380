"""WARC 1.1, gzip a record: the captures and media files of an export, as web archives keep them."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from typing import BinaryIO

from sqlalchemy.orm import Session
from warcio.recordloader import ArcWarcRecord
from warcio.warcwriter import WARCWriter

from archive.bodies import bodies
from archive.errors import IntegrityError, MediaMissing
from archive.export.captured import Captured, KeptMedium, captured, count_captures, kept_media
from archive.export.selection import Selection
from archive.export.warc_records import VERSION, Records
from archive.export.written import Written
from archive.media.folder import MediaFolder

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
    writer = WARCWriter(out, gzip=True, warc_version=VERSION)
    writer.write_record(_warcinfo(session, chosen, records))
    for record in _capture_records(session, chosen, records, written):
        writer.write_record(record)
        step(record.rec_headers.get_header("WARC-Target-URI"), written.captures)
    for medium, content in _readable_media(session, chosen, folder, written):
        writer.write_record(records.of_medium(medium, content))
    return written


def _warcinfo(session: Session, chosen: Selection, records: Records) -> ArcWarcRecord:
    count, latest = count_captures(session, chosen)
    fields = {
        "software": f"mparchive/{version('mparchive')}",
        "format": f"WARC File Format {VERSION}",
        "conformsTo": "https://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/",
        "description": f"Posts of WeChat official accounts: {chosen}, {count} captures. {_ABOUT}",
    }
    return records.warcinfo(fields, latest or EPOCH)


def _capture_records(
    session: Session, chosen: Selection, records: Records, written: Written
) -> Iterator[ArcWarcRecord]:
    damaged: set[int] = set()
    for capture, body in _with_bodies(session, chosen):
        if isinstance(body, IntegrityError):
            damaged.add(capture.id)
            written.lack(str(body), damaged=True)
            continue
        written.captures += 1
        is_revisit = capture.first_id != capture.id and capture.first_id not in damaged
        yield from records.of_capture(capture, body, is_revisit=is_revisit)


def _with_bodies(session: Session, chosen: Selection) -> Iterator[tuple[Captured, bytes | IntegrityError]]:
    for some in captured(session, chosen):
        for capture, (_, body) in zip(some, bodies(session, [one.id for one in some]), strict=True):
            yield capture, body


def _readable_media(
    session: Session, chosen: Selection, folder: MediaFolder, written: Written
) -> Iterator[tuple[KeptMedium, bytes]]:
    for medium in kept_media(session, chosen):
        try:
            yield medium, folder.get(medium.path, medium.sha256)
        except (MediaMissing, IntegrityError) as error:
            written.lack(str(error), damaged=isinstance(error, IntegrityError))
