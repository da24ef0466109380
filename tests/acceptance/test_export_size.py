"""An export streams: its memory does not grow with the archive."""

import subprocess

from tests.acceptance.command import EXECUTABLE, Command
from tests.acceptance.dumps import dump_bytes, record
from tests.support.measured import measured, most_memory

POSTS = 100_000
MOST = 200 * 1024  # kB of resident memory
SAME = "account_id, title, url, published_on, account_name, content_hash, source"
COPIES = f"""
    SET session_replication_role = replica;  -- search is not what is measured
    WITH many AS (
        INSERT INTO posts (aid, mid, idx, current_version_id, {SAME})
        SELECT n || '_1', n, 1, 1000000 + n, {SAME} FROM posts, generate_series(1, {POSTS - 1}) AS n
        RETURNING *
    )
    INSERT INTO versions (id, post_id, number, title, text, content_hash, source, recorded_at)
    OVERRIDING SYSTEM VALUE
    SELECT many.current_version_id, many.id, 1, many.title, repeat(v.text, 60), many.content_hash,
           many.source, now()
    FROM many, versions v
"""


def test_a_hundred_thousand_posts_leave_in_under_200_mb(mparchive: Command) -> None:
    mparchive("backfill", "-", "--no-fetch", stdin=dump_bytes([record(1)]))
    mparchive.execute(COPIES)
    output = mparchive.home / "out.json"
    done = subprocess.run(
        measured([EXECUTABLE, "export", "--output", output]),
        env=mparchive.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert output.stat().st_size > POSTS * 3000
    assert 0 < most_memory(done.stderr) < MOST
