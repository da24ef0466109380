"""What is done to the running program: processes killed, the database and the server's answers disturbed."""

import os
import random
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil
import psycopg

from archive.db.embedded_server import DATABASE, SUPERUSER
from tests.standin import Standin

MANY = 95  # connections: the server gives 100, and keeps three for its superuser
DISK, INODES = 1536, 20_000  # MB and files of a disk that can be filled
_BLOCK = 1024 * 1024


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Give a folder on a disk of its own, in memory, that can be filled.

    Without the right to mount one it is a folder on the same disk, and the disk is never filled.
    """
    options = f"size={DISK}m,nr_inodes={INODES}"
    mount = ["mount", "-t", "tmpfs", "-o", options, "mparchive-chaos", str(folder)]
    is_mounted = os.geteuid() == 0 and subprocess.run(mount, capture_output=True, check=False).returncode == 0
    home = folder / "home"
    home.mkdir()
    try:
        yield home
    finally:
        if is_mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def family(pids: list[int]) -> list[psutil.Process]:
    """Return the living processes of these numbers with all that they started."""
    found: list[psutil.Process] = []
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            found += [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return found


def processes_of(home: Path) -> list[psutil.Process]:
    """Return all processes that work on the archive in a folder, its Postgres among them."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            words = [*process.cmdline(), process.environ().get("MPARCHIVE_HOME", "")]
            if process.status() != psutil.STATUS_ZOMBIE and any(str(home) in word for word in words):
                found.append(process)
    return found


def postmaster(home: Path) -> psutil.Process | None:
    """Return the Postgres server of a folder, if it runs."""
    with suppress(OSError, ValueError, psutil.Error):
        number = int((home / "postgres" / "postmaster.pid").read_text().partition("\n")[0])
        server = psutil.Process(number)
        return server if str(home / "postgres") in " ".join(server.cmdline()) else None
    return None


class Disturber:
    """Disturbs the program by chance; `counts` has how often each disturbance was made."""

    def __init__(self, home: Path, standin: Standin, chance: random.Random) -> None:
        self._home, self._standin, self._chance = home, standin, chance
        self.counts: dict[str, int] = {}

    def disturb(self, pids: list[int], undo: ExitStack) -> str:
        """Make the first disturbance of a random order that is possible; `undo` gets what ends it."""
        names = self._chance.sample(list(DISTURBANCES), len(DISTURBANCES))
        name = next(name for name in names if DISTURBANCES[name](self, pids, undo))
        self.counts[name] = self.counts.get(name, 0) + 1
        return name

    def kill_command(self, pids: list[int], _: ExitStack) -> bool:
        return self._kill([one for one in family(pids) if one.pid in pids])

    def kill_any(self, pids: list[int], _: ExitStack) -> bool:
        return self._kill(family(pids))

    def kill_browser(self, pids: list[int], _: ExitStack) -> bool:
        return self._kill([one for one in family(pids) if _name(one).startswith(("chrom", "node"))])

    def kill_postgres(self, _: list[int], __: ExitStack) -> bool:
        server = postmaster(self._home)
        return server is not None and self._kill([server])

    def kill_backend(self, _: list[int], __: ExitStack) -> bool:
        server = postmaster(self._home)
        return server is not None and self._kill(server.children())

    def stop_postgres(self, _: list[int], __: ExitStack) -> bool:
        server = postmaster(self._home)
        if server is not None:
            with suppress(psutil.NoSuchProcess):
                server.send_signal(signal.SIGINT)
        return server is not None

    def read_only(self, _: list[int], undo: ExitStack) -> bool:
        return self._set("default_transaction_read_only = on", undo)

    def short_statements(self, _: list[int], undo: ExitStack) -> bool:
        return self._set("statement_timeout = '20ms'", undo)

    def no_connections(self, _: list[int], undo: ExitStack) -> bool:
        with suppress(psycopg.Error, OSError, IndexError):
            for _number in range(MANY):
                undo.enter_context(self._connected())
        return postmaster(self._home) is not None

    def cut_answers(self, _: list[int], undo: ExitStack) -> bool:
        undo.callback(self._standin.clear)
        self._standin.fault(self._chance.choice(["cut", "cut_chunked", "reset", "error"]), times=3)
        return True

    def hang_postgres(self, _: list[int], undo: ExitStack) -> bool:
        server = postmaster(self._home)
        if server is None or not server.children():
            return False
        hung = self._chance.choice([server, *server.children()])
        with suppress(psutil.NoSuchProcess):
            hung.suspend()
            undo.callback(_resume, hung)
        return True

    def fill_disk(self, _: list[int], undo: ExitStack) -> bool:
        if not self._home.parent.is_mount():
            return False
        filler = self._home.parent / "filler"
        undo.callback(filler.unlink, missing_ok=True)
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while file.write(bytes(_BLOCK)):
                pass
        return True

    def use_all_inodes(self, _: list[int], undo: ExitStack) -> bool:
        if not self._home.parent.is_mount():
            return False
        folder = self._home.parent / "files"
        folder.mkdir()
        undo.callback(shutil.rmtree, folder)
        with suppress(OSError):
            for number in range(INODES):
                (folder / str(number)).touch()
        return True

    def _kill(self, processes: list[psutil.Process]) -> bool:
        if not processes:
            return False
        with suppress(psutil.NoSuchProcess):
            self._chance.choice(processes).kill()
        return True

    def _set(self, setting: str, undo: ExitStack) -> bool:
        """Set a parameter of the server until `undo`; whether it runs to hear of it."""
        if postmaster(self._home) is None:
            return False
        path = self._home / "postgres" / "postgresql.auto.conf"
        before = path.read_text()

        def write(content: str) -> None:
            path.write_text(content)
            if server := postmaster(self._home):
                server.send_signal(signal.SIGHUP)

        undo.callback(write, before)
        write(f"{before}{setting}\n")
        return True

    @contextmanager
    def _connected(self) -> Iterator[psycopg.Connection]:
        lines = (self._home / "postgres" / "postmaster.pid").read_text().splitlines()
        with psycopg.connect(host=lines[4], port=lines[3], user=SUPERUSER, dbname=DATABASE) as connection:
            yield connection


def _resume(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        process.resume()


def _name(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return process.name()
    return ""


DISTURBANCES: dict[str, Callable[[Disturber, list[int], ExitStack], bool]] = {
    "kill -9 of a command": Disturber.kill_command,
    "kill -9 of any of its processes": Disturber.kill_any,
    "kill -9 of a process of the browser": Disturber.kill_browser,
    "kill -9 of the embedded Postgres": Disturber.kill_postgres,
    "kill -9 of a process of the embedded Postgres": Disturber.kill_backend,
    "Postgres stopped": Disturber.stop_postgres,
    "Postgres read-only": Disturber.read_only,
    "statements longer than 20 ms cancelled": Disturber.short_statements,
    "no connection free": Disturber.no_connections,
    "a process of Postgres suspended": Disturber.hang_postgres,
    "disk full": Disturber.fill_disk,
    "no inode free": Disturber.use_all_inodes,
    "answers cut, reset or refused": Disturber.cut_answers,
}
