"""WARC 1.1, gzip a record: the captures and media files of an export, as web archives keep them."""

import io
from collections.abc import Callable, Iterable, Iterator
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
from archive.export.warc_records import VERSION, Records, target
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
