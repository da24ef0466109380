"""The lease on a place of backups: one process at a time writes or removes there.

Each lease is an object with the next number, written exclusively; the highest number is the one in force. A
process that is killed leaves a lease that ends by itself, and at once where the next process runs on the same
machine and sees that it is gone.

Not every storage can write exclusively. So outside of folders a process writes a claim of its own first,
and then reads which others there are: of two that do so at the same time, at least one sees the claim of
the other. The lowest claim waits until the others are gone, and any other gives up. Storages list an
object as soon as it is written.
"""

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
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

_CLAIM = "claim-"

_LOOKS = 20  # at the claims, a second apart: a process keeps its claim for some requests


class Lease:
    """Held while the block lasts. Entering raises BackupError while another process holds it."""

    def __init__(self, store: ObjectStore, sleep: Callable[[float], None] = time.sleep):
        self._store, self._number, self._sleep = store, 0, sleep
        self._holder = {**_this_process(), "token": uuid4().hex}
        self._until = clock.now()
        self._ended = threading.Event()
        self._renewing = threading.Thread(target=self._renew_until_ended, name="backup lease", daemon=True)

    def __enter__(self) -> Self:
        with self._claimed():
            self._take_next_number()
        self._renewing.start()
        return self

    def _take_next_number(self) -> None:
        for _ in range(_TRIES):
            numbers = [int(name) for name in self._store.names(FOLDER) if name.isdecimal()]
            newest = max(numbers, default=0)
            if newest:
                self._refuse_held(_name(newest))
            self.check()
            if self._store.create(_name(newest + 1), self._content(clock.now() + LASTS)):
                self._number = newest + 1
                for number in numbers:
                    self._store.remove(_name(number))
                return
        raise self._in_use(_name(newest + 1), None)

    @contextmanager
    def _claimed(self) -> Iterator[None]:
        """Let no other process take a number meanwhile. Raises BackupError while another one does."""
        self._until = clock.now() + LASTS
        if self._store.is_local:
            yield
            return
        claim = f"{FOLDER}/{_CLAIM}{self._holder['token']}"
        self._store.write(claim, self._content(self._until))
        try:
            self._wait_for_others(claim)
            yield
        finally:
            with suppress(BackupError):  # it ends by itself
                self._store.remove(claim)

    def _wait_for_others(self, claim: str) -> None:
        """Return once there is no other claim. Raises BackupError where one is lower, or stays."""
        for _ in range(_LOOKS):
            names = (f"{FOLDER}/{name}" for name in self._store.names(FOLDER) if name.startswith(_CLAIM))
            others = {name: holder for name in names if name != claim and (holder := self._holder_of(name))}
            if not others:
                return
            if min(others) < claim:
                break
            self._sleep(1)
        raise self._in_use(min(others), others[min(others)])

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

    def _refuse_held(self, name: str) -> None:
        if holder := self._holder_of(name):
            raise self._in_use(name, holder)

    def _holder_of(self, name: str) -> dict[str, Any] | None:
        """Return the holder of a lease or of a claim; None where it is over for certain."""
        try:
            holder = json.loads(self._store.read(name))
            until = datetime.fromisoformat(holder["until"])
            return None if until <= clock.now() or _is_gone(holder) else {**holder, "until": until}
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None  # removed meanwhile, or never written whole

    def _in_use(self, name: str, holder: dict[str, Any] | None) -> BackupError:
        """Return the error that names the holder, None for one that is not known."""
        host = str(holder.get("host"))[:100] if holder else "?"
        until = f"{holder['until']:%Y-%m-%d %H:%M} UTC" if holder else "?"
        params = {"target": self._store.shown, "host": host, "until": until, "object": name}
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
