"""Thousands of requests at once get right answers or refusals, and do not hold up a crawl."""

import asyncio
import resource
import threading
from collections import Counter
from collections.abc import Iterator

import psutil
import pytest
from sqlalchemy import Engine, text

from archive.db.engine import CONNECTIONS, READER_NAME, transaction
from archive.ingest.pages import import_records
from tests.archive.making import NOW, record
from tests.web.served import served
from web.app import HeaderTimeoutProtocol
from web.middleware import MAX_REQUESTS

AT_ONCE = 1500
MORE_MEMORY = 300 * 2**20  # bytes; a connection and its request take some 50 kB
PATIENCE = 60  # seconds
FILES = 2 * AT_ONCE + 500  # descriptors: both ends of each connection are here, and what else is open
READERS = (
    "SELECT count(*) FROM pg_stat_activity"
    f" WHERE application_name = '{READER_NAME}' AND datname = current_database()"
)


class ManyIdle(HeaderTimeoutProtocol):
    """Close no connection of the flood: on a slow machine all are made before the first request is sent."""

    max_idle = AT_ONCE
    seconds = PATIENCE


@pytest.fixture
def both_ends() -> Iterator[None]:
    """As many descriptors as that takes; most machines give a process 1024 until it asks for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, FILES), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def ask(port: int, path: str) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.read(), PATIENCE)
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    status = head.partition(b"\r\n")[0].decode().split()[1]
    return "wrong" if status == "200" and b'"aid":"1001_1"' not in body else status


async def flood(port: int) -> Counter[str]:
    return Counter(await asyncio.gather(*(ask(port, "/api/v1/posts") for _ in range(AT_ONCE))))


@pytest.mark.usefixtures("both_ends")
def test_a_flood_of_requests_leaves_the_database_to_others(engine: Engine) -> None:
    with transaction(engine) as session:
        import_records(session, None, [record()], "dump", NOW)
    before = psutil.Process().memory_info().rss
    found: Counter[str] = Counter()
    with served(engine, protocol=ManyIdle) as web:
        asking = threading.Thread(target=lambda: found.update(asyncio.run(flood(web.port))))
        asking.start()
        readers = 0
        while asking.is_alive():
            with engine.begin() as connection:  # as a crawl does
                readers = max(readers, connection.scalar(text(READERS)) or 0)
                connection.execute(text("UPDATE posts SET title = title"))
        asking.join()
        assert web.ask("GET", "/livez").status == 200
    assert set(found) <= {"200", "429", "503"}
    assert found.total() == AT_ONCE
    assert found["429"] == AT_ONCE - MAX_REQUESTS
    assert found["200"] > 0  # of the others, a slow machine may answer some 503
    assert 0 < readers <= CONNECTIONS
    assert psutil.Process().memory_info().rss - before < MORE_MEMORY
