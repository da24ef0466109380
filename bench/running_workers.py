"""Run workers in network namespaces of their own, and read what they fetched from the stand-in's log."""

import signal
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from archive.domain.addresses import HOST, parse_address
from bench.egresses import Exit
from bench.posts import BIZ
from tests.acceptance.command import EXECUTABLE
from tests.standin import Standin

A_CRAWL = 20  # pages, while a worker is killed
START, END = 180.0, 60.0  # seconds for all workers to send a request, and to end after SIGTERM
ALL_STORED = 600.0  # seconds for all posts after a kill: claims hold five minutes at most
THIRD = 3  # request of a worker: then it is killed
LOG_TAIL = 2000  # characters
POLL = 0.05  # seconds between two looks for waiting locks
CONFIG = f"""
[[accounts]]
biz = "{BIZ}"
name = "合成账号"

[limits]
revisits_a_day = 0
"""
_BY_CRAWL = f"pages_a_crawl = {A_CRAWL}\n"
_WAITING = text(
    "SELECT pid, waitstart, clock_timestamp() - waitstart FROM pg_locks WHERE waitstart IS NOT NULL"
)
_CLAIMED = text(
    "SELECT a.url FROM addresses a JOIN runs r ON r.id = a.claimed_by_run_id"
    " JOIN egresses e ON e.id = r.egress_id"
    " WHERE e.name = :egress AND r.finished_at IS NULL AND a.next_fetch_at IS NOT NULL"
)


@dataclass(frozen=True)
class Fetched:
    """The requests for posts' pages in a time, by what the stand-in noted."""

    requests: Sequence[Mapping[str, Any]]
    seconds: float

    @property
    def rate(self) -> float:
        """Return pages a minute."""
        return len(self.requests) / self.seconds * 60

    @property
    def by_client(self) -> Mapping[str, list[float]]:
        """Return the times of the requests by the address they came from."""
        times: defaultdict[str, list[float]] = defaultdict(list)
        for one in self.requests:
            times[one["client"]].append(one["at"])
        return times

    @property
    def distances(self) -> Mapping[str, float]:
        """Return the smallest time between two requests of one client address."""
        return {
            client: min((later - earlier for earlier, later in pairwise(sorted(times))), default=0.0)
            for client, times in self.by_client.items()
        }

    @property
    def repeated(self) -> list[str]:
        """Return what was asked for more than once."""
        return [
            target for target, times in Counter(one["target"] for one in self.requests).items() if times > 1
        ]


@dataclass
class LockWaits:
    """Samples who waits for a lock in the database, and how long, while the block lasts."""

    engine: Engine
    waits: dict[tuple[int, object], float] = field(default_factory=dict)
    samples: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "LockWaits":
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            while not self._stop.wait(POLL):
                self.samples += 1
                for pid, began, waited in connection.execute(_WAITING):
                    self.waits[pid, began] = waited.total_seconds()


@dataclass
class Setup:
    """What all phases work with."""

    folder: Path
    engine: Engine
    standin: Standin
    exits: Sequence[Exit]
    environment: Mapping[str, str]

    @contextmanager
    def running(self, number: int) -> Iterator[list[subprocess.Popen[bytes]]]:
        """Run a daemon and workers, `number` in all, until the block ends."""
        processes: list[subprocess.Popen[bytes]] = []
        self.standin.forget()
        try:
            for place, there in enumerate(self.exits[:number]):
                processes.append(self._start("worker" if place else "run", there))
            yield processes
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait(END)

    def _start(self, command: str, there: Exit) -> subprocess.Popen[bytes]:
        with (self.folder / f"{there.namespace}.log").open("ab") as log:
            return subprocess.Popen(
                there.command([str(EXECUTABLE), command]),
                env={**self.environment, "MPARCHIVE_EGRESS": there.namespace},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def show_logs(self) -> None:
        """Print the end of each worker's log: something did not happen."""
        for there in self.exits:
            said = (self.folder / f"{there.namespace}.log").read_text(encoding="utf-8")
            sys.stderr.write(f"{there.namespace}:\n{said[-LOG_TAIL:]}\n")

    def fetched(self, seconds: float) -> Fetched:
        """Return what the stand-in noted since it forgot the rest."""
        requests = [one for one in self.standin.stats()["requests"] if one["path"] == "/s"]
        return Fetched(requests, seconds)

    def add(self, addresses: Sequence[str]) -> None:
        """Make addresses due, as somebody does who archives them."""
        listed = self.folder / "addresses.txt"
        listed.write_text("\n".join(addresses), encoding="utf-8")
        command = [str(EXECUTABLE), "backfill", "--no-fetch", str(listed)]
        subprocess.run(command, env=self.environment, check=True, stdout=subprocess.DEVNULL)

    def measured(self, number: int, seconds: float) -> Fetched:
        """Return what so many workers fetch in so many seconds once all work."""
        with self.running(number):
            wait_for(lambda: len(self.fetched(0).by_client) == number, START, "requests of every worker")
            self.standin.forget()
            time.sleep(seconds)
            return self.fetched(seconds)


@dataclass(frozen=True)
class Takeover:
    """What happened to the addresses of a worker that was killed."""

    claimed: int
    first: float  # seconds from the kill to the first request for one of them
    last: float
    repeated: int  # addresses that were requested twice: under way when it was killed


def killed(setup: Setup, addresses: Sequence[str]) -> Takeover:
    """Kill a worker in its crawl, and return when the others asked for what it had claimed."""
    with setup.engine.begin() as connection:
        connection.execute(text("UPDATE addresses SET next_fetch_at = NULL WHERE next_fetch_at IS NOT NULL"))
        connection.execute(text("SET LOCAL search_path TO jobs"))  # for its triggers
        connection.execute(text("DELETE FROM procrastinate_jobs"))  # interrupted ones keep their limit
    setup.add(addresses)
    (setup.folder / "mparchive.toml").write_text(CONFIG + _BY_CRAWL, encoding="utf-8")
    with setup.running(len(setup.exits)) as processes:
        place = _busy_worker(setup)
        with setup.engine.connect() as connection:
            claimed = list(connection.scalars(_CLAIMED, {"egress": setup.exits[place].namespace}))
        processes[place].send_signal(signal.SIGKILL)
        at = time.monotonic()
        asked = {parse_address(url).fetch_url.partition(HOST)[2] for url in claimed}
        wait_for(lambda: _stored(setup, addresses) == len(addresses), ALL_STORED, "all posts")
        fetched = setup.fetched(0)
    moments = [one["at"] for one in fetched.requests if one["at"] > at and one["target"] in asked]
    return Takeover(len(asked), min(moments) - at, max(moments) - at, len(fetched.repeated))


def _stored(setup: Setup, addresses: Sequence[str]) -> int:
    with setup.engine.connect() as connection:
        count = text("SELECT count(*) FROM addresses WHERE url = ANY(:urls) AND last_outcome = 'article'")
        return connection.scalar(count, {"urls": list(addresses)}) or 0


def _busy_worker(setup: Setup) -> int:
    """Wait until a worker that is not the daemon has sent some requests, and return its place."""
    workers = {there.address: place for place, there in enumerate(setup.exits) if place}
    busy: list[int] = []

    def find() -> bool:
        counts = {client: len(times) for client, times in setup.fetched(0).by_client.items()}
        busy[:] = [place for client, place in workers.items() if counts.get(client, 0) >= THIRD]
        return bool(busy)

    wait_for(find, START, "a worker's third request")
    return busy[0]


def wait_for(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait until a condition is met. Raises TimeoutError."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError(f"{what} did not come within {seconds:.0f} s")
        time.sleep(0.25)
