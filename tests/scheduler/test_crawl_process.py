"""Crawls started as children: their results, their limits, and their end when the parent is gone."""

import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from archive.db.engine import open_archive, transaction
from archive.db.settings import ArchiveSettings
from archive.domain.addresses import parse_address
from archive.domain.captures import Sighting
from archive.repository.frontier import record_sightings
from archive.repository.runs import start_run
from scheduler.crawl_process import crawl, page_of
from tests.crawler import pages
from tests.crawler.loopback import Loopback, Reply


@pytest.fixture
def server():
    with Loopback() as loopback:
        yield loopback


@pytest.fixture
def environment(fresh_database_url, server) -> dict[str, str]:
    return {
        "MPARCHIVE_DATABASE_URL": fresh_database_url,
        "MPARCHIVE_LOOPBACK": server.url,
        "MPARCHIVE_DOWNLOAD_DELAY": "0",
    }


def run_of(database_url: str, *mids: int) -> int:
    now = datetime.now(UTC)
    with (
        open_archive(ArchiveSettings(database_url=database_url)) as engine,
        transaction(engine) as session,
    ):
        run_id = start_run(session, "test", {}, now)
        seen = [Sighting(parse_address(pages.url(mid)), "test", now) for mid in mids]
        record_sightings(session, run_id, seen, now)
    return run_id


def test_a_crawl_of_a_run_says_what_it_got(environment, server, fresh_database_url):
    for mid in (1, 2, 3):
        server.serve(pages.path(mid), Reply(pages.article(mid)))
    run_of(fresh_database_url, 3)
    lines: list[str] = []
    result = crawl(
        run_of(fresh_database_url, 1, 2), environment=environment, timeout=100, on_line=lines.append
    )
    assert (result.verdict, result.exit_code, result.timed_out) == ("done", 0, False), result.last_lines
    assert result.counts["stored"] == {"new": 2}
    fetched = [page for page in map(page_of, lines) if page]
    assert [page.done for page in fetched] == [1, 2]
    assert {page.facts["aid"] for page in fetched} == {"1_1", "2_1"}
    assert sorted(server.paths) == [pages.path(1), pages.path(2)]


def test_a_crawl_over_its_time_is_stopped_and_says_so(environment, server, fresh_database_url):
    for mid in (1, 2):
        server.serve(pages.path(mid), Reply(pages.article(mid)))
    run_id = run_of(fresh_database_url, 1, 2)
    result = crawl(run_id, environment=environment, settings={"DOWNLOAD_DELAY": "60"}, timeout=3)
    assert result.timed_out, result.last_lines
    # a busy machine may not have got as far as Scrapy's own handling of the signal
    assert result.verdict == "stopped" or (result.verdict == "failed" and not server.asked), result.last_lines
    assert len(server.asked) <= 1


def test_a_crawl_that_cannot_start_keeps_what_it_said(environment, fresh_database_url):
    wrong = {**environment, "MPARCHIVE_DOWNLOAD_DELAY": "soon"}
    result = crawl(run_of(fresh_database_url, 1), environment=wrong, timeout=60)
    assert (result.verdict, result.exit_code) == ("failed", 2)
    assert "MPARCHIVE_DOWNLOAD_DELAY is 'soon'" in "\n".join(result.last_lines)


def test_a_crawl_ends_with_the_parent_that_was_killed(environment, server, fresh_database_url):
    server.serve(pages.path(1), Reply(pages.article(1)))
    server.serve(pages.path(2), Reply(pages.article(2)))
    run_id = run_of(fresh_database_url, 1, 2)
    settings = {"DOWNLOAD_DELAY": "50"}
    script = f"from scheduler.launch import crawl; crawl({run_id}, settings={settings}, timeout=99)"
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
    assert any(name.startswith("python") for name in names), (
        "the crawl was running when its parent was killed"
    )
    _, alive = psutil.wait_procs(family, timeout=30)
    assert [process.cmdline() for process in alive if "postgres" not in process.name()] == []


def test_a_page_line_is_read_back_with_its_facts():
    page = page_of('x INFO crawler: action=fetched done=3 outcome="article" reason="a \\"b\\" 文"')
    assert page is not None
    assert (page.done, page.facts) == (3, {"outcome": "article", "reason": 'a "b" 文'})
    assert page_of("x INFO crawler: action=run_started run=1 wanted=3") is None


def test_a_crawl_whose_parent_is_being_stopped_stores_what_came_and_waits_for_no_turn(
    environment, server, fresh_database_url
):
    for mid in (1, 2, 3):
        server.serve(pages.path(mid), Reply(pages.article(mid)))
    stop = threading.Event()
    server.on_request = lambda _path: stop.set()
    result = crawl(
        run_of(fresh_database_url, 1, 2, 3),
        environment=environment,
        settings={"DOWNLOAD_DELAY": "60"},
        timeout=120,
        stop=stop,
    )
    assert (result.verdict, result.stopped, result.timed_out) == ("stopped", True, False), result.last_lines
    assert result.counts["stored"] == {"new": 1}
    assert len(server.asked) == 1


def test_a_crawl_is_not_even_started_when_its_parent_is_being_stopped():
    stop = threading.Event()
    stop.set()
    result = crawl(1, environment={"MPARCHIVE_DATABASE_URL": "none is asked"}, timeout=60, stop=stop)
    assert (result.verdict, result.stopped) == ("stopped", True)
