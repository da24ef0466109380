"""The lease on a place of backups: one process at a time writes or removes there.

Each lease is an object with the next number, written exclusively; the highest number is the one in force. A
process that is killed leaves a lease that ends by itself, and at once where the next process runs on the same
machine and sees that it is gone.
"""

import json
import os
import socket
import threading
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Self
from uuid import uuid4

import psutil

from archive.backup.backup_file import BackupError
from archive.backup.object_store import ObjectStore
from archive.system import clock

FOLDER = "lease"

LASTS = timedelta(minutes=15)  # after the last renewal; clocks of two machines may differ by less

RENEWED_EVERY = 60.0  # seconds; a storage may be away for a quarter of an hour before the lease is lost

_TRIES = 3  # to write the next number, while other processes do the same


class Lease:
    """Held while the block lasts. Entering raises BackupError while another process holds it."""

    def __init__(self, store: ObjectStore):
        self._store, self._number = store, 0
        self._holder = {**_this_process(), "token": uuid4().hex}
        self._until = clock.now()
        self._ended = threading.Event()
        self._renewing = threading.Thread(target=self._renew_until_ended, name="backup lease", daemon=True)

    def __enter__(self) -> Self:
        for _ in range(_TRIES):
            numbers = [int(name) for name in self._store.names(FOLDER) if name.isdecimal()]
            newest = max(numbers, default=0)
            if newest:
                self._refuse_held(newest)
            if self._store.create(_name(newest + 1), self._content(clock.now() + LASTS)):
                self._number = newest + 1
                for number in numbers:
                    self._store.remove(_name(number))
                self._renewing.start()
                return self
        raise self._in_use(newest + 1, "?", "?")

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._renewing.join()
        with suppress(BackupError):  # it ends by itself, and what was done is done
            self._store.write(_name(self._number), self._content(clock.now()))

    def check(self) -> None:
        """Raise BackupError when the lease ran out, because the storage could not be reached for so long."""
        if clock.now() >= self._until:
            raise BackupError("archive.backup.target.lease_lost", target=self._store.shown)

    def _content(self, until: datetime) -> bytes:
        self._until = until
        return json.dumps({**self._holder, "until": until.isoformat()}, sort_keys=True).encode()

    def _renew_until_ended(self) -> None:
        while not self._ended.wait(RENEWED_EVERY):
            before = self._until
            try:
                self._store.write(_name(self._number), self._content(clock.now() + LASTS))
            except BackupError:
                self._until = before

    def _refuse_held(self, number: int) -> None:
        """Raise BackupError when the holder of a lease may still be at work."""
        try:
            holder = json.loads(self._store.read(_name(number)))
            until = datetime.fromisoformat(holder["until"])
            is_over = until <= clock.now() or _is_gone(holder)
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return  # removed meanwhile, or never written whole
        if not is_over:
            raise self._in_use(number, str(holder.get("host"))[:100], f"{until:%Y-%m-%d %H:%M} UTC")

    def _in_use(self, number: int, host: str, until: str) -> BackupError:
        params = {"target": self._store.shown, "host": host, "until": until, "object": _name(number)}
        return BackupError("archive.backup.target.in_use", **params)


def _name(number: int) -> str:
    return f"{FOLDER}/{number:08}"


def _this_process() -> dict[str, Any]:
    return {"host": socket.gethostname(), "pid": os.getpid(), "started": psutil.Process().create_time()}


def _is_gone(holder: dict[str, Any]) -> bool:
    """Tell whether a holder was a process of this machine that no longer runs."""
    if holder["host"] != socket.gethostname():
        return False
    try:
        return bool(psutil.Process(int(holder["pid"])).create_time() != holder["started"])
    except psutil.NoSuchProcess:
        return True
