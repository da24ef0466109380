"""Start the parts of a simulated month: Postgres, the stand-in server, a worker process."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Self

from archive.db.embedded_server import embedded_postgres
from tests.month.receiver import Receiver
from tests.standin import Standin
from tests.standin.account import COMMISSION, NEIGHBOUR
from tests.standin.discovery import COOKIE, TOKEN
from tests.standin.publishing import ALBUM, NEIGHBOUR_ALBUM
from tests.support.secret_files import put_secret

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0  # seconds for a server or a worker to end
REVISITS = 50  # a day: more than there are, so that only the posts' ages count
LIGHT = 20_000  # bytes of script in a page: the pages' weight is measured elsewhere
ONE_ACCOUNT = f"""
[[accounts]]
biz = "{COMMISSION.biz}"
name = "{COMMISSION.nickname}"
albums = ["{ALBUM}"]
feeds = ["https://rss.example/feeds/long.rss"]
own_backend = {{ credentials_file = "login.json" }}
"""
TWO_ACCOUNTS = f"""
[[accounts]]
biz = "{COMMISSION.biz}"
name = "{COMMISSION.nickname}"
albums = ["{ALBUM}"]

[[accounts]]
biz = "{NEIGHBOUR.biz}"
name = "{NEIGHBOUR.nickname}"
albums = ["{NEIGHBOUR_ALBUM}"]
"""
_CONFIG = """
[schedule]
quiet_hours = "23:30-06:30"
default_minutes = {default}
shortest_minutes = {shortest}
longest_minutes = 1440

[alarms]
urls_file = "urls"

[limits]
revisits_a_day = {revisits}
free_disk_mb = 100
"""


class Machinery:
    """All parts, running within the `with` block; nothing is published yet. Intervals are in minutes.

    `accounts` are the tables of what is watched: one account by all its sources, or two by their albums.
    `temporary`: the worker's folder of temporary files.
    """

    def __init__(
        self,
        folder: Path,
        *,
        shortest: int,
        default: int,
        accounts: str = ONE_ACCOUNT,
        temporary: Path | None = None,
    ):
        self.folder = folder
        self.clock = folder / "now"
        self.config = folder / "mparchive.toml"
        self._accounts = accounts
        self._temporary = {"TMPDIR": str(temporary)} if temporary else {}
        self._minutes = {"shortest": shortest, "default": default}
        self._stack = ExitStack()
        self._worker: subprocess.Popen[bytes] | None = None
        self.receiver = Receiver()
        nothing = folder / "nothing.json"
        nothing.write_text("[]")
        self.standin = Standin(weight=LIGHT, dump=nothing)
        self.database_url = ""
        self.kills = self.restarts = 0

    def __enter__(self) -> Self:
        self._stack.enter_context(self.receiver)
        self._stack.enter_context(self.standin)
        self.database_url = self._stack.enter_context(embedded_postgres(self.folder))
        limits = _CONFIG.format(revisits=REVISITS, **self._minutes)
        self.config.write_text(self._accounts + limits, encoding="utf-8")
        login = {"cookie": COOKIE, "token": TOKEN, "ends": "2099-01-01T00:00:00+08:00"}
        put_secret(self.folder / "login.json", json.dumps(login))
        put_secret(self.folder / "urls", self.receiver.address)
        return self

    def __exit__(self, *error: object) -> None:
        self.stop_worker()
        self._stack.close()

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of the worker and of the simulated timetable."""
        return {
            "MPARCHIVE_DATABASE_URL": self.database_url,
            "MPARCHIVE_HOME": str(self.folder),
            "MPARCHIVE_LOOPBACK": self.standin.origin,
            "MPARCHIVE_NOW": str(self.clock),
            "MPARCHIVE_DOWNLOAD_DELAY": "0",
            "MPARCHIVE_MEDIA_DELAY": "0",
        }

    @property
    def worker_id(self) -> int:
        """Return the process id of the worker, which must run."""
        assert self._worker is not None
        return self._worker.pid

    def set_clock(self, now: datetime) -> None:
        """Set the simulated clock of all processes."""
        fresh = self.clock.with_suffix(".new")
        fresh.write_text(now.isoformat(), encoding="ascii")
        fresh.rename(self.clock)

    def start_worker(self) -> None:
        """Start a real worker process."""
        with (self.folder / "worker.log").open("ab") as log:
            self._worker = subprocess.Popen(
                [sys.executable, "-m", "tests.month.worker_process", str(self.config)],
                env={**os.environ, **self.environment, **self._temporary},
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def kill_worker(self) -> None:
        """Kill the worker with SIGKILL and start another one."""
        assert self._worker is not None
        self._worker.kill()
        self._worker.wait(PATIENCE)
        self.kills += 1
        self.start_worker()

    def stop_worker(self) -> int:
        """Stop the worker with SIGTERM, and return its exit code."""
        if self._worker is None:
            return 0
        self._worker.terminate()
        code, self._worker = self._worker.wait(PATIENCE), None
        return code

    def restart_database(self) -> None:
        """Restart Postgres with a fast shutdown, which ends every connection."""
        pid_file = self.folder / "postgres" / "postmaster.pid"
        os.kill(int(pid_file.read_text().partition("\n")[0]), signal.SIGINT)
        until = time.monotonic() + PATIENCE
        while pid_file.exists() and time.monotonic() < until:
            time.sleep(0.05)
        self._stack.enter_context(embedded_postgres(self.folder))
        self.restarts += 1
