"""The media that posts show, from the archive's own folder, by their hashes."""

import re
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from archive.db.engine import Readers
from archive.domain.errors import MediaMissing, NotArchived
from archive.rendering.media import IMAGE_TYPES
from archive.repository.media import KeptFile, file_of
from archive.storage.media_files import MediaFolder
from web.http_cache import FOR_EVER, unchanged
from web.pages.render import GUARDED, add_page

_LOCKED = (
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"  # drawings have styles
)

_PLAYED = re.compile(r"(audio|video)/[a-z0-9.+-]+")

_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")

_UNKNOWN = "application/octet-stream"

Hash = Annotated[str, Path(pattern="^[0-9a-f]{64}$")]


def shown_at(file: KeptFile) -> str:
    """Where the reading room shows a file; "" of a type that browsers do not show."""
    return f"/files/{file.sha256.hex()}" if _is_shown(file.media_type) else ""


def files_router(readers: Readers, folder: MediaFolder) -> APIRouter:
    """/files/<sha256>."""
    router = APIRouter()

    def file(request: Request, sha256: Hash) -> Response:
        with readers.session() as session:
            kept = file_of(session, bytes.fromhex(sha256))
        if kept is None:
            raise NotArchived(f"there is no file {sha256} in the archive")
        headers = {**_headers(kept), "ETag": f'"{sha256}"'}
        return unchanged(request, headers) or _answer(request, _content(folder, kept), headers)

    add_page(router, "/files/{sha256}", file)
    return router


def _is_shown(media_type: str) -> bool:
    return media_type in IMAGE_TYPES or _PLAYED.fullmatch(media_type) is not None


def _headers(file: KeptFile) -> dict[str, str]:
    """A file is never more than a picture or a recording: no script of a drawing runs, nothing is guessed."""
    shown = _is_shown(file.media_type)
    ending = file.path.rpartition(".")[2]
    name = f"{file.sha256.hex()[:16]}.{ending}" if ending.isalnum() else file.sha256.hex()[:16]
    return {
        **GUARDED,
        "Content-Security-Policy": _LOCKED,
        "Content-Type": file.media_type if shown else _UNKNOWN,
        "Content-Disposition": f'{"inline" if shown else "attachment"}; filename="{name}"',
        "Cache-Control": FOR_EVER,
        "Accept-Ranges": "bytes",
    }


def _content(folder: MediaFolder, file: KeptFile) -> bytes:
    try:
        return folder.get(file.path, file.sha256)
    except MediaMissing as error:
        raise NotArchived(f"{error}; `mparchive verify` says what else is missing") from None


def _answer(request: Request, content: bytes, headers: dict[str, str]) -> Response:
    """All of it, or the stretch that a player asks for."""
    asked = _RANGE.fullmatch(request.headers.get("range", ""))
    if not asked or not (asked[1] or asked[2]):
        return Response(content, headers=headers)
    first, last = _stretch(asked[1], asked[2], len(content))
    if first > last:
        return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{len(content)}"})
    told = {**headers, "Content-Range": f"bytes {first}-{last}/{len(content)}"}
    return Response(content[first : last + 1], 206, told)


def _stretch(first: str, last: str, length: int) -> tuple[int, int]:
    """The first and the last byte, from 0; `-500` are the last 500. Empty where first > last."""
    if not first:
        return max(length - int(last), 0), length - 1
    return int(first), min(int(last), length - 1) if last else length - 1
