"""Runs crawls as child processes, forks of one process that has imported everything: each starts in 0.1 s.

That process starts with the first crawl and ends with this one. A crawl's progress comes as events on a pipe
of its own; its result is read from its row in `runs`. Its log lines go to the
log of the process that asks for them, and the last ones are shown where it says nothing else.
"""

import os
import queue
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import DupFd
from typing import IO, Any, TextIO

from sqlalchemy import Engine

from archive.db.engine import transaction
from archive.domain.messages import Message
from archive.repository import runs
from archive.system.child_processes import lifeline
from archive.system.log import FORMAT_VARIABLE, LEVEL_VARIABLE, format_for
from crawler.process import entry
from crawler.process.entry import CrawlError, ProgressEvent, RunStarted, decode_event
from crawler.run_stats import EXIT_CODES

GRACE = 20.0  # seconds after SIGTERM to store what is being received; whoever stops this process gives 30

EVENT_POLL = 0.25  # seconds; how soon a crawl is stopped once its caller is, and how soon its end is noticed

LAST_LINES = 50  # of the crawl's output, shown when it could not say itself what was wrong

MAX_LINE_SHOWN = 4000  # characters of one of these

END_WAIT = 5.0  # seconds for the last events and the end of the process once it has closed its pipe


class CrawlProcess:
    """A crawl's process, the leader of its own group; it ends when the other end of `lifeline` is closed.

    It runs `scrapy` with these arguments. `output` and `progress` can be read once, in threads.
    """

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str], lifeline: int):
        output, output_end = os.pipe()
        progress, progress_end = os.pipe()
        self.output: IO[str] = os.fdopen(output, encoding="utf-8", errors="replace")
        self.progress: IO[bytes] = os.fdopen(progress, "rb")
        try:
            entry.start_fork_server()
            inherited = map(DupFd, (output_end, progress_end, lifeline))
            self._process: BaseProcess = entry.FORK_SERVER.Process(
                target=entry.run_crawl_process, args=(arguments, environment, *inherited)
            )
            self._process.start()
        finally:
            os.close(output_end)
            os.close(progress_end)
        assert self._process.pid is not None  # noqa: S101 - it has started
        self.pid = self._process.pid

    @property
    def has_ended(self) -> bool:
        """Return whether the process is gone."""
        return self._process.exitcode is not None

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code. Raises TimeoutError when the process still runs after `timeout` seconds."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise TimeoutError
        return self._process.exitcode

    def terminate(self) -> None:
        """Send SIGTERM, unless the process has ended."""
        with suppress(ProcessLookupError):  # it has ended, and was waited for elsewhere
            self._process.terminate()

    def kill_group(self) -> None:
        """Kill the process and what it has started, unless all have ended."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


@dataclass(frozen=True)
class CrawlResult:
    """How a crawl went. `verdict` is a word of crawler.extensions; `failed` also when it ended without one.

    `error` says why it failed, in its own words where it had any. `stopped`: by the caller's event.
    """

    run_id: int | None
    verdict: str
    exit_code: int
    counts: dict[str, Any] = field(default_factory=dict)
    timed_out: bool = False
    stopped: bool = False
    error: Message = field(default_factory=lambda: Message("scheduler.crawl.said_nothing"))


def crawl(  # noqa: PLR0913 - all but engine and run are options, given by name
    engine: Engine,
    run_id: int | None,
    *,
    spider: str = "posts",
    arguments: Mapping[str, str] | None = None,
    settings: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
    timeout: float,
    stop: threading.Event | None = None,
    on_event: Callable[[ProgressEvent], None] | None = None,
    log_stream: TextIO | None = None,
) -> CrawlResult:
    """Fetch what is due of a run (None: all that is due) for at most `timeout` seconds.

    `spider` is posts, media for what posts show, or discover; `arguments` are its own. `settings` are Scrapy
    settings, `environment` is added to this process's own. Once `stop` is set the crawl has GRACE seconds.
    `on_event` is called in the calling thread. `log_stream` gets the lines of the crawl's log.
    Raises what the database raises.
    """
    stop = stop or threading.Event()
    if stop.is_set():
        return CrawlResult(run_id, "stopped", 0, stopped=True)
    command = _command(spider, run_id, arguments or {}, settings or {})
    own = {"SCRAPY_SETTINGS_MODULE": "crawler.settings"}
    if log_stream:
        own[FORMAT_VARIABLE] = format_for(log_stream, os.environ)
    else:  # only the last lines are read, where the crawl could not say itself what was wrong
        own |= {FORMAT_VARIABLE: "human", LEVEL_VARIABLE: "WARNING"}
    with lifeline() as descriptor:
        process = CrawlProcess(command, {**os.environ, **(environment or {}), **own}, descriptor)
        watched = _WatchedCrawl(process, on_event, log_stream)
        ended = watched.run(time.monotonic() + timeout, stop)
    own_run = watched.run_id if watched.run_id is not None else run_id
    verdict, counts = _stored_result(engine, own_run, watched.exit_code)
    stopped = not ended and stop.is_set()
    return CrawlResult(
        own_run,
        verdict,
        watched.exit_code,
        counts,
        timed_out=not ended and not stopped,
        stopped=stopped,
        error=watched.error(),
    )


def _command(
    spider: str, run_id: int | None, arguments: Mapping[str, str], settings: Mapping[str, str]
) -> list[str]:
    given = {**({"run": str(run_id)} if run_id is not None else {}), **arguments}
    of_spider = [piece for name, value in given.items() for piece in ("-a", f"{name}={value}")]
    of_scrapy = [piece for name, value in settings.items() for piece in ("-s", f"{name}={value}")]
    return ["crawl", spider, *of_spider, *of_scrapy]


def _stored_result(engine: Engine, run_id: int | None, exit_code: int) -> tuple[str, dict[str, Any]]:
    """Return verdict and counts of the run's row, unless the exit code shows that another wrote it."""
    if run_id is not None:
        with transaction(engine) as session:
            verdict, counts = runs.run_result(session, run_id)
        if verdict is not None and EXIT_CODES.get(verdict, 1) == exit_code:
            return verdict, counts
    return ("database" if exit_code == EXIT_CODES["database"] else "failed"), {}


class _WatchedCrawl:
    """One crawl process and what has been heard of it."""

    def __init__(
        self,
        process: CrawlProcess,
        on_event: Callable[[ProgressEvent], None] | None,
        log_stream: TextIO | None,
    ):
        self.run_id: int | None = None
        self.exit_code = -1
        self._process = process
        self._on_event = on_event
        self._log_stream = log_stream
        self._errors: list[str] = []
        self._last_lines: deque[str] = deque(maxlen=LAST_LINES)
        self._events: queue.Queue[ProgressEvent | None] = queue.Queue(maxsize=10_000)
        self._reader = threading.Thread(target=self._read_output, daemon=True)
        self._reader.start()
        threading.Thread(target=self._read_progress, daemon=True).start()

    def run(self, until: float, stop: threading.Event) -> bool:
        """Pass events on until the process ends; returns False where it had to be stopped.

        `until` is an instant of time.monotonic().
        """
        ended = False
        try:
            ended = self._listen(until, stop)
        finally:
            if not ended:
                self._end()
            self.exit_code = self._wait()
            self._reader.join(END_WAIT)
        return ended

    def error(self) -> Message:
        """Return what the crawl said was wrong, else the last line it wrote."""
        lines = [line for line in self._last_lines if line.strip()]
        if not self._errors and not lines:
            return Message("scheduler.crawl.said_nothing")
        return Message.load(self._errors[-1] if self._errors else lines[-1])

    def _read_output(self) -> None:
        with self._process.output as output:
            for line in output:
                self._last_lines.append(line.rstrip("\n")[:MAX_LINE_SHOWN])
                if self._log_stream:
                    self._log_stream.write(line)
                    self._log_stream.flush()

    def _read_progress(self) -> None:
        with self._process.progress as progress:
            for line in progress:
                with suppress(ValueError):  # the last line of a crawl that was killed may be cut
                    self._events.put(decode_event(line))
        self._events.put(None)

    def _listen(self, until: float, stop: threading.Event | None = None) -> bool:
        """Pass events on; returns False when `until` comes first, or `stop` is set."""
        while not (stop and stop.is_set()):
            left = until - time.monotonic()
            if left <= 0:
                return False
            try:
                event = self._events.get(timeout=min(left, EVENT_POLL))
            except queue.Empty:
                if self._process.has_ended:  # something it started may still have the pipe
                    return True
                continue
            if event is None:
                return True
            self._handle(event)
        return False

    def _handle(self, event: ProgressEvent) -> None:
        match event:
            case RunStarted(run_id=run_id):
                self.run_id = run_id
            case CrawlError(reason=reason):
                self._errors.append(reason)
        if self._on_event:
            self._on_event(event)

    def _end(self) -> None:
        """Stop the crawl, which first stores what it has received; then kill its whole group."""
        self._process.terminate()
        if not self._listen(time.monotonic() + GRACE):
            self._process.kill_group()
            self._listen(time.monotonic() + END_WAIT)

    def _wait(self) -> int:
        """Return the exit code of a process that has closed its pipe; kills one that still does not end."""
        try:
            return self._process.wait(END_WAIT)
        except TimeoutError:
            self._process.kill_group()
            return self._process.wait()
