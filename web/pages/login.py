"""The page with the code to scan while somebody signs in to a service by `mparchive login`."""

import re
from pathlib import Path

from fastapi import APIRouter, Request, Response

from archive.db.settings import ArchiveSettings
from archive.domain.errors import NotArchived
from archive.system.files import CODE_FILE
from web.http_cache import NO_STORE
from web.pages.render import SECURITY_HEADERS, add_page, render_page

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

_MAX_CODE = 1024 * 1024  # bytes; a code has some thousand

_PNG = b"\x89PNG\r\n\x1a\n"


def login_router(*, is_open: bool) -> APIRouter:
    """Serve the page; where everybody may read (`is_open`), only its explanation: codes are not for all."""
    router = APIRouter(include_in_schema=False)

    def page(request: Request) -> Response:
        names = [] if is_open else [path.parent.name for path in _codes()]
        return render_page(request, "login.html", 200, names=names, is_open=is_open)

    def code(name: str) -> Response:
        image = b"" if is_open or not _NAME.fullmatch(name) else _image(name)
        if not image.startswith(_PNG):
            raise NotArchived("web.login.no_code")
        headers = {**SECURITY_HEADERS, "Cache-Control": NO_STORE}
        return Response(image, headers=headers, media_type="image/png")

    add_page(router, "/login", page)
    add_page(router, "/login/{name}/code.png", code)
    return router


def _codes() -> list[Path]:
    """Return the images of codes that wait to be scanned."""
    return sorted(ArchiveSettings().login_folder("").glob(f"*/{CODE_FILE}"))


def _image(name: str) -> bytes:
    try:
        with ArchiveSettings().login_code(name).open("rb") as file:
            return file.read(_MAX_CODE)
    except OSError:
        return b""
