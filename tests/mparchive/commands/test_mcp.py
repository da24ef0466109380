"""`mparchive mcp` as an assistant starts it, and over HTTP, asked by the package's own client."""

import asyncio
import json
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import psutil
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from tests.acceptance.command import EXECUTABLE, Command
from tests.archive.making import record
from web.app import MAX_DESCRIPTORS

TOKEN = "a-token-of-the-test"
FEW_FILES = 900
EVERY = {"1001_1", "1002_1", "1003_1"}


@pytest.fixture
def filled(fresh_database_url: str, tmp_path: Path) -> Command:
    command = Command(fresh_database_url, tmp_path / "home")
    command.home.mkdir()
    dump = tmp_path / "posts.json"
    posts = [record(n, title=f"合成标题{n}").as_dict() for n in (1, 2, 3)]
    dump.write_text(json.dumps(posts, ensure_ascii=False), encoding="utf-8")
    assert command("backfill", dump, "--no-fetch").code == 0
    return command


async def aids(client: Client) -> set[str]:
    found = await client.call_tool("search", {"query": "合成标题"})
    assert found.structured_content is not None
    return {post["aid"] for post in found.structured_content["posts"]}


def test_an_assistant_starts_it_and_asks(filled: Command) -> None:
    async def ask() -> set[str]:
        command = StdioServerParameters(command=str(EXECUTABLE), args=["mcp"], env=filled.environment)
        async with Client(command) as client:
            return await aids(client)

    assert asyncio.run(ask()) == EVERY


@contextmanager
def serving(command: Command, tmp_path: Path) -> Iterator[str]:
    """Yield the address of a server with a token; it writes nothing but that address."""
    token = tmp_path / "token"
    token.write_text(TOKEN)
    token.chmod(0o600)
    secret = {"MPARCHIVE_READING_TOKEN_FILE": str(token)}
    with command.start("mcp", "--port", "0", listen=True, **secret) as process:
        assert process.stderr is not None
        try:
            yield process.stderr.readline().decode().split()[-1]
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert process.stderr.read() == b""


def test_over_http_it_is_behind_the_token(filled: Command, tmp_path: Path) -> None:
    async def ask(address: str) -> Any:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with (
            httpx2.AsyncClient(headers=headers) as http,
            Client(streamable_http_client(address, http_client=http)) as client,
        ):
            return await aids(client)

    with serving(filled, tmp_path) as address:
        assert asyncio.run(ask(address)) == EVERY
        refused = httpx2.post(address, json={}, headers={"Authorization": "Bearer another-token-here"})
    assert refused.status_code == 401


@pytest.fixture
def few_files() -> Iterator[None]:
    """Let this process and those it starts open few files, unless they raise the limit themselves."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (FEW_FILES, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("few_files")
def test_over_http_it_may_open_as_many_connections_as_the_web_server(filled: Command, tmp_path: Path) -> None:
    with serving(filled, tmp_path) as address:
        port = urlsplit(address).port
        (server,) = (
            process
            for process in psutil.Process().children(recursive=True)
            if port in {each.laddr.port for each in process.net_connections("tcp")}
        )
        soft, hard = server.rlimit(psutil.RLIMIT_NOFILE)
    assert soft == min(MAX_DESCRIPTORS, hard) > FEW_FILES


def test_without_a_token_nobody_else_can_reach_it(filled: Command) -> None:
    refused = filled("mcp", "--port", "0", "--host", "0.0.0.0")
    assert (refused.code, "MPARCHIVE_READING_TOKEN_FILE" in refused.err) == (2, True)
