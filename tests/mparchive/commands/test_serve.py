"""`serve` refuses what would open the archive to strangers or cannot be served, in one sentence."""

import socket
from collections.abc import Iterator

import pytest

from archive.domain.errors import TokenUnusable
from archive.domain.messages import Message
from mparchive.commands.serve import serve
from mparchive.errors import CommandError, describe_failure


@pytest.fixture(autouse=True)
def archive(fresh_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPARCHIVE_DATABASE_URL", fresh_database_url)


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def message_of(error: Exception) -> Message:
    failure = describe_failure(error)
    assert failure is not None
    return failure[0]


def test_an_open_archive_is_not_served_beyond_this_machine() -> None:
    with pytest.raises(CommandError) as raised:
        serve("0.0.0.0", 0)
    assert raised.value.message.code == "mparchive.serve.unprotected"


def test_a_port_in_use_is_named(taken_port: int) -> None:
    with pytest.raises(Exception, match=str(taken_port)) as raised:
        serve("127.0.0.1", taken_port)
    assert str(taken_port) in str(message_of(raised.value))


def test_a_token_that_is_too_short_is_refused_before_anything_is_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MPARCHIVE_READING_TOKEN", "short")
    with pytest.raises(TokenUnusable) as raised:
        serve("127.0.0.1", 0)
    assert "short" not in str(raised.value).split()
