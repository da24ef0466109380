"""An export streams: its memory does not grow with the archive."""

import os
import subprocess

from tests.acceptance.command import EXECUTABLE, Command
from tests.acceptance.dumps import dump_bytes, record

POSTS = 100_000
MOST = 200 * 1024  # kB of resident memory
SAME = "account_id, title, url, published_on, account_name, content_hash, source"
COPIES = f"""
    INSERT INTO posts (aid, mid, idx, text, {SAME})
    SELECT n || '_1', n, 1, repeat(text, 60), {SAME} FROM posts, generate_series(1, {POSTS - 1}) AS n
"""


def test_a_hundred_thousand_posts_leave_in_under_200_mb(mparchive: Command) -> None:
    mparchive("backfill", "-", "--no-fetch", stdin=dump_bytes([record(1)]))
    mparchive.execute(COPIES)
    with (mparchive.home / "out.json").open("wb") as out:
        running = subprocess.Popen([EXECUTABLE, "export"], env=mparchive.environment, stdout=out)
        _, status, used = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(status)
    assert running.returncode == 0
    assert (mparchive.home / "out.json").stat().st_size > POSTS * 3000
    assert used.ru_maxrss < MOST
