"""The process of a crawl: its start, its log, and its progress as JSON lines."""

import json
import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from multiprocessing import forkserver, resource_tracker
from typing import Any

from archive.system.child_processes import ENVIRONMENT_VARIABLE
from archive.system.files import process_folder, remove_temporary_files_of_programs
from archive.system.log import LEVEL_VARIABLE, LEVELS, format_for, set_up_log

PROGRESS_VARIABLE = "MPARCHIVE_PROGRESS"  # number of the inherited descriptor; without it nobody listens


@dataclass(frozen=True)
class RunStarted:
    """The crawl has its run and knows how many things it wants."""

    run_id: int
    wanted: int


@dataclass(frozen=True)
class PageDone:
    """One address or media file is finished; `done` counts all that are, this one included.

    `reason` is a stored message, or plain text; empty where all went well.
    """

    done: int
    outcome: str = ""
    kind: str = ""
    stored: str = ""
    aid: str = ""
    title: str = ""
    address: str = ""
    reason: str = ""
    how: str = ""


@dataclass(frozen=True)
class SourceChecked:
    """One source of new posts was asked. `state` is a word of crawler.discovery.source.State.

    `newest` is the publication of the newest post listed, ISO 8601 with zone; None where it is unknown.
    """

    source: str
    state: str
    good: bool
    seen: int = 0
    new: int = 0
    newest: str | None = None
    detail: str = ""
    advice: str = ""


@dataclass(frozen=True)
class CrawlError:
    """Something ends the crawl; `reason` is a stored message, or plain text."""

    reason: str


ProgressEvent = RunStarted | PageDone | SourceChecked | CrawlError

_KINDS: dict[str, type[ProgressEvent]] = {
    "run": RunStarted,
    "page": PageDone,
    "source": SourceChecked,
    "error": CrawlError,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}


def encode_event(event: ProgressEvent) -> bytes:
    """Return an event as one line of JSON."""
    return json.dumps({"event": _NAMES[type(event)], **asdict(event)}, ensure_ascii=False).encode() + b"\n"


def decode_event(line: bytes) -> ProgressEvent:
    """Read one line that `encode_event` wrote. Raises ValueError for anything else, such as half a line."""
    try:
        fields = json.loads(line)
        return _KINDS[fields.pop("event")](**fields)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a line of progress: {line[:80]!r}") from error


def emit(event: ProgressEvent) -> None:
    """Write an event to whoever started this crawl; does nothing when nobody listens, or has gone."""
    descriptor = os.environ.get(PROGRESS_VARIABLE, "")
    if not descriptor.isdecimal():
        return
    left = memoryview(encode_event(event))
    with suppress(BrokenPipeError):
        while left:
            left = left[os.write(int(descriptor), left) :]


def write_log_to_stderr() -> None:
    """Write the log of this process of a crawl to stderr, without secrets."""
    from crawler.redaction import scrub_log  # noqa: PLC0415 - not every command that imports this has a log

    level = os.environ.get(LEVEL_VARIABLE, "").strip().upper()
    # Whoever started the crawl has refused an unknown format.
    log_format = format_for(sys.stderr, os.environ, unknown="human")
    set_up_log(sys.stderr, log_format, level if level in LEVELS else "INFO", scrub_log)


_PRELOADED = "crawler.process.preload"

FORK_SERVER = multiprocessing.get_context("forkserver")

FORK_SERVER.set_forkserver_preload([_PRELOADED])


def import_before_forking(*modules: str) -> None:
    """Import these modules once rather than in each crawl; to be called before the first crawl.

    A crawl imports the main module of the process that starts it.
    """
    FORK_SERVER.set_forkserver_preload([_PRELOADED, *modules])


def start_fork_server() -> None:
    """Start the process that crawls are forked from, unless it runs.

    To be called before a descriptor is passed to a crawl: it makes the folder for sockets. Ctrl-C in a
    terminal reaches that process too: it is blocked until that process ignores it, else it would end in the
    middle of its imports. Raises FileWriteError.
    """
    process_folder(for_sockets=True)
    resource_tracker.ensure_running()  # else it is started below, and unblocks the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def run_crawl_process(
    arguments: Sequence[str], environment: Mapping[str, str], output: Any, progress: Any, lifeline: Any
) -> None:
    """Run `scrapy` with these arguments in a process group of its own.

    Standard output and error go to `output`, events of crawler.process.entry to `progress`.
    """
    os.setsid()
    descriptor = output.detach()
    for standard in (1, 2):
        os.dup2(descriptor, standard)
    os.close(descriptor)
    os.environ.clear()
    os.environ.update(environment)
    os.environ[ENVIRONMENT_VARIABLE] = str(lifeline.detach())
    os.environ[PROGRESS_VARIABLE] = str(progress.detach())

    from scrapy.cmdline import execute  # noqa: PLC0415 - only the crawl's own process runs it

    write_log_to_stderr()
    remove_temporary_files_of_programs()
    execute(["scrapy", *arguments, "-s", "LOG_ENABLED=0"])
