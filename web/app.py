"""The FastAPI application: which router serves which path."""

import asyncio
import ipaddress
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from types import FrameType
from typing import TYPE_CHECKING, Any, cast

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from pydantic import BaseModel
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware
from uvicorn.protocols.http.h11_impl import H11Protocol

from archive.db.engine import NO_DATABASE, Readers
from archive.db.settings import ArchiveSettings
from archive.domain.errors import MessageError
from archive.domain.messages import Message
from archive.reports.metrics import ArchiveMetrics
from archive.reports.status import unready
from archive.storage.media_files import MediaFolder
from web.api.routes import api_router
from web.auth import OPEN, Access, ReadingSettings
from web.downloads import downloads_router
from web.errors import install_error_handlers
from web.feeds import feeds_router
from web.http_cache import NO_STORE
from web.inbox.routes import LinkInbox, inbox_page
from web.middleware import LIVE_PATH, READY_PATH, AdmissionMiddleware
from web.pages import error_response, pages_router
from web.pages.notes import notes_router

METRICS_PATH = "/metrics"

COMPRESSION = 5  # of zlib's levels: a page of 60 kB takes 1 ms; level 9 takes twice that for 2 % less

# Compressed already, or files whose exact bytes a reader takes along: a download names its length.
_SENT_AS_THEY_ARE = (
    *DEFAULT_EXCLUDED_CONTENT_TYPES,
    "application/octet-stream",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.sqlite3",
    "image/*",
)

_HEADERS = {"Cache-Control": NO_STORE}


class Alive(BaseModel):
    """The answer of a process that is alive."""

    status: str = "alive"


class Ready(BaseModel):
    """Whether the archive is what its readers expect, and the reasons if it is not."""

    status: str
    reasons: list[str]


def monitoring_router(readers: Readers, now: Callable[[], datetime]) -> APIRouter:
    """Return the three endpoints; `now` gives an aware UTC instant."""
    router = APIRouter(tags=["operation"])
    registry = CollectorRegistry()
    registry.register(ArchiveMetrics(readers.engine, now, ArchiveSettings().local_folders()))

    @router.get(LIVE_PATH, summary="Whether this process answers")
    def livez() -> Alive:
        return Alive()

    @router.get(
        READY_PATH,
        summary="Whether the database answers, its schema is the newest, and the archive is fresh",
        response_model=Ready,
        responses={503: {"model": Ready, "description": "Not ready, with the reasons"}},
    )
    def readyz() -> Response:
        reasons = [str(reason) for reason in _reasons(readers, now())]
        ready = Ready(status="not ready" if reasons else "ready", reasons=reasons)
        return JSONResponse(ready.model_dump(), 503 if reasons else 200, _HEADERS)

    @router.get(
        METRICS_PATH,
        summary="Metrics for Prometheus",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    )
    def metrics() -> Response:
        return Response(generate_latest(registry), headers=_HEADERS, media_type=CONTENT_TYPE_LATEST)

    return router


def _reasons(readers: Readers, now: datetime) -> Sequence[Message]:
    try:
        with readers.session() as session:
            return unready(session, now)
    except NO_DATABASE:
        return [Message("web.ready.database_away")]


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
    origin: str = "",
) -> FastAPI:
    """Build the application: everything reads through `readers`, only the inbox and notes write.

    `folder` holds the media that are shown. `now` gives an aware UTC instant; `elapsed` is a monotonic clock
    in seconds by which rates are measured. `access` says who may read. `origin` is the address of the web
    interface that citations name; if empty, that of each request.
    """
    app = FastAPI(title="mparchive", docs_url=None, redoc_url=None)
    app.state.takes_links = inbox.is_open
    app.add_middleware(GZipMiddleware, compresslevel=COMPRESSION, exclude_content_types=_SENT_AS_THEY_ARE)
    app.add_middleware(AdmissionMiddleware, access=access, elapsed=elapsed, respond=error_response)
    install_error_handlers(app, error_response)
    # Paths are compared in this order: those that people wait for come first.
    app.include_router(pages_router(readers, folder, now, origin, is_open=access.is_open))
    app.include_router(notes_router(readers, inbox.engine, now))
    app.include_router(monitoring_router(readers, now))
    app.include_router(api_router(readers, now))
    app.include_router(feeds_router(readers))
    app.include_router(downloads_router(readers, error_response))
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


def _inbox_page(request: Request) -> Response:
    return inbox_page(request)


if TYPE_CHECKING:
    from starlette.types import ASGIApp
    from uvicorn import Server

HEAD_SECONDS = 20  # for the request line and all headers; phones with bad reception take some seconds


class ListenError(MessageError):
    """The server cannot listen at an address."""


MAX_IDLE = 1000  # connections without a request: half of MAX_CONNECTIONS


class HeaderTimeoutProtocol(H11Protocol):
    """Close connections on which no whole request head arrives in time; uvicorn itself waits for ever.

    At most `max_idle` connections are without a whole request: one more closes the one that has been idle for
    longest. A browser whose connection is closed opens another.
    """

    seconds: float = HEAD_SECONDS
    max_idle: int = MAX_IDLE
    _timeout: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn
        """Start to wait for the first request."""
        super().connection_made(transport)
        self._start_timeout()

    def data_received(self, data: bytes) -> None:
        """Wait for the next request once one is answered; a part of a head does not extend its time."""
        super().data_received(data)
        if self.cycle is None or self.cycle.response_complete:
            self._start_timeout()
        else:
            self._stop_timeout()

    def on_response_complete(self) -> None:
        """Count the connection as idle until its next request."""
        super().on_response_complete()
        if self.cycle.response_complete and not self.transport.is_closing():
            self._add_idle()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_timeout()
        super().connection_lost(exc)

    @property
    def _idle(self) -> dict["HeaderTimeoutProtocol", None]:
        """The server's connections without a request, the one that has been idle for longest first."""
        return cast("dict[HeaderTimeoutProtocol, None]", vars(self.server_state).setdefault("idle", {}))

    def _add_idle(self) -> None:
        self._idle.setdefault(self)
        if len(self._idle) > self.max_idle:
            next(iter(self._idle))._on_timeout()

    def _start_timeout(self) -> None:
        if self._timeout is None:
            self._timeout = self.loop.call_later(self.seconds, self._on_timeout)
        self._add_idle()

    def _on_timeout(self) -> None:
        self._stop_timeout()
        self.timeout_keep_alive_handler()

    def _stop_timeout(self) -> None:
        self._idle.pop(self, None)
        if self._timeout is not None:
            self._timeout.cancel()
            self._timeout = None


MAX_CONNECTIONS = 2000  # more are answered 503; the middleware bounds how many requests run at once

MAX_DESCRIPTORS = MAX_CONNECTIONS * 2  # without a free one no connection can even be refused

KEEP_ALIVE_SECONDS = 5  # for the next request on a connection

SHUTDOWN_SECONDS = 10  # for the requests in progress when a signal stops the server

STALL_SECONDS = 60  # a client may accept no byte of its answer, which is in memory until then

BACKLOG = 2048  # connections that wait to be accepted


def raise_file_limit() -> None:
    """Raise the limit of open files to what MAX_CONNECTIONS needs, as far as the system allows it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(MAX_DESCRIPTORS, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """Bind a socket while the block runs. Raises ListenError for an address that is taken or none.

    It comes first: nothing else is started for an address that cannot be had.
    """
    try:
        family, _, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(where[:2], family=family, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        reason = _listen_reason(error)
        raise ListenError("web.app.cannot_listen", host=host, port=port, reason=reason) from None
    # Without this a small answer waits 40 ms for the client to acknowledge its first half.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if sys.platform == "linux":  # accepted connections inherit it
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STALL_SECONDS * 1000)
    with listener:
        yield listener


def _listen_reason(error: OSError | UnicodeError) -> Message | str:
    strerror = getattr(error, "strerror", None)
    if not strerror:
        return Message("web.app.host_unknown")
    return str(strerror).partition(" (while")[0].lower()  # what follows repeats the address


def is_loopback(listener: socket.socket) -> bool:
    """Tell whether only this machine can reach the socket."""
    return ipaddress.ip_address(listener.getsockname()[0]).is_loopback


def server_address(listener: socket.socket) -> str:
    """Return host and port of the socket as they stand in a URL."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def access_at(listener: socket.socket, host: str, settings: ReadingSettings, access: Access) -> Access:
    """Return who may read at a listener: of an open archive on this machine, only requests to its own hosts.

    `host` is where it listens. Raises TokenUnusable for a configured host name that is none.
    """
    if access.is_open and is_loopback(listener):
        return replace(access, hosts=settings.hosts(host))
    return access


def make_server(app: "ASGIApp", *, has_lifespan: bool = False) -> "Server":
    """Build uvicorn's server for an application, with our bounds; this process may open the files it needs.

    `has_lifespan`: the application is told when the server starts and ends.
    """
    import uvicorn  # noqa: PLC0415 - a third of a second

    raise_file_limit()
    config = uvicorn.Config(
        app,
        http=HeaderTimeoutProtocol,
        ws="none",
        lifespan="on" if has_lifespan else "off",
        log_config=None,
        log_level="error",  # else a line for each connection too many
        access_log=False,  # it would hold the query strings that people send
        proxy_headers=False,
        server_header=False,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    return uvicorn.Server(config)


def handle_signals(server: "Server") -> None:
    """Stop the server on SIGTERM or SIGINT, also before and after it handles signals itself.

    On SIGHUP too, which the closing of its terminal sends: it has no file to read again, and would otherwise
    leave the embedded Postgres running.
    """

    def stop(_number: int, _frame: FrameType | None) -> None:
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop)
