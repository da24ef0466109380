"""`mparchive run`, as a process: a first start on an empty archive, a configuration that breaks, the end."""

import asyncio
import json
import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest
from sqlalchemy import Engine

from archive.db.engine import transaction
from archive.repository import post_queries
from scheduler.config import Config
from scheduler.daemon import CurrentConfig, JobPlanner, bring_forward, log_broken_start, scheduler_of
from scheduler.jobs import inbox
from scheduler.jobs.base import JobContext
from scheduler.polling import TIMETABLE, Work
from scheduler.queue import PlannedJob, queue_of
from tests.scheduler.conftest import ACCOUNT
from tests.standin import Standin
from tests.standin.week import ALBUM, WEEK

COMMAND = Path(sys.executable).with_name("mparchive")
TIME = 120  # seconds
STOPPED_WITHIN = 60  # seconds; up to 30 are its own, the rest is for a machine that has much to do
NEVER = 300  # seconds the server takes for an answer that nobody is to wait for
GOOD = f'{ACCOUNT}albums = ["{ALBUM}"]\n'


class Daemon:
    """A running one, and what it says."""

    def __init__(self, environment: dict[str, str], command: str = "run"):
        self.process = subprocess.Popen(
            [COMMAND, command], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.lines: list[str] = []
        self._said = threading.Condition()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            for line in output:
                with self._said:
                    self.lines.append(line)
                    self._said.notify_all()

    def until(self, words: str) -> str:
        """Wait for a line that holds these words, and return it."""

        def found() -> str:
            return next((line for line in self.lines if words in line), "")

        with self._said:
            assert self._said.wait_for(lambda: bool(found()) or self.process.poll() is not None, TIME)
        assert found(), "".join(self.lines)
        return found()

    @property
    def port(self) -> int:
        """Where it listens: at one that was free when it took it."""
        listening = psutil.Process(self.process.pid).net_connections("tcp")
        (port,) = {one.laddr.port for one in listening if one.status == psutil.CONN_LISTEN}
        return port

    def stop(self) -> int:
        """As an operator does; the exit code."""
        self.process.terminate()
        return self.process.wait(STOPPED_WITHIN)


@pytest.fixture
def standin() -> Iterator[Standin]:
    with Standin(week=True) as running:
        yield running


@pytest.fixture
def settings(environment: dict[str, str], standin: Standin, tmp_path: Path) -> dict[str, str]:
    (tmp_path / "mparchive.toml").write_text(GOOD, encoding="utf-8")
    return {
        **environment,
        "MPARCHIVE_LOOPBACK": standin.origin,
        "MPARCHIVE_METRICS": "0",
        "MPARCHIVE_MEDIA_DELAY": "0",
        "MPARCHIVE_MEDIA_TYPES": "audio",
    }


def test_one_command_and_a_short_file_fill_an_empty_archive_and_a_broken_file_changes_nothing(
    settings: dict[str, str], engine: Engine, tmp_path: Path
) -> None:
    daemon = Daemon(settings)
    try:
        assert json.loads(daemon.until('"event": "source_tried"'))["good"] is True
        (tmp_path / "mparchive.toml").write_text("[[accounts]\n", encoding="utf-8")
        daemon.process.send_signal(signal.SIGHUP)
        assert "line 1" in daemon.until('"event": "config_refused"')
        daemon.until('"event": "crawl_ended"')
        (tmp_path / "mparchive.toml").write_text(f"{GOOD}[limits]\nrevisits_a_day = 0\n", encoding="utf-8")
        daemon.until('"event": "config_taken"')
        with urlopen(f"http://127.0.0.1:{daemon.port}/metrics", timeout=TIME) as answer:
            metrics = answer.read().decode()
        family = psutil.Process(daemon.process.pid).children(recursive=True)
    finally:
        code = daemon.stop()
    assert code == 0, "".join(daemon.lines)
    in_album = {post.aid for post in WEEK if post.album == ALBUM}
    with transaction(engine) as session:
        assert {record.aid for record in post_queries.records(session)} == in_album
    assert f"mparchive_posts {len(in_album)}.0" in metrics
    assert f'source="album:{ALBUM}"' in metrics
    _, alive = psutil.wait_procs(family, timeout=STOPPED_WITHIN)
    assert alive == []


def test_a_change_that_needs_a_restart_is_logged_and_the_rest_is_in_force(
    configured: Callable[[str], Config], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configured("")
    current = CurrentConfig(tmp_path / "mparchive.toml")
    configured("[limits]\nrevisits_a_day = 7\n")
    current.refresh()
    assert "config_needs_restart" not in capsys.readouterr().out
    configured('[limits]\nrevisits_a_day = 8\n[reading_room]\nlisten = "127.0.0.1:1"\n')
    current.refresh()
    assert current.config.limits.revisits_a_day == 8
    assert "config_needs_restart" in capsys.readouterr().out


def test_a_file_that_breaks_or_goes_is_logged_once_and_the_configuration_before_stays(
    configured: Callable[[str], Config], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, path = configured("[limits]\nrevisits_a_day = 7\n"), tmp_path / "mparchive.toml"
    current = CurrentConfig(path)
    path.write_text("[limitz]\n", encoding="utf-8")
    for _ in range(3):
        current.refresh()
    assert current.config == good
    assert current.problem and "limits" in str(current.problem), "the nearest key is not named"
    path.unlink()
    for _ in range(3):
        current.refresh()
    assert current.config == good
    assert capsys.readouterr().out.count("config_refused") == 2
    configured("[limits]\nrevisits_a_day = 7\n")
    current.refresh()
    assert current.problem is None


def test_closing_its_terminal_stops_the_daemon_and_a_hangup_otherwise_does_not(
    settings: dict[str, str],
) -> None:
    ours, its = pty.openpty()
    daemon = subprocess.Popen(
        [COMMAND, "run"], env=settings, stdin=its, stdout=its, stderr=its, start_new_session=True
    )
    os.close(its)
    said = b""
    while b"mparchive runs until" not in said:
        said += os.read(ours, 1000)
    daemon.send_signal(signal.SIGHUP)  # as `systemctl reload` does
    while b"is in force" not in said:
        said += os.read(ours, 1000)
    os.close(ours)
    daemon.send_signal(signal.SIGHUP)  # as the kernel does for the session's leader
    assert daemon.wait(STOPPED_WITHIN) == 0


def test_a_look_that_fails_is_said_and_harms_no_other(
    configured: Callable[[str], Config], engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def fails(*_: object) -> list[PlannedJob]:
        raise PermissionError(13, "synthetic")

    configured("")
    monkeypatch.setattr(inbox, "plan_inbox", fails)
    planner = JobPlanner(
        JobContext(engine, "home", threading.Event()), CurrentConfig(tmp_path / "mparchive.toml")
    )
    (entry,) = (entry for entry in TIMETABLE if entry.work is Work.INBOX)
    assert asyncio.run(planner.tick(queue_of(engine.url, {}), entry)) == 0
    said = capsys.readouterr().out
    assert "action=look_failed" in said
    assert "work=inbox" in said


def test_looks_do_not_wait_for_the_hours_that_a_clock_was_put_back(
    configured: Callable[[str], Config], engine: Engine, tmp_path: Path
) -> None:
    configured("")
    planner = JobPlanner(
        JobContext(engine, "home", threading.Event()), CurrentConfig(tmp_path / "mparchive.toml")
    )
    now = datetime.now(UTC)

    async def brought_forward(ahead: timedelta) -> tuple[list[str], set[datetime]]:
        scheduler = scheduler_of(planner, queue_of(engine.url, {}), lambda: now + ahead)
        scheduler.start(paused=True)
        try:
            looks = bring_forward(scheduler, now)
            return looks, {job.next_run_time for job in scheduler.get_jobs()}
        finally:
            scheduler.shutdown(wait=False)

    looks, times = asyncio.run(brought_forward(timedelta(hours=8)))
    assert (set(looks), times) == (set(Work), {now})
    assert asyncio.run(brought_forward(timedelta(seconds=15))) == ([], {now + timedelta(seconds=15)})


def test_a_worker_stopped_in_the_middle_of_a_crawl_hands_it_to_the_next_one(
    settings: dict[str, str], engine: Engine, standin: Standin
) -> None:
    slow = {**settings, "MPARCHIVE_DOWNLOAD_DELAY": "5"}
    daemon = Daemon(slow)
    daemon.until('"event": "crawl_begun"')
    while not any(path.startswith("/s") for path in standin.stats()["paths"]):
        assert daemon.process.poll() is None
    assert daemon.stop() == 0
    assert any('"event": "crawl_ended"' in line and '"verdict": "stopped"' in line for line in daemon.lines)
    again = Daemon(settings, "worker")
    try:
        again.until('"event": "crawl_ended"')
    finally:
        assert again.stop() == 0
    in_album = {post.aid for post in WEEK if post.album == ALBUM}
    with transaction(engine) as session:
        assert {record.aid for record in post_queries.records(session)} == in_album, "".join(again.lines)


def test_a_second_signal_stops_at_once_and_leaves_no_crawl_behind(
    settings: dict[str, str], standin: Standin
) -> None:
    standin.fault("slow", seconds=NEVER)
    daemon = Daemon(settings)
    daemon.until('"event": "daemon_started"')
    while not standin.stats()["total"]:
        assert daemon.process.poll() is None
    family = psutil.Process(daemon.process.pid).children(recursive=True)
    daemon.process.terminate()
    daemon.until('"event": "stopping"')
    daemon.process.terminate()
    assert daemon.process.wait(STOPPED_WITHIN) == 143
    _, alive = psutil.wait_procs(family, timeout=STOPPED_WITHIN)
    assert alive == []


@pytest.mark.parametrize(
    ("name", "value", "code", "said"),
    [
        ("MPARCHIVE_EGRESS", "a b", 2, "MPARCHIVE_EGRESS is 'a b'; a name was expected"),
        ("MPARCHIVE_DATABASE_URL", "postgresql://127.0.0.1:9/x", 6, "cannot use the database"),
    ],
)
def test_what_cannot_start_says_why_in_one_sentence(
    settings: dict[str, str], name: str, value: str, code: int, said: str
) -> None:
    done = subprocess.run(
        [COMMAND, "run"],
        env={**settings, name: value},
        capture_output=True,
        text=True,
        timeout=TIME,
        check=False,
    )
    assert (done.returncode, "Traceback" in done.stderr) == (code, False)
    assert said in done.stderr


def test_a_crawl_that_is_stopped_while_it_starts_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    error = ConnectionResetError(104, "Connection reset by peer")
    thread = threading.Thread(target=log_broken_start, args=(type(error), error, None))
    thread.start()
    thread.join()
    captured = capfd.readouterr()
    assert len((captured.out + captured.err).strip().splitlines()) == 1
    log_broken_start(ValueError, ValueError("synthetic"), None)
    assert "ValueError: synthetic" in capfd.readouterr().err
