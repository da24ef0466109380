"""`kill -9` at any moment: the same command again ends with the same archive."""

import random
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.acceptance.command import Command
from tests.acceptance.dumps import write_dump
from tests.standin import Standin

POSTS = 16
KILLS = 10  # in each of the archives below: fifty in all
EARLIEST, LATEST = (
    0.3,
    3.0,
)  # seconds: the import is done after half of one, the last page fetched after three
PAUSE = 0.05  # seconds the server waits before each page, so that kills find work under way
ONE_OF_EACH = [(POSTS, POSTS, POSTS, 0, POSTS)]
STATE = """
    SELECT (SELECT count(*) FROM posts), (SELECT count(*) FROM versions),
           (SELECT count(DISTINCT address_id) FROM captures c
            JOIN parse_results r ON r.capture_id = c.id WHERE r.is_current AND r.outcome = 'article'),
           (SELECT count(*) FROM unparsed_captures),
           (SELECT count(*) FROM addresses WHERE next_fetch_at IS NULL)
"""


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.timeout(400)
def test_a_backfill_that_is_killed_again_and_again_loses_and_doubles_nothing(
    mparchive_at: Callable[[str], Command], tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    dump = write_dump(tmp_path / "dump.json", POSTS)
    with Standin(dump=dump) as standin:
        standin.fault("slow", seconds=PAUSE)
        command = mparchive_at(standin.origin)
        for _ in range(KILLS):
            _run_and_kill(command, dump, chance)
        standin.clear()
        assert command("backfill", dump, "--no-media").code == 0
    assert command.rows(STATE) == ONE_OF_EACH
    assert command("export").out == dump.read_bytes()
    assert command.findings() == []


def _run_and_kill(command: Command, dump: Path, chance: random.Random) -> None:
    """Kill one process of the command's tree, any of them, at any moment; then the command itself."""
    running = command.start("backfill", dump, "--again", "--no-media")
    tree: list[psutil.Process] = []
    with suppress(subprocess.TimeoutExpired):
        running.wait(chance.uniform(EARLIEST, LATEST))
    with suppress(psutil.NoSuchProcess):
        tree = [psutil.Process(running.pid), *psutil.Process(running.pid).children(recursive=True)]
        chance.choice(tree).kill()
    running.kill()
    running.wait()
    _, alive = psutil.wait_procs(tree, timeout=30)
    assert not alive, "a process outlived the command that started it"
