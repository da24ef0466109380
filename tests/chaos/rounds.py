"""Rounds of disturbances: commands run, one disturbance strikes, and the archive must be right again."""

import math
import os
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from sqlalchemy import text

from archive.db.engine import open_archive
from archive.db.settings import ArchiveSettings
from tests.acceptance.command import EXECUTABLE
from tests.chaos.disturbances import Disturber, processes_of
from tests.standin import Standin
from tests.standin.account import COMMISSION
from tests.standin.week import ALBUM, WEEK, address_list

LATEST = 4.0  # seconds after the start of the commands; then the whole list was asked once
RECOVERY = 120  # seconds within which the same command ends well once nothing disturbs it
END = 90  # seconds for a command to end after SIGTERM, and for what it started to end after it
TIME_LIMIT = 300  # seconds for a command that nothing disturbs
PAUSE = 0.05  # seconds until the stand-in answers, so that a disturbance finds work under way
CONFIG = f'[[accounts]]\nbiz = "{COMMISSION.biz}"\nname = "合成"\nalbums = ["{ALBUM}"]\n'
SERVICES = (("run",), ("worker",), ("serve", "--port", "0"))
COMMANDS = (
    ("backfill", "week.txt", "--again", "--no-media"),
    ("backfill", "week.txt", "--again"),
    ("verify",),
    ("export", "--output", "posts.jsonl"),
    ("reparse",),
    ("backup", "all.backup"),
)


Progress = Callable[[int, str, float], object]  # number of the round, what was done, seconds to recover


@dataclass
class Result:
    """What was found: the problems, each with its round, and how long a recovery took, in seconds."""

    rounds: int = 0
    disturbances: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    recoveries: list[float] = field(default_factory=list)


def run_rounds(
    folder: Path, seed: int, rounds: int, progress: Progress | None = None, seconds: float = math.inf
) -> Result:
    """Run rounds on a new archive in a folder, and check it after each; `progress` hears of each.

    None begins after so many `seconds`.
    """
    until = time.monotonic() + seconds
    chance, result = random.Random(seed), Result()
    (folder / "week.txt").write_text(address_list(), encoding="utf-8")
    (folder / "mparchive.toml").write_text(CONFIG, encoding="utf-8")
    with Standin(week=True) as standin:
        program = _Program(folder, standin)
        for command in (*COMMANDS, ("backfill", "week.txt")):
            program.complete(*command)
        known = {path.name for path in folder.iterdir()}
        disturber = Disturber(folder, standin, chance)
        for number in range(rounds):
            if time.monotonic() > until:
                break
            what = _disturb(program, disturber, chance)
            for problem in _recover(program, result):
                result.problems.append(f"round {number + 1} ({what}): {problem}")
            result.rounds += 1
            if progress is not None:
                progress(number + 1, what, result.recoveries[-1])
        result.disturbances = dict(sorted(disturber.counts.items()))
    program.complete("backfill", "week.txt")
    result.problems += [f"left running: {' '.join(one.cmdline())}" for one in program.left_running()]
    left = sorted({path.name for path in folder.iterdir()} - known)
    result.problems += [f"left behind: {name}" for name in left]
    return result


class _Program:
    """The installed command, on one archive."""

    def __init__(self, home: Path, standin: Standin) -> None:
        self.home, self.standin = home, standin
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MPARCHIVE_")}
        self._environment = {
            **kept,
            "MPARCHIVE_HOME": str(home),
            "MPARCHIVE_LOOPBACK": standin.origin,
            "MPARCHIVE_DOWNLOAD_DELAY": "0",
            "TMPDIR": str(home),
        }

    def start(self, *arguments: str) -> "subprocess.Popen[bytes]":
        quiet = subprocess.DEVNULL
        return subprocess.Popen(
            [EXECUTABLE, *arguments],
            cwd=self.home,
            env=self._environment,
            stdin=quiet,
            stdout=quiet,
            stderr=quiet,
        )

    def complete(self, *arguments: str) -> tuple[int, str]:
        """Run a command to its end; its exit code and what it wrote."""
        done = subprocess.run(
            [EXECUTABLE, *arguments],
            cwd=self.home,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT,
            check=False,
        )
        return done.returncode, (done.stdout + done.stderr)[-1000:]

    def left_running(self) -> list[psutil.Process]:
        """Return what still works on the archive after END seconds; nobody uses it."""
        _wait(lambda: not processes_of(self.home), END)
        return processes_of(self.home)


def _disturb(program: _Program, disturber: Disturber, chance: random.Random) -> str:
    """Start up to two commands, disturb them by chance, and end them; returns what was done."""
    chosen = [chance.choice(COMMANDS), chance.choice(SERVICES)][: chance.choice([1, 2, 2])]
    program.standin.fault("slow", seconds=PAUSE)
    with ExitStack() as undo:
        started = [undo.enter_context(_ended(program.start(*one))) for one in chosen]
        with suppress(subprocess.TimeoutExpired):
            started[0].wait(chance.uniform(0.2, LATEST))
        what = disturber.disturb([one.pid for one in started], undo)
        with suppress(subprocess.TimeoutExpired):
            started[0].wait(chance.uniform(0.2, LATEST))
    program.standin.clear()
    return f"{what}, during {' and '.join(one[0] for one in chosen)}"


@contextmanager
def _ended(process: "subprocess.Popen[bytes]") -> Iterator["subprocess.Popen[bytes]"]:
    """End a command with the block: by SIGTERM, by SIGKILL where that does not help."""
    try:
        yield process
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(END)
        process.kill()
        process.wait()


def _recover(program: _Program, result: Result) -> Iterator[str]:
    """Run the command again and yield what is wrong then."""
    begun = time.monotonic()
    code, said = program.complete("backfill", "week.txt")
    took = time.monotonic() - begun
    result.recoveries.append(took)
    if code != 0:
        yield f"backfill ended with {code}: {said}"
    if took > RECOVERY:
        yield f"recovery took {took:.0f} s"
    code, said = program.complete("verify")
    if code != 0:
        yield f"verify ended with {code}: {said}"
    yield from _wrong_posts(program.home)


def _wrong_posts(home: Path) -> Iterator[str]:
    """Compare what is archived with what was published."""
    published = sorted(post.aid for post in WEEK)
    with open_archive(ArchiveSettings(home=home, database_url="")) as engine, engine.connect() as connection:
        aids = connection.scalars(text("SELECT aid FROM posts ORDER BY aid")).all()
        versions = connection.scalar(text("SELECT count(*) FROM versions")) or 0
        unparsed = connection.scalar(text("SELECT count(*) FROM unparsed_captures")) or 0
    if list(aids) != published:
        yield f"lost {set(published) - set(aids)}, false {set(aids) - set(published)}, {len(aids)} posts"
    if versions != len(published):
        yield f"{versions} versions of {len(published)} posts that nobody edited"
    if unparsed:
        yield f"{unparsed} captures are not parsed"


def _wait(what: Callable[[], object], seconds: float) -> None:
    until = time.monotonic() + seconds
    while not what() and time.monotonic() < until:
        time.sleep(0.1)
