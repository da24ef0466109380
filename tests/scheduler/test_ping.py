"""Tests of the pings to a monitoring service, over HTTP on loopback."""

from collections.abc import Iterator

import pytest

from archive.domain.messages import Message
from scheduler.ping import MAX_BODY, PingFailed, send_ping
from tests.scheduler.monitor import Monitor, running_monitor

PROBLEM = Message("scheduler.health.disk", {"folder": "/data", "megabytes": 1})


@pytest.fixture
def monitor() -> Iterator[Monitor]:
    with running_monitor() as server:
        yield server


@pytest.mark.slow
def test_while_all_is_well_the_address_itself_is_pinged(monitor: Monitor) -> None:
    send_ping(f" {monitor.url}\n", [], "en")
    assert monitor.heard == [("POST", "/ping/secret-id", b"")]


@pytest.mark.slow
def test_problems_are_sent_to_the_failing_address_in_the_reader_s_language(monitor: Monitor) -> None:
    send_ping(f"{monitor.url}?create=1", [PROBLEM, PROBLEM], "zh")
    body = "\n".join([PROBLEM.text("zh")] * 2).encode()
    assert monitor.heard == [("POST", "/ping/secret-id/fail?create=1", body)]
    send_ping(monitor.url, [Message("archive.verbatim", {"text": "x" * 2 * MAX_BODY})], "en")
    assert len(monitor.heard[1][2]) == MAX_BODY


@pytest.mark.parametrize("status", [404, 500, 302])
def test_a_ping_that_is_not_taken_is_an_error_without_the_secret(monitor: Monitor, status: int) -> None:
    monitor.status = status
    with pytest.raises(PingFailed) as failed:
        send_ping(monitor.url, [], "en")
    assert str(status) in str(failed.value)
    assert "secret-id" not in str(failed.value)
    assert len(monitor.heard) == 1  # no redirect is followed


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hc-ping.com/x",
        "file:///etc/passwd",
        "https://",
        "http://[::1",
        "http://127.0.0.1:1/x",
        "http://127.0.0.1:x/y",
    ],
)
def test_an_address_that_leads_nowhere_is_an_error(url: str) -> None:
    with pytest.raises(PingFailed):
        send_ping(url, [], "en")
