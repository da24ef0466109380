"""The FastAPI application: which router serves which path."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, JSONResponse

from archive.db.engine import Readers
from archive.storage.media_files import MediaFolder
from web.api.routes import api_router
from web.auth import OPEN, Access
from web.errors import install_error_handlers
from web.feeds.routes import feeds_router
from web.inbox.routes import INBOX_HEADERS, LinkInbox, inbox_page
from web.middleware import AdmissionMiddleware
from web.monitoring import monitoring_router
from web.pages import error_response, pages_router

_TEXT = {"type": "string"}

_INBOX_FIELDS = {
    "type": "object",
    "properties": {"url": _TEXT, "text": _TEXT, "title": _TEXT, "token": _TEXT},
    "anyOf": [{"required": ["url"]}, {"required": ["text"]}],
}

_INBOX_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": _INBOX_FIELDS},
            "application/x-www-form-urlencoded": {"schema": _INBOX_FIELDS},
            "text/plain": {"schema": _TEXT},
        },
    },
}

_INBOX_RESPONSES: dict[int | str, dict[str, Any]] = {
    400: {"description": "No address of a post in it, or not readable"},
    401: {"description": "The token is missing or wrong"},
    403: {"description": "The inbox is closed: no token is set"},
    408: {"description": "The body did not arrive in time"},
    413: {"description": "Over 64 kB, or over 100 addresses"},
    415: {"description": "The body's type is none of the three"},
    429: {"description": "Over 60 posts a minute"},
    503: {"description": "The database does not answer; nothing was filed"},
}


def create_app(  # noqa: PLR0913, PLR0917 - each argument is one part
    inbox: LinkInbox,
    readers: Readers,
    folder: MediaFolder,
    now: Callable[[], datetime],
    elapsed: Callable[[], float] = time.monotonic,
    access: Access = OPEN,
) -> FastAPI:
    """Build the application: everything reads through `readers`, only the inbox writes.

    `folder` holds the media that are shown. `now` gives an aware UTC instant; `elapsed` is a monotonic clock
    in seconds by which rates are measured. `access` says who may read.
    """
    app = FastAPI(title="mparchive", docs_url=None, redoc_url=None)
    app.add_middleware(AdmissionMiddleware, access=access, elapsed=elapsed, respond=error_response)
    install_error_handlers(app, error_response)
    app.include_router(monitoring_router(readers, now))
    app.include_router(api_router(readers, now))
    app.include_router(feeds_router(readers))
    app.include_router(pages_router(readers, folder, now))
    app.add_api_route(
        "/inbox",
        _inbox_page,
        methods=["GET"],
        response_class=HTMLResponse,
        summary="A page that files the address in its fragment",
    )
    app.add_api_route(
        "/inbox",
        inbox.receive,
        methods=["POST"],
        response_class=JSONResponse,
        summary="File the addresses of posts in the body: they are fetched soon",
        responses=_INBOX_RESPONSES,
        openapi_extra=_INBOX_BODY,
    )
    return app


def _inbox_page() -> HTMLResponse:
    return HTMLResponse(inbox_page(), headers=INBOX_HEADERS)
