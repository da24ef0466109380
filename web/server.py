"""HTTP/1.1 for clients that may be slow on purpose: whoever does not ask makes room for others."""

import asyncio
import ipaddress
import resource
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, cast

from uvicorn.protocols.http.h11_impl import H11Protocol

from mparchive.errors import CommandError

if TYPE_CHECKING:
    from fastapi import FastAPI
    from uvicorn import Server

HEAD_SECONDS = 20  # for all of a request's head; phones on bad lines take some seconds

MOST_IDLE = 1000  # connections without a request; half of all there may be


class HeaderTimeoutProtocol(H11Protocol):
    """As uvicorn has it, which waits for a request's first line and headers for ever.

    Of connections without a whole request there are at most `most_idle`; one more ends the one that has been
    so for longest. A browser whose connection is ended so opens another.
    """

    seconds: float = HEAD_SECONDS
    most_idle: int = MOST_IDLE
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn
        """Whoever connects has to ask."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """No byte of a request gives it more time, but its last."""
        super().data_received(data)
        if self.cycle is None or self.cycle.response_complete:
            self._wait()
        else:
            self._stop_waiting()

    def on_response_complete(self) -> None:
        """Whoever was answered is idle until the next request."""
        super().on_response_complete()
        if self.cycle.response_complete and not self.transport.is_closing():
            self._note_idle()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is waited for any longer."""
        self._stop_waiting()
        super().connection_lost(exc)

    @property
    def _idle(self) -> dict["HeaderTimeoutProtocol", None]:
        """The server's connections without a request, the one that has been so for longest first."""
        return cast("dict[HeaderTimeoutProtocol, None]", vars(self.server_state).setdefault("idle", {}))

    def _note_idle(self) -> None:
        self._idle.setdefault(self)
        if len(self._idle) > self.most_idle:
            next(iter(self._idle))._end()

    def _wait(self) -> None:
        if self._late is None:
            self._late = self.loop.call_later(self.seconds, self._end)
        self._note_idle()

    def _end(self) -> None:
        self._stop_waiting()
        self.timeout_keep_alive_handler()

    def _stop_waiting(self) -> None:
        self._idle.pop(self, None)
        if self._late is not None:
            self._late.cancel()
            self._late = None


AT_ONCE = 2000  # connections; more are answered 503. How many requests are worked on is the gate's affair

FILES = AT_ONCE * 2  # descriptors; beyond them nothing more could be said to anybody

IDLE = 5  # seconds a connection is kept for the next request

STOP = 10  # seconds for what is being answered when told to stop

STALLED = 60  # seconds a client may take nothing of its answer, which is in memory until then

BACKLOG = 2048  # connections that wait to be taken


def raise_file_limit() -> None:
    """Let the process have as many files open as it may have connections, where it is allowed to."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
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


def is_loopback(listener: socket.socket) -> bool:
    return ipaddress.ip_address(listener.getsockname()[0]).is_loopback


def server_address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def make_server(app: "FastAPI") -> "Server":
    import uvicorn  # noqa: PLC0415 - as above

    pass

    config = uvicorn.Config(
        app,
        http=HeaderTimeoutProtocol,
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


def handle_signals(server: "Server") -> None:
    def told(_number: int, _frame: FrameType | None) -> None:
        """Before the server heeds signals itself, and after, when it raises them once more."""
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, told)
