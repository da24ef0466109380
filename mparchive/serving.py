"""`mparchive serve`: the archive over HTTP."""

import ipaddress
import logging
import resource
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING

import structlog

from archive.config import ArchiveSettings
from archive.database import open_archive
from archive.media.folder import MediaFolder
from crawler import clock
from mparchive import lifeline
from mparchive.console import say
from mparchive.exits import CommandError, Exit

if TYPE_CHECKING:
    from fastapi import FastAPI
    from uvicorn import Server

AT_ONCE = 2000  # connections; more are answered 503. How many requests are worked on is the gate's affair
FILES = AT_ONCE * 2  # descriptors; beyond them nothing more could be said to anybody
IDLE = 5  # seconds a connection is kept for the next request
STOP = 10  # seconds for what is being answered when told to stop
STALLED = 60  # seconds a client may take nothing of its answer, which is in memory until then
BACKLOG = 2048  # connections that wait to be taken

_UNGUARDED = (
    "whoever reaches this address could read the archive: set MPARCHIVE_READING_TOKEN or"
    " MPARCHIVE_READING_TOKEN_FILE (at least 16 characters), or MPARCHIVE_PROXY_USER_HEADER with"
    " MPARCHIVE_TRUSTED_PROXIES; or say --to-everybody"
)

log = structlog.get_logger()


def serve(host: str, port: int, to_everybody: bool = False) -> Exit:
    """Serve until SIGTERM or SIGINT. Raises CommandError, TokenUnusable, DatabaseUnavailable."""
    from archive.web import InboxSettings, ReadingSettings, create_app  # noqa: PLC0415 - half a second
    from archive.web.inbox_route import Inbox  # noqa: PLC0415 - as above
    from archive.web.readers import Readers  # noqa: PLC0415 - as above
    from archive.web.refusal import no_token_set  # noqa: PLC0415 - as above

    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    logging.getLogger("uvicorn").setLevel(logging.ERROR)  # else a line for each connection too many
    _make_room()
    settings = ReadingSettings()
    token, access = InboxSettings().token(), settings.access()
    with _listening(host, port) as listener, open_archive() as engine, Readers(engine) as readers:
        if access.is_open and not to_everybody and not _is_loopback(listener):
            raise CommandError(_UNGUARDED)
        if access.is_open and _is_loopback(listener):
            access = replace(access, hosts=settings.hosts(host))
        if not token:
            say(no_token_set().english)
        folder = MediaFolder(ArchiveSettings())
        app = create_app(Inbox(engine, token, clock.now), readers, folder, clock.now, access=access)
        server = _server(app)
        _heed_signals(server)
        lifeline.heed(partial(setattr, server, "should_exit", True))
        address = _address(listener)
        log.info(
            "serving",
            action="serving",
            address=f"http://{address}/",
            inbox=f"http://{address}/inbox",
            open=bool(token),
        )
        server.run(sockets=[listener])
        log.info("served", action="served")
    return Exit.DONE


def _make_room() -> None:
    """Let the process have as many files open as it may have connections, where it is allowed to."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    """A bound socket; the address is taken before anything else is started."""
    try:
        family, _, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(where[:2], family=family, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        said = getattr(error, "strerror", None) or "that is no name of a host"
        why = said.partition(" (while")[0]  # it goes on with the address once more
        raise CommandError(
            f"cannot listen at {host}:{port} ({why.lower()}); free it, or give another --host or --port"
        ) from None
    # Else a small answer waits 40 ms for the client's word that it has the first half.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if sys.platform == "linux":  # the connections it takes have it from there
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STALLED * 1000)
    with listener:
        yield listener


def _is_loopback(listener: socket.socket) -> bool:
    return ipaddress.ip_address(listener.getsockname()[0]).is_loopback


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _server(app: "FastAPI") -> "Server":
    import uvicorn  # noqa: PLC0415 - as above

    from mparchive.punctual import Punctual  # noqa: PLC0415 - as above

    config = uvicorn.Config(
        app,
        http=Punctual,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,  # it would hold what somebody writes behind a question mark
        proxy_headers=False,
        server_header=False,
        limit_concurrency=AT_ONCE,
        timeout_keep_alive=IDLE,
        timeout_graceful_shutdown=STOP,
    )
    return uvicorn.Server(config)


def _heed_signals(server: "Server") -> None:
    def told(_number: int, _frame: FrameType | None) -> None:
        """Before the server heeds signals itself, and after, when it raises them once more."""
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, told)
