"""A Postgres that is killed under the daemon, amid a crawl, and under the web server, or that stays away."""

import os
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import psutil
import pytest
from sqlalchemy import text

from archive.db.engine import open_archive
from archive.db.settings import ArchiveSettings
from tests.acceptance.command import EXECUTABLE
from tests.archive.backup.own_server import own_server
from tests.scheduler.monitor import running_monitor
from tests.scheduler.waiting import TIME, wait_for
from tests.standin import Standin
from tests.standin.account import COMMISSION
from tests.standin.week import ALBUM, WEEK

IN_ALBUM = {post.aid for post in WEEK if post.album == ALBUM}
PAUSE = 0.5  # seconds the server waits before each page, so that the kill comes amid a crawl
PATIENCE = 30  # seconds for an answer of the web server
STOPPED_WITHIN = 60  # seconds; up to 30 are the daemon's own


@contextmanager
def running(home: Path, *command: str, **environment: str) -> Iterator["Running"]:
    """Run a command with an embedded Postgres in `home`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MPARCHIVE_")}
    process = subprocess.Popen(
        [EXECUTABLE, *command],
        cwd=home,
        env={**kept, "MPARCHIVE_HOME": str(home), "MPARCHIVE_DOWNLOAD_DELAY": "0", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield Running(process)
    finally:
        process.terminate()
        process.wait(STOPPED_WITHIN)


class Running:
    """A running command and the lines it has written."""

    def __init__(self, process: "subprocess.Popen[str]"):
        self.process = process
        self.lines: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            self.lines.extend(output)

    def has_logged(self, event: str) -> bool:
        assert self.process.poll() is None, "".join(self.lines)
        return any(f'"event": "{event}"' in line for line in self.lines)


def kill_server(home: Path) -> None:
    """Kill the postmaster of this folder, and nothing else."""
    number = int((home / "postgres" / "postmaster.pid").read_text().partition("\n")[0])
    server = psutil.Process(number)
    assert str(home / "postgres") in server.cmdline()
    server.kill()


def archived(home: Path) -> set[str]:
    """Return the posts that are in the archive of this folder."""
    with open_archive(ArchiveSettings(home=home)) as engine, engine.connect() as connection:
        return set(connection.scalars(text("SELECT p.aid FROM posts p JOIN versions v ON v.post_id = p.id")))


@pytest.fixture
def home() -> Iterator[Path]:
    """Return a folder that the server's user may reach, and whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="mparchive-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.mark.timeout(400)
def test_the_daemon_goes_on_by_itself_when_its_postgres_is_killed_amid_a_crawl(home: Path) -> None:
    account = f'[[accounts]]\nbiz = "{COMMISSION.biz}"\nname = "合成"\nalbums = ["{ALBUM}"]\n'
    (home / "mparchive.toml").write_text(account, encoding="utf-8")
    with Standin(week=True) as standin:
        standin.fault("slow", seconds=PAUSE)
        loopback = {"MPARCHIVE_LOOPBACK": standin.origin, "MPARCHIVE_MEDIA_TYPES": "audio"}
        with running(home, "run", **loopback) as daemon:
            wait_for(
                lambda: any(
                    "/s/" in one["target"] or "/s?" in one["target"] for one in standin.stats()["requests"]
                )
            )
            kill_server(home)
            wait_for(lambda: daemon.has_logged("postgres_restarted"))
            standin.clear()
            wait_for(lambda: archived(home) == IN_ALBUM)
    assert daemon.process.returncode == 0
    assert not (home / "postgres" / "postmaster.pid").exists(), "its server was left behind"


def test_the_web_server_answers_again_by_itself_when_its_postgres_is_killed(home: Path) -> None:
    with running(home, "serve", "--port", "0") as server:
        wait_for(lambda: server.has_logged("serving"))
        (port,) = {one.laddr.port for one in psutil.Process(server.process.pid).net_connections("tcp")}
        assert status(port) == 200
        kill_server(home)
        wait_for(lambda: server.has_logged("postgres_restarted"))
        wait_for(lambda: status(port) == 200)


def status(port: int) -> int:
    """Return the status of the page of the newest posts."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/", timeout=PATIENCE) as answer:
            return int(answer.status)
    except HTTPError as error:
        return error.code


@pytest.mark.timeout(400)
def test_the_log_and_the_ping_address_hear_within_a_minute_that_the_database_is_away(home: Path) -> None:
    assert TIME <= 60, "wait_for gives up after that"
    with own_server() as server, running_monitor() as monitor:
        (home / "ping").write_text(monitor.url)
        (home / "ping").chmod(0o600)
        account = f'[[accounts]]\nbiz = "{COMMISSION.biz}"\nname = "合成"\n'
        (home / "mparchive.toml").write_text(f'{account}[ping]\nurl_file = "{home}/ping"\n', encoding="utf-8")
        settings = {"MPARCHIVE_DATABASE_URL": server.database_url, "MPARCHIVE_LANG": "en"}
        with running(home, "run", **settings) as daemon:
            wait_for(lambda: monitor.heard)  # the first report
            server.stop("immediate")
            wait_for(
                lambda: any(
                    path.endswith("/fail") and "the database has not answered" in body.decode()
                    for _, path, body in monitor.heard
                )
            )
            assert daemon.has_logged("database_alarm")
