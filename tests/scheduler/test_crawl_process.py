"""Crawls run as child processes: their results, their limits, and their end when the parent is gone."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
from sqlalchemy import Engine

from archive.db.engine import transaction
from archive.domain.addresses import parse_address
from archive.domain.captures import SightingData
from archive.repository.frontier import record_sightings
from archive.repository.runs import finish_run, run_result, start_run
from crawler.process.entry import PageDone, ProgressEvent, RunStarted
from scheduler.crawl_process import CrawlResult, crawl
from tests.crawler import pages
from tests.crawler.loopback import Loopback, Reply

SCRIPT = """
from archive.db.engine import open_archive
from scheduler.crawl_process import crawl
with open_archive() as engine:
    crawl(engine, {run_id}, settings={{"DOWNLOAD_DELAY": "50"}}, timeout=99)
"""


@pytest.fixture
def server() -> Iterator[Loopback]:
    with Loopback() as loopback:
        yield loopback


@pytest.fixture
def environment(engine: Engine, server: Loopback) -> dict[str, str]:
    return {
        "MPARCHIVE_DATABASE_URL": engine.url.render_as_string(hide_password=False),
        "MPARCHIVE_LOOPBACK": server.url,
        "MPARCHIVE_DOWNLOAD_DELAY": "0",
    }


def run_of(engine: Engine, *mids: int) -> int:
    now = datetime.now(UTC)
    with transaction(engine) as session:
        run_id = start_run(session, "test", {}, now)
        seen = [SightingData(parse_address(pages.url(mid)), "test", now) for mid in mids]
        record_sightings(session, run_id, seen, now)
    return run_id


def serve(server: Loopback, *mids: int) -> None:
    for mid in mids:
        server.serve(pages.path(mid), Reply(pages.article(mid)))


@pytest.mark.parametrize("level", ["INFO", "CRITICAL"])
def test_progress_comes_as_events_and_the_result_from_the_run_whatever_is_logged(
    environment: dict[str, str], server: Loopback, engine: Engine, level: str
) -> None:
    serve(server, 1, 2, 3)
    run_of(engine, 3)
    events: list[ProgressEvent] = []
    run_id = run_of(engine, 1, 2)
    quiet = {**environment, "MPARCHIVE_LOG_LEVEL": level}
    result = crawl(engine, run_id, environment=quiet, timeout=100, on_event=events.append)
    assert (result.verdict, result.exit_code, result.timed_out) == ("done", 0, False), result.error
    assert result.counts["stored"] == {"new": 2}
    with transaction(engine) as session:
        assert run_result(session, run_id) == (result.verdict, result.counts)
    assert events[0] == RunStarted(run_id, 2)
    done = [event for event in events if isinstance(event, PageDone)]
    assert [page.done for page in done] == [1, 2]
    assert {page.aid for page in done} == {"1_1", "2_1"}
    assert sorted(server.paths) == [pages.path(1), pages.path(2)]


def test_a_crawl_over_its_time_is_stopped_and_says_so(
    environment: dict[str, str], server: Loopback, engine: Engine
) -> None:
    serve(server, 1, 2)
    result = crawl(
        engine, run_of(engine, 1, 2), environment=environment, settings={"DOWNLOAD_DELAY": "60"}, timeout=3
    )
    assert result.timed_out, result.error
    # a busy machine may not have got as far as Scrapy's own handling of the signal
    assert result.verdict == "stopped" or (result.verdict == "failed" and not server.asked), result.error
    assert len(server.asked) <= 1


def test_a_crawl_that_cannot_start_says_why_in_its_own_words(
    environment: dict[str, str], engine: Engine
) -> None:
    wrong = {**environment, "MPARCHIVE_DOWNLOAD_DELAY": "soon"}
    result = crawl(engine, run_of(engine, 1), environment=wrong, timeout=60)
    assert (result.verdict, result.exit_code) == ("failed", 2)
    assert "MPARCHIVE_DOWNLOAD_DELAY is 'soon'" in str(result.error)


def test_a_crawl_that_loses_its_database_says_so_whatever_is_logged(
    environment: dict[str, str], engine: Engine
) -> None:
    gone = {
        **environment,
        "MPARCHIVE_DATABASE_URL": "postgresql+psycopg://127.0.0.1:9/x",
        "MPARCHIVE_LOG_LEVEL": "CRITICAL",
    }
    result = crawl(engine, run_of(engine, 1), environment=gone, timeout=60)
    assert (result.verdict, result.exit_code) == ("database", 6)
    assert "cannot use the database" in str(result.error)


def test_the_result_of_an_earlier_crawl_of_the_run_is_not_taken_for_this_ones(
    environment: dict[str, str], engine: Engine
) -> None:
    run_id = run_of(engine, 1)
    with transaction(engine) as session:
        finish_run(session, run_id, "done", {"fetched": 9}, datetime.now(UTC))
    wrong = {**environment, "MPARCHIVE_DOWNLOAD_DELAY": "soon"}
    result = crawl(engine, run_id, environment=wrong, timeout=60)
    assert (result.verdict, result.counts) == ("failed", {})


def test_a_crawl_ends_with_the_parent_that_was_killed(
    environment: dict[str, str], server: Loopback, engine: Engine
) -> None:
    serve(server, 1, 2)
    script = SCRIPT.format(run_id=run_of(engine, 1, 2))
    family: list[psutil.Process] = []
    names: list[str] = []

    def kill_parent(_path: str) -> None:
        parent = psutil.Process(started[0].pid)
        family.extend(parent.children(recursive=True))
        names.extend(process.name() for process in family)  # they may be gone in a moment
        os.kill(parent.pid, signal.SIGKILL)

    server.on_request = kill_parent
    root = Path(__file__).parents[2]
    started = [subprocess.Popen([sys.executable, "-c", script], env={**os.environ, **environment}, cwd=root)]
    started[0].wait(60)
    running = [name for name in names if name.startswith("python")]
    assert len(running) >= 3, "fork server, crawl and worker were running when their parent was killed"
    _, alive = psutil.wait_procs(family, timeout=30)
    assert [process.cmdline() for process in alive if "postgres" not in process.name()] == []


def test_a_crawl_whose_parent_is_being_stopped_stores_what_came_and_waits_for_nothing(
    environment: dict[str, str], server: Loopback, engine: Engine
) -> None:
    serve(server, 1, 2, 3)
    stop = threading.Event()
    server.on_request = lambda _path: stop.set()
    result = crawl(
        engine,
        run_of(engine, 1, 2, 3),
        environment=environment,
        settings={"DOWNLOAD_DELAY": "60"},
        timeout=120,
        stop=stop,
    )
    assert (result.verdict, result.stopped, result.timed_out) == ("stopped", True, False), result.error
    assert result.counts["stored"] == {"new": 1}
    assert len(server.asked) == 1


def test_a_crawl_is_not_even_started_when_its_parent_is_being_stopped(engine: Engine) -> None:
    stop = threading.Event()
    stop.set()
    assert crawl(engine, 1, timeout=60, stop=stop) == CrawlResult(1, "stopped", 0, stopped=True)
