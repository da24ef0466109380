"""Serve what is stored: media files by their SHA-256, offline pages of posts, and captures as text."""

import re
from collections import OrderedDict
from collections.abc import Callable
from typing import Annotated

import structlog
from fastapi import APIRouter, Path, Request, Response

from archive.db.engine import Readers
from archive.domain.errors import MediaFolderError, MediaMissing, NotArchived, PageError, error_message
from archive.rendering.media import IMAGE_TYPES
from archive.rendering.page import ShownPost, check_page_size, offline_page, shown_post
from archive.repository import bodies
from archive.repository import captures as captures_repository
from archive.repository.media import StoredFile, file_of
from archive.storage.media_files import MediaFolder, small_cover
from web.api.routes import get_post
from web.api.schemas import AidParam, BizParam, NumberParam
from web.http_cache import IMMUTABLE, http_date, not_modified
from web.pages.render import SECURITY_HEADERS, add_page

_FILE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"  # SVG files have styles
)

_PLAYABLE = re.compile(r"(audio|video)/[a-z0-9.+-]+")

_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")

_DOWNLOAD_TYPE = "application/octet-stream"

FileHash = Annotated[str, Path(pattern="^[0-9a-f]{64}$")]


def file_address(file: StoredFile) -> str:
    """Return the address of a file; "" for a type that browsers do not show."""
    return f"/files/{file.sha256.hex()}" if _is_displayable(file.media_type) else ""


MAX_KEPT_COVERS = 500  # of 4 kB each

_RASTER_TYPES = IMAGE_TYPES - {"image/svg+xml"}


def cover_address(file: StoredFile) -> str:
    """Return the address of a small form of an image; "" for what browsers do not show."""
    address = file_address(file)
    return f"{address}/cover" if file.media_type in _RASTER_TYPES else address


class SmallCovers:
    """Small forms of images, the last ones kept in memory by the hash of the image, which never changes."""

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, bytes] = OrderedDict()

    def of(self, sha256: bytes, make: Callable[[], bytes]) -> bytes:
        """Return the small form of an image, which `make` returns; empty where none can be made."""
        small = self._kept.pop(sha256, None)
        if small is None:
            small = make()
        self._kept[sha256] = small
        while len(self._kept) > MAX_KEPT_COVERS:
            self._kept.popitem(last=False)
        return small


def files_router(readers: Readers, folder: MediaFolder) -> APIRouter:
    """Return /files/<sha256>, and /files/<sha256>/cover, the same image small enough for a list of posts."""
    router = APIRouter()

    def file(request: Request, sha256: FileHash) -> Response:
        with readers.session() as session:
            stored = file_of(session, bytes.fromhex(sha256))
        if stored is None:
            raise NotArchived("web.missing.file", sha256=sha256)
        headers = {**_headers(stored), "ETag": f'"{sha256}"'}
        return not_modified(request, headers) or _answer(request, _content(folder, stored), headers)

    covers = SmallCovers()

    def cover(request: Request, sha256: FileHash) -> Response:
        with readers.session() as session:
            stored = file_of(session, bytes.fromhex(sha256))
        if stored is None or stored.media_type not in _RASTER_TYPES:
            raise NotArchived("web.missing.file", sha256=sha256)
        headers = {**_headers(stored), "ETag": f'"{sha256}-cover"'}
        if known := not_modified(request, headers):
            return known
        small = covers.of(stored.sha256, lambda: _small_form(folder, stored))
        if not small:
            return Response(_content(folder, stored), headers=headers)
        return Response(small, headers={**headers, "Content-Type": "image/jpeg"})

    add_page(router, "/files/{sha256}", file)
    add_page(router, "/files/{sha256}/cover", cover)
    return router


def _small_form(folder: MediaFolder, file: StoredFile) -> bytes:
    """Return the small form that was made when the image was stored; of older ones make it now."""
    try:
        kept = folder.small_form(file.sha256)
    except MediaFolderError:  # the image may be readable all the same
        kept = b""
    return kept or small_cover(_content(folder, file))


def _is_displayable(media_type: str) -> bool:
    return media_type in IMAGE_TYPES or _PLAYABLE.fullmatch(media_type) is not None


def _headers(file: StoredFile) -> dict[str, str]:
    """Return headers that let a file be an image or a recording only: no script in an SVG runs."""
    displayable = _is_displayable(file.media_type)
    ending = file.path.rpartition(".")[2]
    name = f"{file.sha256.hex()[:16]}.{ending}" if ending.isalnum() else file.sha256.hex()[:16]
    return {
        **SECURITY_HEADERS,
        "Content-Security-Policy": _FILE_POLICY,
        "Content-Type": file.media_type if displayable else _DOWNLOAD_TYPE,
        "Content-Disposition": f'{"inline" if displayable else "attachment"}; filename="{name}"',
        "Cache-Control": IMMUTABLE,
        "Accept-Ranges": "bytes",
    }


def _content(folder: MediaFolder, file: StoredFile) -> bytes:
    try:
        return folder.get(file.path, file.sha256)
    except MediaMissing as error:
        raise NotArchived("web.missing.file_lost", reason=error.message) from None


def _answer(request: Request, content: bytes, headers: dict[str, str]) -> Response:
    """Answer with the whole file, or with the range that a player requests."""
    wanted = _RANGE.fullmatch(request.headers.get("range", ""))
    if not wanted or not (wanted[1] or wanted[2]):
        return Response(content, headers=headers)
    first, last = _byte_range(wanted[1], wanted[2], len(content))
    if first > last:
        return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{len(content)}"})
    partial = {**headers, "Content-Range": f"bytes {first}-{last}/{len(content)}"}
    return Response(content[first : last + 1], 206, partial)


def _byte_range(first: str, last: str, length: int) -> tuple[int, int]:
    """Return the first and the last byte, from 0; `-500` are the last 500. Empty where first > last."""
    if not first:
        return max(length - int(last), 0), length - 1
    return int(first), min(int(last), length - 1) if last else length - 1


# The offline page's own policy again, and no script even if that were wrong: it has no origin at all.
_OFFLINE_POLICY = (
    "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox"
)

_SOURCE_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"

MAX_OFFLINE = 24 * 1024 * 1024  # characters of images: a reader waits for it, and eight may at once

_log = structlog.get_logger()


def _offline_page(shown: ShownPost) -> bytes:
    """Return the page of a post. Raises PageError where it cannot be made, for whatever reason."""
    try:
        check_page_size(shown.post)
        return offline_page(shown, MAX_OFFLINE).encode("utf-8", "replace")
    except MediaFolderError:
        raise
    except Exception as error:
        aid, reason = shown.post.aid, error_message(error)
        _log.error("the page of a post cannot be made", action="page_failed", aid=aid, reason=str(reason))
        raise PageError("web.post.offline_page_failed", aid=aid, reason=reason) from None


def sources_router(readers: Readers, folder: MediaFolder) -> APIRouter:
    """Return /posts/…/offline and /captures/NUMBER."""
    router = APIRouter()

    def offline(biz: BizParam, aid: AidParam) -> Response:
        with readers.session() as session:
            shown = shown_post(session, get_post(session, biz, aid), folder)
        content = _offline_page(shown)
        headers = {
            **SECURITY_HEADERS,
            "Content-Security-Policy": _OFFLINE_POLICY,
            "Cache-Control": "private, no-cache",
        }
        return Response(content, headers=headers, media_type="text/html")

    def source(request: Request, number: NumberParam) -> Response:
        with readers.session() as session:
            capture = captures_repository.get_capture_metadata(session, number)
            headers = {
                **SECURITY_HEADERS,
                "Content-Security-Policy": _SOURCE_POLICY,
                "ETag": f'W/"{capture["sha256"].hex()}"',
                "Last-Modified": http_date(capture["fetched_at"]),
            }
            if known := not_modified(request, headers):
                return known
            content = bodies.capture_body(session, number)
        return Response(content, headers=headers, media_type="text/plain; charset=utf-8")

    add_page(router, "/posts/{biz}/{aid}/offline", offline)
    add_page(router, "/captures/{number}", source)
    return router
