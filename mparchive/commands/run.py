"""The reading room beside the daemon: a process of its own, so that no reader ever holds up a crawl."""

import logging
import os
import subprocess
import sys
import threading
from contextlib import nullcontext
from typing import Self

import structlog

from archive.system.parent_watch import ENVIRONMENT_VARIABLE
from mparchive.errors import Exit
from scheduler.config import find_config, load_config

WAIT = 30.0  # seconds before it is started again: a database that is away comes back within a minute, or not

STOP = 15.0  # seconds it has to end: more than it gives to what it is answering

log = structlog.get_logger()


class WebServerProcess:
    """Serves at an address while the `with` block runs, and is started again when it ends by itself.

    It ends with this process, also when that is killed: the other end of its lifeline is here.
    """

    def __init__(self, host: str, port: int):
        self._arguments = ["serve", "--host", host, "--port", str(port)]
        self._stop = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._lifeline, self._held = os.pipe()
        self._thread = threading.Thread(target=self._keep, name="reading room", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        with self._lock:
            self._stop.set()
            if self._process:
                self._process.terminate()
        self._thread.join(STOP)
        if self._thread.is_alive() and self._process:
            self._process.kill()
        os.close(self._held)
        os.close(self._lifeline)

    def _keep(self) -> None:
        while (code := self._serve()) is not None and not self._stop.is_set():
            log.error("the reading room ended", action="reading_room_ended", exit_code=code)
            if code == Exit.USAGE:  # it has said why, and would say so again
                return
            self._stop.wait(WAIT)

    def _serve(self) -> int | None:
        """Its exit code; None when it is to be started no more."""
        with self._lock:
            if self._stop.is_set():
                return None
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and command
                [sys.executable, "-c", "from mparchive.cli import main; main()", *self._arguments],
                stdin=subprocess.DEVNULL,
                env={**os.environ, ENVIRONMENT_VARIABLE: str(self._lifeline)},
                pass_fds=(self._lifeline,),
                start_new_session=True,
            )
        return self._process.wait()


def run_daemon() -> Exit:
    """Schedule and work, and serve the reading room where it is configured.

    Raises ConfigError, SettingError, DatabaseUnavailable.
    """
    from scheduler import daemon  # noqa: PLC0415 - it takes half a second to import, of every command

    path = find_config()
    room = load_config(path).reading_room
    _prepare()
    with WebServerProcess(*room.address) if room else nullcontext():
        return Exit(daemon.run_scheduler(path))


def run_worker() -> Exit:
    """Work. Raises SettingError, DatabaseUnavailable."""
    from scheduler import daemon  # noqa: PLC0415 - as above

    _prepare()
    return Exit(daemon.work_until_stopped())


def _prepare() -> None:
    """Libraries' warnings go to stderr, our own lines to stdout."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
