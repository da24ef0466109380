"""The job of the inbox: imports files from a watched folder one by one, then moves them within it."""

import json
import os
import signal
import threading
import time
from pathlib import Path

import structlog

from archive.domain.messages import Message
from scheduler.config import InboxConfig
from scheduler.jobs.base import CrawlFailed, JobContext, run_mparchive
from scheduler.polling import Work
from scheduler.queue import HOME, PlannedJob

DONE, REFUSED = "done", "refused"  # folders within the inbox

UNCHANGED_FOR = 5.0  # seconds since the last change: whoever writes the file has finished

IMPORT_TIMEOUT = 1800.0  # seconds for one file; a dump of a hundred thousand posts takes ten minutes

FILES_PER_JOB = 100  # per job

MAX_OUTPUT = 500  # characters of what the import printed, for the log and the note beside a file

_UNFINISHED = (".part", ".tmp", ".crdownload", ".swp")

_IMPORTED, _PARTLY, _USAGE = 0, 3, 2  # exit codes of `mparchive backfill`

# The archive failed (6, 7), or somebody ended the import: the file is as good as before.
_TRY_AGAIN = (6, 7, 130, -signal.SIGINT, -signal.SIGTERM)

log = structlog.get_logger()


def plan_inbox(inbox: InboxConfig | None) -> list[PlannedJob]:
    """Plan one job while a file waits."""
    waiting = inbox and waiting_files(inbox.folder)
    return [PlannedJob(Work.INBOX, "all", HOME, Work.INBOX)] if waiting else []


def inbox_problem(inbox: InboxConfig | None) -> Message | None:
    """Return why nothing can be imported from the folder; None when it can, or none is watched."""
    if inbox is None:
        return None
    try:
        os.scandir(inbox.folder).close()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        return Message("scheduler.inbox.unreadable", {"folder": inbox.folder, "reason": reason})
    if not os.access(inbox.folder, os.W_OK):
        return Message("scheduler.inbox.not_writable", {"folder": inbox.folder})
    return None


def waiting_files(folder: Path) -> list[Path]:
    """Return the files to import, by name; neither hidden ones nor those still being written.

    Returns none for a folder that cannot be read: the report job says so.
    """
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return []
    return [path for path in entries if _is_complete(path)][:FILES_PER_JOB]


def _is_complete(path: Path) -> bool:
    """Return whether nobody writes the file; its time may lie ahead, as files from other machines have it."""
    if path.name.startswith((".", "~")) or path.suffix.lower() in _UNFINISHED or not path.is_file():
        return False
    stamp = _stamp(path)
    return stamp is not None and abs(time.time() - stamp[0] / 1e9) >= UNCHANGED_FOR


def _stamp(path: Path) -> tuple[int, int] | None:
    """Return what changes when a file is written: its time in nanoseconds since 1970, and its size."""
    try:
        status = path.stat()
    except OSError:
        return None  # somebody has removed it
    return status.st_mtime_ns, status.st_size


def run_inbox(context: JobContext, inbox: InboxConfig | None) -> None:
    """Import the files that wait. Raises Interrupted, or CrawlFailed when the archive cannot be written."""
    for path in waiting_files(inbox.folder) if inbox else []:
        before = _stamp(path)
        code, output = _backfill(path, context.interrupt)
        if _stamp(path) != before:
            log.info("file changed meanwhile", action="inbox_changed", file=path.name, said=output)
            continue  # imported again once it is complete; posts that are known then are skipped
        if code in _TRY_AGAIN:
            raise CrawlFailed(
                "scheduler.inbox.not_imported", file=path.name, reason=output or f"exit code {code}"
            )
        moved = _put_aside(path, code, output)
        log.info("file imported", action="inbox_taken", file=path.name, code=code, to=str(moved), said=output)


def _backfill(path: Path, interrupt: threading.Event) -> tuple[int, str]:
    """Import one file by the command; returns the exit code and a summary of what it printed."""
    arguments = ["backfill", "--json", "--no-fetch", "--", str(path)]
    code, out, err = run_mparchive(arguments, interrupt, IMPORT_TIMEOUT)
    if code is None:  # what it has committed stays, and is imported once only
        return _USAGE, str(Message("scheduler.inbox.timed_out", {"seconds": round(IMPORT_TIMEOUT)}))
    return code, _summary(out, err)


def _summary(out: bytes, err: bytes) -> str:
    """Return the counts of the import, and the last line about what was wrong."""
    last = err.decode("utf-8", "replace").strip().splitlines()[-1:]
    try:
        numbers = json.loads(out)["counts"]
        counts = " ".join(f"{name}={count}" for name, count in numbers.items() if count)
    except (ValueError, KeyError):  # it ended before it had any
        counts = ""
    return " ".join([counts, *last]).strip()[:MAX_OUTPUT]


def _put_aside(path: Path, code: int, output: str) -> Path:
    """Move a file that was imported or refused: one that ends its reader would stop all others for ever."""
    if code in (_IMPORTED, _PARTLY):
        return _move(path, DONE, output if code == _PARTLY else "")
    return _move(path, REFUSED, output or str(Message("scheduler.inbox.ended", {"code": code})))


def _move(path: Path, into: str, note: str) -> Path:
    """Move a file to a free name in a folder of the inbox; a note goes into a text file beside it."""
    folder = path.parent / into
    folder.mkdir(exist_ok=True)
    names = (f"{path.stem}-{number}{path.suffix}" if number else path.name for number in range(10_000))
    target = next(folder / name for name in names if not (folder / name).exists())
    path.rename(target)
    if note:
        target.with_name(f"{target.name}.why.txt").write_text(note + "\n", encoding="utf-8")
    return target
