"""Tests of what the daemon tells systemd, on a real socket."""

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from scheduler.service_manager import ALIVE, READY, notify, show_signs_of_life, watchdog_interval

WAIT = 30  # seconds for a datagram


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "n"))
        receiver.settimeout(WAIT)
        yield receiver


def test_a_state_reaches_the_service_manager(manager: socket.socket) -> None:
    assert notify(READY, {"NOTIFY_SOCKET": manager.getsockname()})
    assert manager.recv(100) == b"READY=1"


def test_a_state_reaches_an_abstract_address() -> None:
    name = f"mparchive-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(f"\0{name}")
        receiver.settimeout(WAIT)
        assert notify(READY, {"NOTIFY_SOCKET": f"@{name}"})
        assert receiver.recv(100) == b"READY=1"


def test_without_a_service_manager_nothing_is_sent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not notify(READY, {})
    assert capsys.readouterr().out == ""
    assert not notify(READY, {"NOTIFY_SOCKET": str(tmp_path / "gone")})
    assert "action=notify_failed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("environment", "interval"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "120000000"}, 60.0),
        ({"WATCHDOG_USEC": "120000000", "WATCHDOG_PID": str(os.getpid())}, 60.0),
        ({"WATCHDOG_USEC": "120000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_signs_of_life_come_twice_as_often_as_they_must(
    environment: dict[str, str], interval: float | None
) -> None:
    assert watchdog_interval(environment) == interval


def test_signs_of_life_are_shown_until_the_daemon_stops(manager: socket.socket) -> None:
    environment = {"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "2000"}

    async def watched() -> list[bytes]:
        task = asyncio.create_task(show_signs_of_life(environment))
        heard = [await asyncio.to_thread(manager.recv, 100) for _ in range(3)]
        task.cancel()
        return heard

    assert asyncio.run(watched()) == [ALIVE.encode()] * 3


def test_nobody_who_watches_is_told_nothing() -> None:
    asyncio.run(show_signs_of_life({}))
