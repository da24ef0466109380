"""Only one process at a time writes to a place of backups; one that was killed does not stop the next."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from archive.backup import lease as leases
from archive.backup.backup_file import BackupError
from archive.backup.lease import FOLDER, LASTS, Lease
from archive.backup.object_store import ObjectStore
from archive.system import clock

NOW = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore(str(tmp_path / "place"))


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    def set_clock(now: datetime) -> None:
        monkeypatch.setattr(clock, "now", lambda: now)

    set_clock(NOW)
    return set_clock


def held_by(store: ObjectStore, **holder: Any) -> None:
    """Write a lease of another process that holds until a quarter past one."""
    whole = {"host": "elsewhere", "pid": 1, "started": 1.0, "until": (NOW + LASTS).isoformat(), **holder}
    store.write(f"{FOLDER}/00000007", json.dumps(whole).encode())


def test_a_second_process_is_refused_and_named_the_first(store: ObjectStore) -> None:
    with Lease(store), pytest.raises(BackupError, match=r"another process \(on .*\) writes to"), Lease(store):
        raise AssertionError
    with Lease(store), Lease(ObjectStore(f"{store.shown}/other")):
        assert store.names(FOLDER) == ["00000002"]


def test_a_lease_of_another_machine_holds_until_it_runs_out(
    store: ObjectStore, set_clock: Callable[[datetime], None]
) -> None:
    held_by(store)
    set_clock(NOW + LASTS - timedelta(seconds=1))
    with (
        pytest.raises(BackupError, match=r"\(on elsewhere\) writes to .* until 2026-03-02 01:15 UTC"),
        Lease(store),
    ):
        raise AssertionError
    set_clock(NOW + LASTS)
    with Lease(store):
        assert store.names(FOLDER) == ["00000008"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"until": 3}', b'{"until": "2026-03-02"}'])
def test_a_lease_that_cannot_be_read_holds_nobody_up(store: ObjectStore, content: bytes) -> None:
    store.write(f"{FOLDER}/00000007", content)
    with Lease(store):
        assert store.names(FOLDER) == ["00000008"]


def test_the_lease_of_a_process_that_was_killed_ends_at_once_on_its_machine(store: ObjectStore) -> None:
    code = (
        "import os, signal, sys; from archive.backup.lease import Lease;"
        "from archive.backup.object_store import ObjectStore;"
        "Lease(ObjectStore(sys.argv[1])).__enter__(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", code, store.shown], check=False)
    assert killed.returncode == -9
    assert store.names(FOLDER) == ["00000001"]
    with Lease(store):
        assert store.names(FOLDER) == ["00000002"]


def test_a_lease_is_renewed_while_it_is_held(
    store: ObjectStore, set_clock: Callable[[datetime], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "RENEWED_EVERY", 0.001)
    with Lease(store) as lease:
        set_clock(NOW + LASTS)
        while json.loads(store.read(f"{FOLDER}/00000001"))["until"] != (NOW + 2 * LASTS).isoformat():
            pass
        lease.check()


def test_who_could_not_renew_a_lease_stops(store: ObjectStore, set_clock: Callable[[datetime], None]) -> None:
    with Lease(store) as lease:
        set_clock(NOW + LASTS)
        with pytest.raises(BackupError, match="could not be reached for so long"):
            lease.check()
