"""Answers of any length take little memory, and slow clients are in nobody's way."""

import hashlib
import json
import socket
import threading
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from urllib.request import urlopen

import pytest
import uvicorn
from fastapi import FastAPI, Response
from sqlalchemy import Engine

from archive.db.engine import transaction
from archive.ingest.pages import import_records
from archive.repository import post_queries
from tests.archive.making import NOW, record
from tests.web.served import PATIENCE, served
from web import middleware
from web.auth import OPEN
from web.http_cache import entity_tag
from web.middleware import AdmissionMiddleware
from web.pages import error_response
from web.spooling import MAX_IN_MEMORY, SpooledBody, SpooledResponse

MB = 2**20


@pytest.mark.parametrize("size", [0, 1, MAX_IN_MEMORY, MAX_IN_MEMORY + 1])
def test_a_body_comes_back_as_it_was_written(size: int) -> None:
    content = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    body = SpooledBody([content[:100], b"", content[100:]])
    assert b"".join(iter(body.read, b"")) == content
    assert (body.size, body.entity_tag) == (size, f"W/{entity_tag(content)}")
    body.close()


def test_an_error_while_it_is_written_is_raised() -> None:
    def pieces() -> Iterator[bytes]:
        yield b"x" * (MAX_IN_MEMORY + 1)
        raise ValueError

    with pytest.raises(ValueError):
        SpooledBody(pieces())


def test_answers_of_long_texts_are_equal_to_those_in_one_piece_and_take_little_memory(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(post_queries, "TEXT_PIECE", 10_000)
    long = [record(number, text="合成的“正文”\\一&amp;二\r" * 15_000) for number in range(8)]  # 500 kB each
    with transaction(engine) as session:
        import_records(session, None, long, "dump", NOW)
    records = [one.as_dict() for one in long[::-1]]
    whole = json.dumps(records, ensure_ascii=False, separators=(",", ":")).encode()
    dump, feed = "/api/v1/posts?representation=dump", "/feeds/posts.json"
    with served(engine) as web:
        assert web.ask("GET", dump).body == whole
        answer = web.ask("GET", feed)
        assert answer.headers["ETag"] == f"W/{entity_tag(answer.body)}"
        assert web.ask("GET", feed, If_None_Match=answer.headers["ETag"]).status == 304

        def receive(path: str) -> str:
            with urlopen(web.origin + path, timeout=PATIENCE) as received:
                return hashlib.file_digest(received, "sha256").hexdigest()

        tracemalloc.start()
        with ThreadPoolExecutor(4) as clients:
            digests = set(clients.map(receive, [dump] * 4))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert digests == {hashlib.sha256(whole).hexdigest()}
    assert len(whole) > 3 * MB
    assert peak < 2 * len(whole)  # the four answers are four times as long


@contextmanager
def slow_site() -> Iterator[int]:
    """Serve /large, which does not fit into the buffers of a connection, and /small; yield the port."""
    app = FastAPI()
    app.add_middleware(AdmissionMiddleware, access=OPEN, elapsed=lambda: 0.0, respond=error_response)

    @app.get("/large")
    def large() -> Response:
        return SpooledResponse(SpooledBody([bytes(MB)] * 24), {}, "application/octet-stream")

    @app.get("/small")
    def small() -> Response:
        return Response(b"small")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = server.force_exit = True
            thread.join(PATIENCE)


def start_large(stack: ExitStack, port: int) -> socket.socket:
    """Request the large answer and receive only its beginning."""
    client = stack.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE))
    client.sendall(b"GET /large HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    assert client.recv(12) == b"HTTP/1.1 200"
    return client


@pytest.mark.slow
def test_clients_that_receive_slowly_do_not_keep_others_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "MAX_CONCURRENT", 4)
    monkeypatch.setattr(middleware, "CONCURRENCY_WAIT", 0.1)
    with slow_site() as port, ExitStack() as stack:
        for _ in range(8):
            start_large(stack, port)
        with urlopen(f"http://127.0.0.1:{port}/small", timeout=PATIENCE) as answer:
            assert answer.read() == b"small"


def test_the_client_that_receives_for_longest_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "MAX_SENDING", 2)
    with slow_site() as port, ExitStack() as stack:
        first, _second, _third = (start_large(stack, port) for _ in range(3))
        received = 12
        while piece := first.recv(MB):
            received += len(piece)
    assert received < 24 * MB
