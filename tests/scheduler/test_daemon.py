"""The daemon: fetches what is due, and ends when it is told to."""

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine

from archive import queries
from archive.address import parse_address
from archive.database import transaction
from archive.store import Sighting, record_sightings
from scheduler.daemon import crawl_due
from scheduler.timetable import timetable
from tests.standin import Standin

COMMAND = Path(sys.executable).with_name("mparchive")
TIME = 60  # seconds


def test_the_timetable_never_drops_a_look_for_being_late() -> None:
    (entry,) = timetable(10)
    assert entry.every == timedelta(minutes=10)
    assert entry.jitter < entry.every
    assert entry.grace >= timedelta(hours=1)


def test_what_is_due_is_crawled_and_then_due_no_more(engine: Engine, monkeypatch) -> None:
    now = datetime.now(UTC)
    with Standin() as standin:
        (post,) = (one for one in standin.describe() if one["name"] == "article")
        with transaction(engine) as session:
            record_sightings(session, None, [Sighting(parse_address(post["url"]), "test", now)], now)
        monkeypatch.setenv("MPARCHIVE_DATABASE_URL", engine.url.render_as_string(hide_password=False))
        monkeypatch.setenv("MPARCHIVE_LOOPBACK", standin.origin)
        monkeypatch.setenv("MPARCHIVE_DOWNLOAD_DELAY", "0")
        crawl_due(engine)
        asked = standin.stats()["total"]
        crawl_due(engine)
        assert standin.stats()["total"] == asked
    with transaction(engine) as session:
        assert [record.aid for record in queries.records(session)] == [post["aid"]]
        assert queries.archive_status(session, now).last_runs[0]["verdict"] == "done"


def test_the_daemon_ends_with_exit_code_0_when_it_is_told_to(fresh_database_url: str) -> None:
    environment = {**os.environ, "MPARCHIVE_DATABASE_URL": fresh_database_url}
    daemon = subprocess.Popen([COMMAND, "run"], env=environment, stdout=subprocess.PIPE, text=True)
    assert daemon.stdout is not None
    for line in daemon.stdout:
        if "nothing_due" in line:
            break
    daemon.send_signal(signal.SIGTERM)
    rest, _ = daemon.communicate(timeout=TIME)
    assert daemon.returncode == 0
    assert "daemon_stopping" in rest
