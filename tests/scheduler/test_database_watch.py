"""Tests of the watch of the database, with a real server and none, HTTP on loopback, an injected clock."""

import asyncio
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import URL, Engine

from archive.db.engine import connection_problem
from archive.domain.messages import Message
from scheduler.config import Ping
from scheduler.database_watch import ALARM_AFTER, ALARM_AGAIN, CHECK_EVERY, CHECK_TIMEOUT, DatabaseWatch
from tests.scheduler.monitor import Monitor, running_monitor
from tests.scheduler.waiting import wait_for

BEGIN = datetime(2026, 3, 1, 4, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
CLOSED = URL.create("postgresql+psycopg", "nobody", host="127.0.0.1", port=9, database="none")


class Clock:
    """A clock that moves on by `step` at each look."""

    def __init__(self, step: timedelta = CHECK_EVERY):
        self.time, self.step = BEGIN, step

    def __call__(self) -> datetime:
        self.time += self.step
        return self.time


@pytest.fixture
def monitor() -> Iterator[Monitor]:
    with running_monitor() as server:
        yield server


def test_the_alarm_is_due_within_a_minute_whenever_the_database_went() -> None:
    slowest = CHECK_EVERY + CHECK_TIMEOUT  # between two results
    assert slowest + -(-ALARM_AFTER // slowest) * slowest <= MINUTE


def test_an_outage_of_seconds_raises_no_alarm(capsys: pytest.CaptureFixture[str]) -> None:
    watch = DatabaseWatch(CLOSED, lambda: None, Clock(timedelta(seconds=5)))
    assert [watch.note(reason) for reason in ("gone", "gone", "gone", "", "gone")] == [None] * 5
    assert "database_back" in capsys.readouterr().out


def test_a_long_outage_raises_an_alarm_and_again_only_after_minutes() -> None:
    clock = Clock()
    watch = DatabaseWatch(CLOSED, lambda: None, clock)
    alarms = [clock.time for _ in range(70) if watch.note("server closed the connection")]
    assert alarms[0] - BEGIN <= MINUTE
    assert [later - earlier for earlier, later in pairwise(alarms)] == [ALARM_AGAIN] * 2


def test_the_alarm_says_since_when_and_why_in_both_languages() -> None:
    watch = DatabaseWatch(CLOSED, lambda: None, Clock(MINUTE))
    alarm = watch.note("connection refused") or watch.note("connection refused")
    assert isinstance(alarm, Message)
    for language in ("en", "zh"):
        assert "connection refused" in alarm.text(language)
        assert "12:31" in alarm.text(language) or "04:31" in alarm.text(language)


def test_a_server_that_answers_is_no_problem_and_one_that_hangs_or_is_gone_is(engine: Engine) -> None:
    assert asyncio.run(connection_problem(engine.url, CHECK_TIMEOUT)) == ""
    assert "refused" in asyncio.run(connection_problem(CLOSED, CHECK_TIMEOUT))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hanging = CLOSED.set(port=silent.getsockname()[1])
        assert "no answer within" in asyncio.run(connection_problem(hanging, timedelta(seconds=0.2)))


@pytest.mark.slow
def test_the_monitoring_service_hears_that_the_database_is_away(monitor: Monitor, tmp_path: Path) -> None:
    (tmp_path / "ping").write_text(monitor.url)
    (tmp_path / "ping").chmod(0o600)
    watch = DatabaseWatch(CLOSED, lambda: Ping(url_file=tmp_path / "ping"), Clock(MINUTE))

    async def until_heard() -> None:
        task = asyncio.create_task(watch.run(timedelta(seconds=0.01)))
        await asyncio.to_thread(wait_for, lambda: monitor.heard)
        task.cancel()

    asyncio.run(until_heard())
    _, path, body = monitor.heard[0]
    assert path.endswith("/fail")
    assert "refused" in body.decode()
