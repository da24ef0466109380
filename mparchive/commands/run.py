"""`mparchive run` and `mparchive worker`: the daemon with its web server, and further workers."""

import os
import subprocess
import sys
import threading
from contextlib import nullcontext
from typing import Self

import structlog

from archive.system.child_processes import ENVIRONMENT_VARIABLE
from crawler.process.entry import import_before_forking
from mparchive.console import set_up_log
from mparchive.errors import Exit
from scheduler.config import find_config, load_config

RESTART_DELAY = 30.0  # seconds; a database that is restarted is back within a minute

STOP_TIMEOUT = 15.0  # seconds; more than the server gives to the requests it is answering

log = structlog.get_logger()


class WebServerProcess:
    """A web server in a process of its own, so that readers never delay a crawl.

    It serves while the `with` block runs, and is started again when it ends by itself. It also ends when
    this process is killed: it watches a pipe whose other end is here.
    """

    def __init__(self, host: str, port: int):
        self._arguments = ["serve", "--host", host, "--port", str(port)]
        self._stop = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._read_end, self._write_end = os.pipe()
        self._thread = threading.Thread(target=self._keep_serving, name="web server", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        with self._lock:
            self._stop.set()
            if self._process:
                self._process.terminate()
        self._thread.join(STOP_TIMEOUT)
        if self._thread.is_alive() and self._process:
            self._process.kill()
        os.close(self._write_end)
        os.close(self._read_end)

    def _keep_serving(self) -> None:
        while (code := self._serve()) is not None and not self._stop.is_set():
            log.error("the web server ended", action="reading_room_ended", exit_code=code)
            if code == Exit.USAGE:  # it has printed the reason, and would end with the same
                return
            self._stop.wait(RESTART_DELAY)

    def _serve(self) -> int | None:
        """Serve once and return the exit code; None when the server is being stopped."""
        with self._lock:
            if self._stop.is_set():
                return None
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and command
                [sys.executable, "-c", "from mparchive.cli import main; main()", *self._arguments],
                stdin=subprocess.DEVNULL,
                env={**os.environ, ENVIRONMENT_VARIABLE: str(self._read_end)},
                pass_fds=(self._read_end,),
                start_new_session=True,
            )
        return self._process.wait()


def start_daemon() -> Exit:
    """Run scheduler and workers until stopped, and the web server where it is configured.

    Raises ConfigError, SettingError, DatabaseUnavailable.
    """
    from scheduler import daemon  # noqa: PLC0415 - importing it takes half a second

    import_before_forking("mparchive.cli")  # each crawl's process would import it anyway
    path = find_config()
    web_server = load_config(path).reading_room
    set_up_log()
    with WebServerProcess(*web_server.address) if web_server else nullcontext():
        return Exit(daemon.run_scheduler(path))


def start_worker() -> Exit:
    """Run a worker until stopped. Raises SettingError, DatabaseUnavailable."""
    from scheduler import daemon  # noqa: PLC0415 - as above

    import_before_forking("mparchive.cli")  # as above
    set_up_log()
    return Exit(daemon.work_until_stopped())
