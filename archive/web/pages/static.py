"""The style sheet and the sign: the only files of the reading room's own."""

import hashlib
from importlib import resources

from fastapi import APIRouter, Response
from starlette.requests import Request

_FOR_A_YEAR = "public, max-age=31536000, immutable"  # an address is never used for another content
_LOCKED = "default-src 'none'; frame-ancestors 'none'"


def _content(name: str) -> bytes:
    return (resources.files(__package__) / "static" / name).read_bytes()


def _named(content: bytes, stem: str, ending: str) -> str:
    return f"/static/{stem}-{hashlib.sha256(content).hexdigest()[:12]}.{ending}"


_STYLE, _ICON = _content("style.css"), _content("icon.svg")
STYLE = _named(_STYLE, "style", "css")
ICON = "/favicon.ico"  # browsers ask for it unasked
_FILES = {STYLE: (_STYLE, "text/css"), ICON: (_ICON, "image/svg+xml")}


def static_router() -> APIRouter:
    """Each file at its own address."""
    router = APIRouter(include_in_schema=False)
    for address in _FILES:
        router.add_api_route(address, _file, methods=["GET", "HEAD"], response_class=Response)
    return router


def _file(request: Request) -> Response:
    content, media_type = _FILES[request.url.path]
    headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": _LOCKED}
    headers["Cache-Control"] = _FOR_A_YEAR if request.url.path == STYLE else "public, max-age=86400"
    return Response(content, headers=headers, media_type=media_type)
