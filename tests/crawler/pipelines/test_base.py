"""Crawls and workers that are killed: nothing kept is lost, nothing is stored twice, nothing stays behind."""

import subprocess
import time

import psutil
import pytest

from tests.crawler import pages
from tests.crawler.crawling import TIMEOUT, Crawler, ended
from tests.crawler.loopback import Loopback, Reply

MIDS = range(1, 9)


def serve_all(server: Loopback) -> list[str]:
    for mid in MIDS:
        server.serve(pages.path(mid), Reply(pages.article(mid)))
    return [pages.url(mid) for mid in MIDS]


def start(crawler: Crawler, urls: list[str], **settings: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        crawler.command(urls, **settings),
        env=crawler.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def workers(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    """Return its worker processes: forks of it, and those spawned later in place of a dead one."""
    crawl = psutil.Process(process.pid)
    return [child for child in crawl.children(recursive=True) if is_worker(child, crawl.cmdline())]


def is_worker(process: psutil.Process, of_crawl: list[str]) -> bool:
    try:
        command = process.cmdline()
    except psutil.NoSuchProcess:
        return False
    return command == of_crawl or "spawn_main" in " ".join(command)


def everything_is_there_once(crawler: Crawler) -> bool:
    posts = crawler.rows("SELECT aid FROM posts")
    versions = crawler.rows("SELECT count(*) FROM versions")
    unread = crawler.rows("SELECT count(*) FROM unparsed_captures")
    return (sorted(aid for (aid,) in posts), versions, unread) == (
        sorted(f"{mid}_1" for mid in MIDS),
        [(len(MIDS),)],
        [(0,)],
    )


def test_a_killed_worker_costs_at_most_its_batch(crawler, server):
    urls = serve_all(server)
    started: list[subprocess.Popen[str]] = []
    at_work: list[psutil.Process] = []

    def stop_then_kill(path: str) -> None:
        """Suspend the worker before the first page, so that it holds pages when it is killed."""
        if path == pages.path(1):
            at_work.extend(workers(started[0]))
            for worker in at_work:
                worker.suspend()
        elif path == pages.path(4):
            for worker in at_work:
                worker.kill()
            server.on_request = lambda _path: None

    server.on_request = stop_then_kill
    started.append(start(crawler, urls))
    output, _ = started[0].communicate(timeout=TIMEOUT)
    crawl = ended(started[0].returncode, output)
    assert '"event": "worker_died"' in output
    assert crawl.verdict == "partly_failed", output
    assert crawler.crawl().verdict in ("done", "nothing_due")
    assert everything_is_there_once(crawler)


@pytest.mark.parametrize("request_number", [1, 3, 5, 8])
def test_a_crawl_killed_with_9_leaves_no_process_and_the_next_one_completes_it(
    crawler, server, request_number
):
    urls = serve_all(server)
    started: list[subprocess.Popen[str]] = []
    family: list[psutil.Process] = []

    def kill(_path: str) -> None:
        if len(server.asked) == request_number and started:
            family.extend(workers(started[0]))
            started[0].kill()

    server.on_request = kill
    started.append(start(crawler, urls))
    started[0].communicate(timeout=TIMEOUT)
    server.on_request = lambda _path: None
    assert family, "it had a worker"
    _, alive = psutil.wait_procs(family, timeout=20)
    assert alive == []
    crawl = crawler.crawl()
    assert crawl.verdict in ("done", "nothing_due"), crawl.output
    assert everything_is_there_once(crawler)


def test_an_interrupted_crawl_stores_what_it_has_received_and_asks_nothing_more(crawler, server):
    urls = serve_all(server)
    started: list[subprocess.Popen[str]] = []

    def interrupt(path: str) -> None:
        if path == pages.path(3) and started:
            started[0].terminate()
            time.sleep(0)  # give way; the answer to this request is still sent

    server.on_request = interrupt
    started.append(start(crawler, urls, DOWNLOAD_DELAY=1))
    output, _ = started[0].communicate(timeout=TIMEOUT)
    crawl = ended(started[0].returncode, output)
    assert (crawl.verdict, crawl.exit_code) == ("stopped", 3), output
    assert len(server.asked) == 3
    assert crawler.rows("SELECT count(*) FROM posts") == [(3,)]
