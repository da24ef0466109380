"""Export captures as WACZ: a WARC file with an index and a list of pages in one zip, for replayweb.page.

py-wacz makes the index and the description; the zip is written here, as that of py-wacz contains the time.
"""

import io
import json
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO
from uuid import NAMESPACE_URL, uuid5
from zipfile import ZIP64_LIMIT, ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from sqlalchemy.orm import Session

from archive.domain.messages import Message
from archive.domain.text import unescape
from archive.export.replay_pages import replay_page_url
from archive.export.result import ExportResult
from archive.export.warc import EPOCH, NO_HOOKS, Hooks, write_warc
from archive.repository.capture_selection import PostWithPage, Selection, count_captures, posts_with_pages
from archive.storage.media_files import MediaFolder

WARC = "archive/data.warc.gz"

INDEX, INDEX_OF_INDEX = "indexes/index.cdx.gz", "indexes/index.idx"

PAGES, CAPTURED_PAGES = "pages/pages.jsonl", "pages/extraPages.jsonl"  # names that replayweb.page knows

PACKAGE, PACKAGE_DIGEST = "datapackage.json", "datapackage-digest.json"

INDEX_LINES = 1024  # in one compressed block, as archiveweb.page has it

_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time of a zip, so that two exports are the same bytes


def write_wacz(
    session: Session,
    chosen: Selection,
    folder: MediaFolder,
    out: BinaryIO,
    hooks: Hooks = NO_HOOKS,
) -> ExportResult:
    """Write the selected captures to a file open for reading and writing; otherwise as `write_warc`.

    Its members are written beside it first, where there must be space anyway.
    """
    beside = Path(out.name).absolute().parent
    with tempfile.TemporaryDirectory(prefix=".mparchive-", dir=beside) as folder_beside:
        place = Path(folder_beside)
        warc = place / Path(WARC).name
        with warc.open("wb") as file:
            result = write_warc(session, chosen, folder, file, hooks)
        with ZipFile(out, "w") as target:
            indexer = _write_index(warc, target)
            _add(target, WARC, warc)
            _write_pages(session, chosen, place, result)
            for name in (PAGES, CAPTURED_PAGES):
                _add(target, name, place / Path(name).name, ZIP_DEFLATED)
            _write_description(indexer, target, count_captures(session, chosen)[1] or EPOCH)
    return result


def _member(name: str, compression: int = ZIP_STORED) -> ZipInfo:
    member = ZipInfo(name, _ZIP_EPOCH)
    member.compress_type = compression
    return member


def _add(target: ZipFile, name: str, path: Path, compression: int = ZIP_STORED) -> None:
    """Add a file, with a zip64 field only where it is so large that the directory has one as well.

    replayweb.page takes the length of a member's own fields from the directory.
    """
    is_large = path.stat().st_size > ZIP64_LIMIT
    member = _member(name, compression)
    with path.open("rb") as file, target.open(member, "w", force_zip64=is_large) as content:
        shutil.copyfileobj(file, content)


def _write_index(warc: Path, target: ZipFile) -> Any:
    from wacz.waczindexer import WACZIndexer  # noqa: PLC0415 - a second, which only this way out costs

    index_of_index = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)
    path = warc.with_name(Path(INDEX).name)
    with path.open("wb") as data:
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
    _add(target, INDEX, path)
    target.writestr(_member(INDEX_OF_INDEX, ZIP_DEFLATED), index_of_index.buffer.getvalue())
    return indexer


def _write_pages(session: Session, chosen: Selection, place: Path, result: ExportResult) -> None:
    """Write the list of the posts, as pages made for replay with their texts, and that of captured pages."""
    head = {"format": "json-pages-1.0", "id": "pages", "title": "Posts", "hasText": True}
    extra = {**head, "id": "extra-pages", "title": "Captured pages", "hasText": False}
    with (
        (place / Path(PAGES).name).open("wb") as pages,
        (place / Path(CAPTURED_PAGES).name).open("wb") as captured,
    ):
        pages.write(_json_line(head))
        captured.write(_json_line(extra))
        for post in posts_with_pages(session, chosen):
            is_alone = post.id in result.without_page
            url = post.captured_url if is_alone else replay_page_url(post.biz, post.aid)
            text = unescape(post.text).replace("\r", "\n").strip()
            pages.write(_page_line(url, post, result, text=text))
            captured.write(_page_line(post.captured_url, post, result))


def _page_line(url: str, post: PostWithPage, result: ExportResult, **more: str) -> bytes:
    """Return the line of a page; an empty one, and a failure in the result, where it cannot be made."""
    with result.isolate(Message("archive.export.page_entry", {"url": url})):
        ts = post.captured_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        ident = uuid5(NAMESPACE_URL, f"{url} {ts}").hex
        return _json_line({"id": ident, "url": url, "ts": ts, "title": f"{post.title} ({post.day})", **more})
    return b""


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
