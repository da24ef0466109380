"""Slow clients lose their connections."""

import asyncio
import socket
import sys
from contextlib import ExitStack, suppress

import pytest
from sqlalchemy import Engine

from tests.web.served import PATIENCE, Served, served
from web.app import STALL_SECONDS, HeaderTimeoutProtocol, listening

ANSWER = b'{"status":"alive"}'
ASKED = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


class ShortTimeout(HeaderTimeoutProtocol):
    """Close connections without a request almost at once."""

    seconds = 0.05


class ShortTimeoutAfterRequest(ShortTimeout):
    """Do the same once a first request was answered, however slow this machine is."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn
        super().connection_made(transport)
        self._stop_timeout()


def answer_until_closed(web: Served, sent: bytes, after_the_answer: bytes = b"") -> bytes:
    """Return what is answered until the server ends the connection, which stays open on our side."""
    answer = b""
    address = ("127.0.0.1", web.port)
    with socket.create_connection(address, timeout=PATIENCE) as client, suppress(ConnectionError):
        client.sendall(sent)  # the connection may end before all is sent
        while after_the_answer and not answer.endswith(ANSWER):
            answer += client.recv(65536)
        client.sendall(after_the_answer)
        while more := client.recv(65536):
            answer += more
    return answer


@pytest.mark.parametrize("sent", [b"", b"GET", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "])
def test_a_connection_without_a_request_is_closed(sent: bytes, engine: Engine) -> None:
    with served(engine, protocol=ShortTimeout) as web:
        assert answer_until_closed(web, sent) == b""


@pytest.mark.parametrize("head", [ASKED, ASKED.replace(b"\r\n\r\n", b"\r\nContent-Length: 99\r\n\r\n")])
def test_an_incomplete_second_request_is_closed_too(head: bytes, engine: Engine) -> None:
    with served(engine, protocol=ShortTimeoutAfterRequest) as web:
        assert answer_until_closed(web, head, b"GET / HTTP/1.1\r\n").count(b"HTTP/1.1 200 OK") == 1


class FewIdle(HeaderTimeoutProtocol):
    """Let only few connections be idle."""

    max_idle = 20


def test_the_oldest_idle_connections_are_closed_for_new_ones(engine: Engine) -> None:
    with served(engine, protocol=FewIdle, max_connections=30) as web, ExitStack() as stack:
        address = ("127.0.0.1", web.port)
        clients = []
        for number in range(60):
            client = stack.enter_context(socket.create_connection(address, PATIENCE))
            client.sendall((b"", b"GET / HTTP/1.1\r\n")[number % 2])
            clients.append(client)
        assert web.ask("GET", "/livez").status == 200
        assert web.ask("GET", "/api/v1/posts").status == 200
        with suppress(ConnectionError):
            assert clients[0].recv(65536) == b""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of clients that take nothing")
def test_the_system_drops_clients_that_accept_nothing() -> None:
    with listening("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        taken, _ = listener.accept()
        with taken:
            assert taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == STALL_SECONDS * 1000
