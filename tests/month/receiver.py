"""Receive alarms as apprise's json:// messages on loopback."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class Receiver:
    """Collects what is sent to `address`. `well`: False answers everything with 500."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.well = True
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if receiver.well:
                    receiver.messages.append(json.loads(body))
                self.send_response(200 if receiver.well else 500)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    @property
    def address(self) -> str:
        """Return the address in apprise's form."""
        return f"json://127.0.0.1:{self._server.server_port}/synthetic-secret-path"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
