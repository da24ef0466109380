"""A small server of one's own making, for what the stand-in does not do: exact faults, traps and bad TLS."""

import gzip
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Reply:
    """One answer. `cut` bytes are held back although Content-Length promises them."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    packed: bool = True
    cut: int = 0


@dataclass
class Asked:
    """One request as it came: when (monotonic seconds), for what, under which headers."""

    at: float
    path: str
    headers: dict[str, str]


class Loopback:
    """Serves replies by path, in order; the last one again and again."""

    def __init__(self, context: ssl.SSLContext | None = None):
        self.replies: dict[str, list[Reply]] = {}
        self.asked: list[Asked] = []
        self.on_request: Callable[[str], None] = lambda _path: None
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        if context:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.scheme = "https" if context else "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self._server.server_port}"

    @property
    def paths(self) -> list[str]:
        return [request.path for request in self.asked]

    def serve(self, path: str, *replies: Reply) -> None:
        self.replies[path] = list(replies)

    def __enter__(self) -> "Loopback":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def next_reply(self, path: str, headers: dict[str, str]) -> Reply:
        with self._lock:
            self.asked.append(Asked(time.monotonic(), path, headers))
            queue = self.replies.get(path, [Reply(b"<html>no such page</html>", 404)])
            reply = queue.pop(0) if len(queue) > 1 else queue[0]
        self.on_request(path)
        return reply

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        loopback = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                reply = loopback.next_reply(self.path, dict(self.headers))
                packed = reply.packed and "gzip" in self.headers.get("Accept-Encoding", "")
                body = gzip.compress(reply.body, 1) if packed else reply.body
                self.send_response(reply.status)
                for name, value in {"Content-Type": "text/html; charset=UTF-8", **reply.headers}.items():
                    self.send_header(name, value)
                if packed:
                    self.send_header("Content-Encoding", "gzip")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) - reply.cut])
                self.close_connection = bool(reply.cut)

            def log_message(self, *_args: object) -> None:
                pass

        return Handler
