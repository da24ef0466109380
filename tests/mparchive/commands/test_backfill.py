"""What `mparchive backfill` starts, and what it does not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.standin.week import WEEK

SCRIPT = """
import sys
from mparchive.commands.backfill import BackfillOptions, backfill
code = backfill(BackfillOptions(inputs=(sys.argv[1],), fetch=False, media={media}, json=True))
print(int(code), "mparchive.importers.media" in sys.modules, "crawler.worker.pool" in sys.modules)
"""


@pytest.mark.parametrize("media", [False, True])
def test_nothing_for_media_is_started_unless_media_are_asked_for(
    engine: Engine, tmp_path: Path, media: bool
) -> None:
    environment = {
        **os.environ,
        "MPARCHIVE_DATABASE_URL": engine.url.render_as_string(hide_password=False),
        "MPARCHIVE_HOME": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(media=media), WEEK[0].url],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == f"0 {media} {media}"
