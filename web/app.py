"""The application: what is at which path."""

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
from web.errors import answer_failures
from web.feeds.routes import feeds_router
from web.inbox.routes import HEADERS, Inbox, inbox_page
from web.middleware import Gate
from web.monitoring import operation
from web.pages import pages_router, say_as_suits

_TEXT = {"type": "string"}

_FIELDS = {
    "type": "object",
    "properties": {"url": _TEXT, "text": _TEXT, "title": _TEXT, "token": _TEXT},
    "anyOf": [{"required": ["url"]}, {"required": ["text"]}],
}

_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": _FIELDS},
            "application/x-www-form-urlencoded": {"schema": _FIELDS},
            "text/plain": {"schema": _TEXT},
        },
    },
}

_ANSWERS: dict[int | str, dict[str, Any]] = {
    400: {"description": "No address of a post in it, or not readable"},
    401: {"description": "The token is missing or wrong"},
    403: {"description": "The inbox is closed: no token is set"},
    408: {"description": "The body did not arrive in time"},
    413: {"description": "Over 64 kB, or over 100 addresses"},
    415: {"description": "The body's type is none of the three"},
    429: {"description": "Over 60 posts a minute"},
    503: {"description": "The database is away; nothing was filed"},
}


def create_app(  # noqa: PLR0913, PLR0917 - the parts of the house
    inbox: Inbox,
    readers: Readers,
    folder: MediaFolder,
    now: Callable[[], datetime],
    elapsed: Callable[[], float] = time.monotonic,
    access: Access = OPEN,
) -> FastAPI:
    """The archive over HTTP: everything reads through `readers`, only the inbox writes.

    `folder` holds the media that are shown. `now` is an aware UTC instant; `elapsed` (seconds) is what rates
    are measured by. `access`: who may read.
    """
    app = FastAPI(title="mparchive", docs_url=None, redoc_url=None)
    app.add_middleware(Gate, access=access, elapsed=elapsed, say=say_as_suits)
    answer_failures(app, say_as_suits)
    app.include_router(operation(readers, now))
    app.include_router(api_router(readers, now))
    app.include_router(feeds_router(readers))
    app.include_router(pages_router(readers, folder, now))
    app.add_api_route(
        "/inbox",
        _page,
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
        responses=_ANSWERS,
        openapi_extra=_BODY,
    )
    return app


def _page() -> HTMLResponse:
    return HTMLResponse(inbox_page(), headers=HEADERS)
