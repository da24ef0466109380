"""Only one process at a time writes to a place of backups; one that was killed does not stop the next."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

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


class LastOneWins(ObjectStore):
    """A storage that is no folder, and replaces an object that another process has just created.

    `before_create` is what happens between the look at the numbers and the write of the next one.
    """

    def __init__(self, address: str, before_create: Callable[[], None] = lambda: None):
        super().__init__(address)
        self._before_create = before_create

    def create(self, name: str, content: bytes) -> bool:
        self._before_create()
        self.write(name, content)
        return self.read(name) == content


@pytest.fixture
def address() -> str:
    return f"memory://{uuid4().hex}"


@pytest.mark.parametrize("is_lower", [True, False])
def test_where_the_last_one_wins_nobody_enters_while_another_process_does(
    address: str, is_lower: bool
) -> None:
    def enter_meanwhile() -> None:
        waits: list[float] = []
        second = Lease(LastOneWins(address), sleep=waits.append)
        second._holder["token"] = "0" if is_lower else "z"
        with pytest.raises(BackupError, match=r"another process \(on .*\) writes to"):
            second.__enter__()
        assert bool(waits) is is_lower, "the lowest waits for those that were first to look"
        refused.append(second)

    refused: list[Lease] = []
    first = LastOneWins(address, enter_meanwhile)
    with Lease(first):
        assert (len(refused), first.names(FOLDER)) == (1, ["00000001"])


def test_the_lowest_of_two_claims_waits_until_the_other_is_withdrawn(address: str) -> None:
    store = LastOneWins(address)
    other = f"{FOLDER}/claim-z"
    content = json.dumps({"host": "elsewhere", "until": (clock.now() + LASTS).isoformat()}).encode()
    store.write(other, content)
    with Lease(store, sleep=lambda _: store.remove(other)):
        assert store.names(FOLDER) == ["00000001"]


@pytest.mark.parametrize("host", ["", "elsewhere"])
def test_the_claim_of_a_process_that_was_killed_ends(
    address: str, host: str, set_clock: Callable[[datetime], None]
) -> None:
    killed, store = Lease(LastOneWins(address)), LastOneWins(address)
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    killed._holder |= {"host": host, "token": "0"} if host else {"pid": ended.pid, "token": "0"}
    store.write(f"{FOLDER}/claim-0", killed._content(NOW + LASTS))
    if host:
        with pytest.raises(BackupError, match=r"\(on elsewhere\).*claim-0"), Lease(store):
            raise AssertionError
        set_clock(NOW + LASTS)
    with Lease(store):
        pass
