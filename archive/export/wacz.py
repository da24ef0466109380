"""WACZ: a WARC file with an index and a list of pages in one zip, for replayweb.page and its like.

py-wacz makes the index and the description; the zip is our own, for its writes the time of day into it.
"""

import io
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO
from uuid import NAMESPACE_URL, uuid5
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from sqlalchemy import Row
from sqlalchemy.orm import Session

from archive.domain.entities import unescape
from archive.export.files import Written
from archive.export.warc import EPOCH, write_warc
from archive.repository.capture_selection import Selection, count_captures
from archive.repository.post_queries import posts_with_pages
from archive.storage.media_files import MediaFolder

WARC = "archive/data.warc.gz"

INDEX, INDEX_OF_INDEX, PAGES = "indexes/index.cdx.gz", "indexes/index.idx", "pages/pages.jsonl"

PACKAGE, PACKAGE_DIGEST = "datapackage.json", "datapackage-digest.json"

LINES = 1024  # of the index in one packed block, as archiveweb.page has it

_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest a zip can say; what the files' times are is in them


def write_wacz(
    session: Session,
    chosen: Selection,
    folder: MediaFolder,
    out: BinaryIO,
    step: Callable[[str, int], None] = lambda words, done: None,
) -> Written:
    """Write what is chosen to a file open for reading and writing; `step` as write_warc's.

    The WARC file lies beside it meanwhile, where there has to be room anyway.
    """
    beside = Path(out.name).absolute().parent
    with tempfile.TemporaryDirectory(prefix=".mparchive-", dir=beside) as place:
        warc = Path(place) / Path(WARC).name
        with warc.open("wb") as file:
            written = write_warc(session, chosen, folder, file, step)
        with ZipFile(out, "w") as target:
            indexer = _write_index(warc, target)
            _copy(warc, target)
            _write_pages(session, chosen, target, written)
            _describe(indexer, target, count_captures(session, chosen)[1] or EPOCH)
    return written


def _member(name: str, packing: int = ZIP_STORED) -> ZipInfo:
    member = ZipInfo(name, _ZIP_EPOCH)
    member.compress_type = packing
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
            lines=LINES,
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


def _write_pages(session: Session, chosen: Selection, target: ZipFile, written: Written) -> None:
    head = {"format": "json-pages-1.0", "id": "pages", "title": "Posts", "hasText": True}
    with target.open(_member(PAGES, ZIP_DEFLATED), "w", force_zip64=True) as member:
        member.write(_line(head))
        for row in _pages(session, chosen):
            line = b""
            with written.apart(f"the entry of {row.requested_url} in the list of pages"):
                line = _line(_page(row))
            member.write(line)


def _pages(session: Session, chosen: Selection) -> Iterable[Row[str, str, date, str, datetime]]:
    """The posts that have a page, newest first: each with the capture its text is of."""
    return posts_with_pages(session, chosen.account, chosen.since, chosen.until)


def _page(row: Row[str, str, date, str, datetime]) -> dict[str, Any]:
    title, text, day, url, fetched_at = row
    ts = fetched_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "id": uuid5(NAMESPACE_URL, f"{url} {ts}").hex,
        "url": url,
        "ts": ts,
        "title": f"{title} ({day})",
        "text": unescape(text).replace("\r", "\n").strip(),
    }


def _line(value: dict[str, Any]) -> bytes:
    return (json.dumps(value, ensure_ascii=False) + "\n").encode("utf-8", "replace")


def _describe(indexer: Any, target: ZipFile, latest: datetime) -> None:
    """py-wacz's description of the members, with the time of the latest capture instead of now."""
    words = SimpleNamespace(title="Posts of WeChat official accounts", desc="", date="")
    package = json.loads(indexer.generate_datapackage(words, target))
    package["created"] = latest.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    content = json.dumps(package, indent=2).encode()
    target.writestr(_member(PACKAGE, ZIP_DEFLATED), content)
    target.writestr(_member(PACKAGE_DIGEST, ZIP_DEFLATED), indexer.generate_datapackage_digest(content))
