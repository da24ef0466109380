"""Inbox: files put into a watched folder are taken in, one after the other, and moved beside it."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import structlog

from archive.system.parent_watch import LIFELINE_VARIABLE, lifeline
from scheduler.config import Inbox
from scheduler.job_context import CrawlFailed, Interrupted, JobContext
from scheduler.queue import HOME, Order
from scheduler.timetable import Work

DONE, REFUSED = "done", "refused"

SETTLED = 5.0  # seconds away from the last change: whoever writes the file has finished

TIME = 1800.0  # seconds for one file; a dump of a hundred thousand posts takes ten minutes

AT_ONCE = 100  # files a job

POLL = 0.25  # seconds

_UNFINISHED = (".part", ".tmp", ".crdownload", ".swp")

_TAKEN, _PARTLY = 0, 3  # exit codes of `mparchive backfill`

# The archive's trouble (6, 7), or somebody ended it: the file is as good as before.
_AGAIN = (6, 7, 130, -signal.SIGINT, -signal.SIGTERM)

log = structlog.get_logger()


def plan(inbox: Inbox | None) -> list[Order]:
    """One job while a file waits."""
    return [Order(Work.INBOX, "all", HOME, Work.INBOX)] if inbox and waiting(inbox.folder) else []


def problem(inbox: Inbox | None) -> str:
    """Why nothing can be taken in from the folder, in a sentence; empty when it can, or none is watched."""
    if inbox is None:
        return ""
    try:
        os.scandir(inbox.folder).close()
    except OSError as error:
        return f"the inbox {inbox.folder} cannot be read: {(error.strerror or str(error)).lower()}"
    if not os.access(inbox.folder, os.W_OK):
        return f"the inbox {inbox.folder} cannot be written: files are moved within it once they are taken in"
    return ""


def waiting(folder: Path) -> list[Path]:
    """The files to take in, by name; neither hidden ones nor those still being written.

    None of a folder that cannot be read: the report tells that.
    """
    try:
        there = sorted(folder.iterdir())
    except OSError:
        return []
    return [path for path in there if _is_whole(path)][:AT_ONCE]


def _is_whole(path: Path) -> bool:
    """A file's own time may lie ahead: it comes with files from archives and other machines."""
    if path.name.startswith((".", "~")) or path.suffix.lower() in _UNFINISHED or not path.is_file():
        return False
    stamp = _stamp(path)
    return stamp is not None and abs(time.time() - stamp[0] / 1e9) >= SETTLED


def _stamp(path: Path) -> tuple[int, int] | None:
    """What changes when a file is written: its time in nanoseconds since 1970, and its size."""
    try:
        found = path.stat()
    except OSError:
        return None  # somebody has taken it away
    return found.st_mtime_ns, found.st_size


def run(hands: JobContext, inbox: Inbox | None) -> None:
    """Take in what waits. Raises Interrupted, or CrawlFailed when the archive cannot be written."""
    for path in waiting(inbox.folder) if inbox else []:
        before = _stamp(path)
        code, said = _backfill(path, hands.interrupt)
        if _stamp(path) != before:
            log.info("file changed meanwhile", action="inbox_changed", file=path.name, said=said)
            continue  # taken in again once it is whole; what is known then is passed over
        if code in _AGAIN:
            raise CrawlFailed(f"{path.name} could not be taken in: {said or f'exit code {code}'}")
        moved = _put_aside(path, code, said)
        log.info("file taken in", action="inbox_taken", file=path.name, code=code, to=str(moved), said=said)


def _backfill(path: Path, interrupt: threading.Event) -> tuple[int, str]:
    command = [
        str(Path(sys.executable).with_name("mparchive")),
        "backfill",
        "--json",
        "--no-fetch",
        "--",
        str(path),
    ]
    with lifeline() as descriptor:
        process = subprocess.Popen(  # noqa: S603 - our own command
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, LIFELINE_VARIABLE: str(descriptor)},
            pass_fds=(descriptor,),
        )
        return _ended(process, interrupt)


def _ended(process: subprocess.Popen[bytes], interrupt: threading.Event) -> tuple[int, str]:
    until = time.monotonic() + TIME
    while True:
        try:
            out, err = process.communicate(timeout=POLL)
        except subprocess.TimeoutExpired:
            if interrupt.is_set() or time.monotonic() > until:
                process.kill()  # what it has committed is kept, and taken in once only
                process.communicate()
                if interrupt.is_set():
                    raise Interrupted("the worker is stopping") from None
                return 2, f"it took over {TIME:.0f} s"
            continue
        return process.returncode, _said(out, err)


def _said(out: bytes, err: bytes) -> str:
    """The counts, and the last words about what was wrong."""
    last = err.decode("utf-8", "replace").strip().splitlines()[-1:]
    try:
        told = json.loads(out)["counts"]
        counts = " ".join(f"{name}={count}" for name, count in told.items() if count)
    except (ValueError, KeyError):  # it ended before it had any
        counts = ""
    return " ".join([counts, *last]).strip()[:500]


def _put_aside(path: Path, code: int, said: str) -> Path:
    """Also a file that its reader broke on: it would keep all others waiting for ever."""
    if code in (_TAKEN, _PARTLY):
        return _move(path, DONE, said if code == _PARTLY else "")
    return _move(path, REFUSED, said or f"taking it in ended with exit code {code}; put it back to try again")


def _move(path: Path, into: str, said: str) -> Path:
    """Move a file into a folder beside the others, under a name that is free; why, in a text beside it."""
    folder = path.parent / into
    folder.mkdir(exist_ok=True)
    target = next(
        one
        for one in (folder / (f"{path.stem}-{n}{path.suffix}" if n else path.name) for n in range(10_000))
        if not one.exists()
    )
    path.rename(target)
    if said:
        target.with_name(f"{target.name}.why.txt").write_text(said + "\n", encoding="utf-8")
    return target
