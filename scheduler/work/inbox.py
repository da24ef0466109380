"""Inbox: files put into a watched folder are taken in, one after the other, and moved beside it."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import structlog

from scheduler.config import Inbox
from scheduler.hands import CrawlFailed, Hands, Interrupted
from scheduler.jobs import HOME, Order
from scheduler.timetable import Work

DONE, REFUSED = "done", "refused"
SETTLED = 5.0  # seconds without a change: whoever writes the file has finished
TIME = 1800.0  # seconds for one file; a dump of a hundred thousand posts takes ten minutes
AT_ONCE = 100  # files a job
POLL = 0.25  # seconds
_UNFINISHED = (".part", ".tmp", ".crdownload", ".swp")
_TAKEN, _PARTLY, _USAGE = (0,), (3,), (2,)  # exit codes of `mparchive backfill`

log = structlog.get_logger()


def orders(inbox: Inbox | None) -> list[Order]:
    """One job while a file waits."""
    return [Order(Work.INBOX, "all", HOME, Work.INBOX)] if inbox and waiting(inbox.folder) else []


def waiting(folder: Path) -> list[Path]:
    """The files to take in, by name; neither hidden ones nor those still being written."""
    if not folder.is_dir():
        return []
    settled = time.time() - SETTLED
    return [
        path
        for path in sorted(folder.iterdir())
        if path.is_file()
        and not path.name.startswith((".", "~"))
        and path.suffix.lower() not in _UNFINISHED
        and path.stat().st_mtime <= settled
    ][:AT_ONCE]


def do(hands: Hands, inbox: Inbox | None) -> None:
    """Take in what waits. Raises Interrupted, or CrawlFailed when the archive cannot be written."""
    for path in waiting(inbox.folder) if inbox else []:
        code, said = _backfill(path, hands.interrupt)
        if code not in (*_TAKEN, *_PARTLY, *_USAGE):
            raise CrawlFailed(f"{path.name} could not be taken in: {said or f'exit code {code}'}")
        moved = _move(path, REFUSED if code in _USAGE else DONE, said if code not in _TAKEN else "")
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
    process = subprocess.Popen(  # noqa: S603 - our own command
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ
    )
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
        counts = " ".join(
            f"{name}={count}" for name, count in json.loads(out).items() if isinstance(count, int)
        )
    except (ValueError, AttributeError):
        counts = ""
    return " ".join([counts, *last]).strip()[:500]


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
