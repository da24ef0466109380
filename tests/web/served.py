"""The application behind a real server on loopback, with clocks that tests set."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPConnection, HTTPMessage
from typing import Any, Self

import uvicorn
from sqlalchemy import Engine

from archive.db.engine import Readers, engine_at
from archive.db.settings import ArchiveSettings
from archive.storage.media_files import MediaFolder
from tests.archive.making import NOW
from tests.support.database import as_reader
from web.app import HeaderTimeoutProtocol, create_app
from web.auth import OPEN, Access
from web.inbox.routes import LinkInbox

TOKEN = "synthetic-token-0c4d"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
JSON, FORM, TEXT = "application/json", "application/x-www-form-urlencoded", "text/plain; charset=utf-8"
PATIENCE = 60  # seconds
IDLE = 3600  # seconds a connection is kept: other tests, or a busy machine, may come between two requests


@dataclass(frozen=True)
class Answer:
    """One answer."""

    status: int
    headers: HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Served:
    """A client on one connection. `seconds` is what rates are measured by."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.origin = f"http://127.0.0.1:{port}"
        self.seconds = 0.0
        self._connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._connection.request(method, path, body, named)
        answer = self._connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())

    def post(self, body: bytes | str, kind: str = TEXT, token: str = TOKEN, **headers: str) -> Answer:
        """File something; without a token no header is sent."""
        sent = body.encode() if isinstance(body, str) else body
        signed = {"Authorization": f"Bearer {token}"} if token else {}
        return self.ask("POST", "/inbox", sent, Content_Type=kind, **signed, **headers)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._connection.close()


@contextmanager
def served(
    engine: Engine,
    token: str = TOKEN,
    now: datetime = NOW,
    access: Access = OPEN,
    folder: MediaFolder | None = None,
    *,
    protocol: type[asyncio.Protocol] = HeaderTimeoutProtocol,
    max_connections: int | None = None,
    origin: str = "",
) -> Iterator[Served]:
    """Serve this archive while the block runs, with the rights of the web."""
    reading = engine_at(as_reader(engine))
    with (
        Readers(reading) as readers,
        socket.create_server(("127.0.0.1", 0)) as listener,
        Served(listener.getsockname()[1]) as client,
    ):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        folder = folder or MediaFolder(ArchiveSettings())
        inbox = LinkInbox(reading, token, lambda: now, lambda: client.seconds)
        app = create_app(inbox, readers, folder, lambda: now, lambda: client.seconds, access, origin)
        config = uvicorn.Config(
            app,
            http=protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            timeout_keep_alive=IDLE,
            limit_concurrency=max_connections,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield client
        finally:
            server.should_exit = True
            thread.join(PATIENCE)
            reading.dispose()


@contextmanager
def unfinished_posts(web: Served, number: int, *headers: str) -> Iterator[list[socket.socket]]:
    """Send so many POSTs to the inbox without the rest of their bodies."""
    head = ["POST /inbox HTTP/1.1", "Host: 127.0.0.1", "Content-Type: text/plain", "Content-Length: 99"]
    sent = "\r\n".join([*head, *headers, "", "x"]).encode()
    with ExitStack() as stack:
        clients = []
        for _ in range(number):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", web.port), PATIENCE))
            client.sendall(sent)
            clients.append(client)
        yield clients
