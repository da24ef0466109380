"""Starts crawls as child processes: forks of one process that has imported everything, within 0.1 s.

That process is started with the first crawl, and ends with this one.
"""

import json
import multiprocessing
import os
import queue
import re
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from typing import IO, Any

from archive.system.parent_watch import lifeline
from crawler.process import entry
from crawler.process.protocol import PAGE_FAILED, PAGE_FETCHED, RUN_FINISHED

_PRELOADED = "crawler.process.preload"

_context = multiprocessing.get_context("forkserver")

_context.set_forkserver_preload([_PRELOADED])


def import_before_forking(*modules: str) -> None:
    """Have these imported once rather than by each crawl; to be called before the first one.

    A crawl imports the module that this process was started with.
    """
    _context.set_forkserver_preload([_PRELOADED, *modules])


class Child:
    """A crawl's process, the leader of its own group. What it says can be read from `stdout`, once.

    It runs `scrapy` with these arguments, and ends when the other end of `lifeline` is closed.
    """

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str], lifeline: int):
        reading, writing = os.pipe()
        given = (arguments, environment, entry.dup_for_child(writing), entry.dup_for_child(lifeline))
        self._process: BaseProcess = _context.Process(target=entry.main, args=given)
        try:
            self._process.start()
        finally:
            os.close(writing)
        assert self._process.pid is not None  # noqa: S101 - it has started
        self.pid = self._process.pid
        self.stdout: IO[str] = os.fdopen(reading, encoding="utf-8", errors="replace")

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code; raises TimeoutError when it has not ended by then (seconds)."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise TimeoutError
        return self._process.exitcode

    def ask_to_stop(self) -> None:
        """Send it SIGTERM; nothing when it has ended."""
        with suppress(ProcessLookupError):  # it has ended, and was waited for elsewhere
            self._process.terminate()

    def kill_group(self) -> None:
        """Kill it and what it has started; nothing when all have ended."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


GRACE = 20.0  # seconds after SIGTERM for the answer under way and for storing; whoever stops us gives 30

STOP_POLL = 0.25  # seconds; how soon a crawl is told that its parent is being stopped

LAST_LINES = 50  # kept for the case that the crawl fails

MAX_LINE = 4000  # characters

EOF_WAIT = 5.0  # seconds for the last lines once the process is gone

_FINISHED = re.compile(rf"{RUN_FINISHED} verdict=(\w+) counts=(\{{.*\}})")

_PAGE = re.compile(rf"(?:{PAGE_FETCHED}|{PAGE_FAILED}) done=(\d+) (.*)")

_FACT = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*")')


@dataclass(frozen=True)
class Page:
    """One page's line: how many addresses are done, and the line's facts (outcome, stored, aid, reason …)."""

    done: int
    facts: dict[str, str]


@dataclass(frozen=True)
class CrawlResult:
    """How a crawl went. `verdict` is crawler.monitors' word; `failed` also when it ended without one."""

    run_id: int | None
    verdict: str
    exit_code: int
    counts: dict[str, Any] = field(default_factory=dict)
    timed_out: bool = False
    stopped: bool = False  # by the caller's event
    last_lines: tuple[str, ...] = ()


def crawl(  # noqa: PLR0913 - all but the run are options, given by name
    run_id: int | None,
    *,
    spider: str = "posts",
    arguments: Mapping[str, str] | None = None,
    settings: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
    timeout: float,
    stop: threading.Event | None = None,
    on_line: Callable[[str], None] | None = None,
) -> CrawlResult:
    """Fetch what is due of a run (None: all that is due), at most `timeout` seconds long.

    `spider` is posts, media for what posts show, or discover; `arguments` are its own. `settings` are Scrapy
    settings, `environment` is added to this process's own. Once `stop` is set the crawl has GRACE seconds.
    `on_line` is called in the calling thread for every log line; page_of() reads the lines about pages.
    """
    told: list[tuple[str, dict[str, Any]]] = []
    last: deque[str] = deque(maxlen=LAST_LINES)
    stop = stop or threading.Event()
    if stop.is_set():
        return CrawlResult(run_id, "stopped", 0, stopped=True)

    def hear(line: str) -> None:
        last.append(line)
        finished = _FINISHED.search(line)
        if finished:
            told.append((finished[1], json.loads(finished[2])))
        if on_line:
            on_line(line)

    command = _command(spider, run_id, arguments or {}, settings or {})
    exit_code, finished = _run(command, environment or {}, timeout, stop, hear)
    verdict, counts = told[-1] if told else ("failed", {})
    stopped = not finished and stop.is_set()
    return CrawlResult(run_id, verdict, exit_code, counts, not finished and not stopped, stopped, tuple(last))


def page_of(line: str) -> Page | None:
    """What a log line says about a page; None for any other line."""
    found = _PAGE.search(line)
    if not found:
        return None
    return Page(int(found[1]), {name: json.loads(text) for name, text in _FACT.findall(found[2])})


def _command(
    spider: str, run_id: int | None, arguments: Mapping[str, str], settings: Mapping[str, str]
) -> list[str]:
    given = {**({"run": str(run_id)} if run_id is not None else {}), **arguments}
    of_run = [piece for name, value in given.items() for piece in ("-a", f"{name}={value}")]
    chosen = [piece for name, value in settings.items() for piece in ("-s", f"{name}={value}")]
    return ["crawl", spider, *of_run, *chosen]


def _run(
    command: list[str],
    environment: Mapping[str, str],
    timeout: float,
    stop: threading.Event,
    hear: Callable[[str], None],
) -> tuple[int, bool]:
    """The exit code, and whether the process ended by itself."""
    whole = {**os.environ, **environment, "SCRAPY_SETTINGS_MODULE": "crawler.settings"}
    with lifeline() as descriptor:
        process = Child(command, whole, descriptor)
        lines, finished = _lines_of(process), False
        try:
            finished = _listen(lines, hear, time.monotonic() + timeout, stop)
        finally:
            if not finished:
                _stop(process, lines, hear)
            exit_code = _exit_code(process)
        return exit_code, finished


def _lines_of(process: Child) -> "queue.Queue[str | None]":
    lines: queue.Queue[str | None] = queue.Queue(maxsize=10_000)

    def read() -> None:
        with process.stdout as output:
            for line in output:
                lines.put(line.rstrip("\n")[:MAX_LINE])
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    return lines


def _listen(
    lines: "queue.Queue[str | None]",
    hear: Callable[[str], None],
    until: float,
    stop: threading.Event | None = None,
) -> bool:
    """Pass lines on to the end of them; False when `until` comes first, or `stop` is set."""
    while not (stop and stop.is_set()):
        left = until - time.monotonic()
        try:
            line = lines.get(timeout=max(0.0, min(left, STOP_POLL) if stop else left))
        except queue.Empty:
            if left <= STOP_POLL:
                return False
            continue
        if line is None:
            return True
        hear(line)
    return False


def _stop(process: Child, lines: "queue.Queue[str | None]", hear: Callable[[str], None]) -> None:
    """Ask the crawl to stop, which stores what it has received; then make its whole group stop."""
    process.ask_to_stop()
    if not _listen(lines, hear, time.monotonic() + GRACE):
        process.kill_group()
        _listen(lines, hear, time.monotonic() + EOF_WAIT)


def _exit_code(process: Child) -> int:
    """The exit code of a process that has closed its output; one that lingers on is killed."""
    try:
        return process.wait(EOF_WAIT)
    except TimeoutError:
        process.kill_group()
        return process.wait()
