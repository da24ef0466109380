"""The embedded Postgres: one server for a data folder, shared by every process that uses the folder.

Each user process holds a shared lock on a file; the one that can lock it exclusively when it leaves was the
last, and stops the server. The kernel drops the lock of a process that is killed, so none is ever counted
that is gone.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from archive.db.embedded_server import EmbeddedServer
from archive.domain.errors import DatabaseUnavailable
from archive.system.private_files import make_private_folder, private_opener


@contextmanager
def embedded_postgres(home: Path) -> Iterator[str]:
    """Run the server of `home` while the block lasts; yields its address for SQLAlchemy.

    Raises DatabaseUnavailable when it cannot be started.
    """
    try:
        make_private_folder(home)
        users = open(home / "postgres.users", "a", opener=private_opener)  # noqa: SIM115 - closed below
    except OSError as error:
        raise DatabaseUnavailable(
            f"cannot use the data folder {home} ({error.strerror}); set MPARCHIVE_HOME"
        ) from None
    with users:
        server = EmbeddedServer(home)
        address = _start(server, users, home)
        try:
            yield address
        finally:
            if _is_alone(users):
                server.stop()


def _start(server: EmbeddedServer, users: IO[str], home: Path) -> str:
    try:
        if _is_alone(users):
            server.stop_if_open()
        fcntl.flock(users, fcntl.LOCK_SH)
        return server.start()
    except OSError as error:
        raise DatabaseUnavailable(
            f"the embedded Postgres in {home / 'postgres'} does not start ({type(error).__name__}: {error}); "
            "MPARCHIVE_HOME names another folder"
        ) from error


def _is_alone(users: IO[str]) -> bool:
    """Give the shared lock up and try for the exclusive one: whether no other process uses the server."""
    fcntl.flock(users, fcntl.LOCK_UN)
    with suppress(BlockingIOError):
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False
