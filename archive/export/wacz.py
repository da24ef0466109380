"""Export captures as WACZ: a WARC file with an index and a list of pages in one zip, for replayweb.page.

py-wacz makes the index and the description; the zip is written here, as that of py-wacz contains the time.
"""

import io
import json
import shutil
import tempfile
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO
from uuid import NAMESPACE_URL, uuid5
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from sqlalchemy import Row
from sqlalchemy.orm import Session

from archive.domain.messages import Message
from archive.domain.text import unescape
from archive.export.result import ExportResult
from archive.export.warc import EPOCH, OnCapture, write_warc
from archive.repository.capture_selection import Selection, count_captures
from archive.repository.post_queries import posts_with_pages
from archive.storage.media_files import MediaFolder

WARC = "archive/data.warc.gz"

INDEX, INDEX_OF_INDEX, PAGES = "indexes/index.cdx.gz", "indexes/index.idx", "pages/pages.jsonl"

PACKAGE, PACKAGE_DIGEST = "datapackage.json", "datapackage-digest.json"

INDEX_LINES = 1024  # in one compressed block, as archiveweb.page has it

_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time of a zip, so that two exports are the same bytes


def write_wacz(
    session: Session,
    chosen: Selection,
    folder: MediaFolder,
    out: BinaryIO,
    on_capture: OnCapture = lambda url, done: None,
) -> ExportResult:
    """Write the selected captures to a file open for reading and writing; otherwise as `write_warc`.

    The WARC file is written beside it first, where there must be space anyway.
    """
    beside = Path(out.name).absolute().parent
    with tempfile.TemporaryDirectory(prefix=".mparchive-", dir=beside) as place:
        warc = Path(place) / Path(WARC).name
        with warc.open("wb") as file:
            result = write_warc(session, chosen, folder, file, on_capture)
        with ZipFile(out, "w") as target:
            indexer = _write_index(warc, target)
            _copy(warc, target)
            _write_pages(session, chosen, target, result)
            _write_description(indexer, target, count_captures(session, chosen)[1] or EPOCH)
    return result


def _member(name: str, compression: int = ZIP_STORED) -> ZipInfo:
    member = ZipInfo(name, _ZIP_EPOCH)
    member.compress_type = compression
    return member


def _write_index(warc: Path, target: ZipFile) -> Any:
    from wacz.waczindexer import WACZIndexer  # noqa: PLC0415 - a second, which only this way out costs

    index_of_index = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)
    with target.open(_member(INDEX), "w", force_zip64=True) as data:
        indexer = WACZIndexer(
            index_of_index,
            [str(warc)],
            sort=True,
            post_append=True,
            compress=data,
            lines=INDEX_LINES,
            digest_records=True,
            fields="referrer",
            data_out_name=Path(INDEX).name,
            hash_type="sha256",
            detect_pages=False,
        )
        indexer.process_all()
    target.writestr(_member(INDEX_OF_INDEX, ZIP_DEFLATED), index_of_index.buffer.getvalue())
    return indexer


def _copy(warc: Path, target: ZipFile) -> None:
    with warc.open("rb") as file, target.open(_member(WARC), "w", force_zip64=True) as member:
        shutil.copyfileobj(file, member)


def _write_pages(session: Session, chosen: Selection, target: ZipFile, result: ExportResult) -> None:
    head = {"format": "json-pages-1.0", "id": "pages", "title": "Posts", "hasText": True}
    with target.open(_member(PAGES, ZIP_DEFLATED), "w", force_zip64=True) as member:
        member.write(_json_line(head))
        for row in _pages(session, chosen):
            line = b""
            with result.isolate(Message("archive.export.page_entry", {"url": row.requested_url})):
                line = _json_line(_page_entry(row))
            member.write(line)


def _pages(session: Session, chosen: Selection) -> Iterable[Row[str, str, date, str, datetime]]:
    """Return the posts that have a page, newest first, with the capture of their text."""
    return posts_with_pages(session, chosen)


def _page_entry(row: Row[str, str, date, str, datetime]) -> dict[str, Any]:
    title, text, day, url, fetched_at = row
    ts = fetched_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "id": uuid5(NAMESPACE_URL, f"{url} {ts}").hex,
        "url": url,
        "ts": ts,
        "title": f"{title} ({day})",
        "text": unescape(text).replace("\r", "\n").strip(),
    }


def _json_line(value: dict[str, Any]) -> bytes:
    return (json.dumps(value, ensure_ascii=False) + "\n").encode("utf-8", "replace")


def _write_description(indexer: Any, target: ZipFile, latest: datetime) -> None:
    """Write py-wacz's description of the members, with the time of the latest capture instead of now."""
    options = SimpleNamespace(title="Posts of WeChat official accounts", desc="", date="")
    package = json.loads(indexer.generate_datapackage(options, target))
    package["created"] = latest.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    content = json.dumps(package, indent=2).encode()
    target.writestr(_member(PACKAGE, ZIP_DEFLATED), content)
    target.writestr(_member(PACKAGE_DIGEST, ZIP_DEFLATED), indexer.generate_datapackage_digest(content))
