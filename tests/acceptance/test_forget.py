"""`mparchive forget` by the command: killed at any moment it removes everything or nothing."""

import signal
import time
from pathlib import Path

from tests.acceptance.command import Command
from tests.acceptance.dumps import BIZ, write_dump

POSTS = 300


def test_a_killed_removal_is_whole_or_did_not_happen(mparchive: Command, tmp_path: Path) -> None:
    dump = write_dump(tmp_path / "dump.json", POSTS)
    assert mparchive("backfill", dump, "--no-fetch").code == 0
    for wait in (0.6, 0.8, 1.0, 1.2, 1.5):
        process = mparchive.start("forget", "--account", BIZ, "--yes")
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        process.wait()
        posts = mparchive.number("SELECT count(*) FROM posts")
        assert posts in (0, POSTS)
        assert mparchive.number("SELECT count(*) FROM removals") == (1 if posts == 0 else 0)
        assert mparchive.findings() == []
