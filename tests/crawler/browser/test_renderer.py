"""Posts that only a script draws, through real Chromium."""

import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from crawler.browser.launch_options import launch_options
from crawler.browser.request_gate import MAX_FILES
from tests.crawler import hostile, pages
from tests.crawler.crawling import Crawler
from tests.crawler.loopback import Loopback, Reply

browser = pytest.mark.browser
ENDING = 30  # seconds within which the processes of a closed browser are gone

CURRENT = "posts JOIN versions v ON v.id = current_version_id"


def serve_drawn(server, *mids: int) -> list[str]:
    for mid in mids:
        server.serve(pages.path(mid), Reply(pages.drawn(mid)))
    server.serve("/mp/more", Reply("和更多".encode(), headers={"Content-Type": "text/plain; charset=utf-8"}))
    return [pages.url(mid) for mid in mids]


def chromiums(crawler: Crawler) -> set[psutil.Process]:
    """Chromium processes of this test's crawls only: they inherit the address of its database."""
    found = set()
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            ours = process.environ().get("MPARCHIVE_DATABASE_URL") == crawler.database_url
            if ours and "chrom" in process.name().lower():
                found.add(process)
    return found


def left_over(crawler: Crawler) -> list[psutil.Process]:
    """Browser processes that do not end; the last of a browser outlive its main one a moment."""
    _, alive = psutil.wait_procs(chromiums(crawler), timeout=ENDING)
    return alive


def watched(crawler: Crawler, server: Loopback) -> set[psutil.Process]:
    """Collect the Chromium processes that run while a page requests its data."""
    seen: set[psutil.Process] = set()
    server.on_request = lambda path: seen.update(chromiums(crawler) if path == "/mp/more" else ())
    return seen


@pytest.fixture
def temporary() -> Iterator[Path]:
    """Make a folder for temporary files whose path is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="t-", dir="/tmp") as folder:
        yield Path(folder)


@browser
def test_a_drawn_post_is_stored_with_what_the_script_drew(needs_chromium, crawler, server):
    seen = watched(crawler, server)
    crawl = crawler.crawl(serve_drawn(server, 1, 2))
    assert (crawl.exit_code, crawl.verdict) == (0, "done"), crawl.output
    assert crawl.counts["outcomes"] == {"article": 2}
    assert crawler.rows(f"SELECT text LIKE '%脚本画出的正文。和更多%' FROM {CURRENT}") == [(True,), (True,)]
    assert crawler.rows(
        "SELECT rendered, outcome FROM captures c LEFT JOIN parse_results r ON r.capture_id = c.id"
        " ORDER BY 1, 2"
    ) == [
        (False, "unknown"),
        (False, "unknown"),
        (True, "article"),
        (True, "article"),
    ]
    assert seen, "Chromium was running while it drew"
    assert left_over(crawler) == []


@browser
def test_a_page_in_the_browser_reaches_no_picture_and_no_other_host(needs_chromium, crawler, server):
    crawler.crawl(serve_drawn(server, 1))
    assert set(server.paths) == {pages.path(1), "/mp/more"}


@browser
def test_a_verification_met_in_the_browser_stops_the_run(needs_chromium, crawler, server):
    urls = serve_drawn(server, 1, 2)
    challenge = Reply(b"", 302, {"Location": pages.VERIFICATION_PATH})
    server.serve(pages.path(1), Reply(pages.drawn(1)), challenge)
    server.serve(pages.VERIFICATION_PATH, Reply(pages.verification()))
    crawl = crawler.crawl(urls, DOWNLOAD_DELAY=1)
    assert (crawl.exit_code, crawl.verdict) == (5, "verification"), crawl.output


@browser
def test_a_drawn_post_is_replayed_without_any_server(needs_chromium, crawler, server, tmp_path):
    cassette = str(tmp_path / "cassette.yaml")
    urls = serve_drawn(server, 1)
    recorded = crawler.crawl(urls, CASSETTE=cassette, CASSETTE_MODE="record")
    served = len(server.asked)
    replayed = crawler.crawl(urls, CASSETTE=cassette, CASSETTE_MODE="replay")
    assert recorded.verdict == replayed.verdict == "done", replayed.output
    assert replayed.counts["outcomes"] == {"article": 1}
    assert len(server.asked) == served
    evaluated = [row[0] for row in crawler.rows("SELECT evaluated FROM captures WHERE rendered")]
    assert evaluated[0] == evaluated[1]
    assert (evaluated[0]["biz"], evaluated[0]["mid"]) == (pages.BIZ, "1")
    assert "脚本画出的正文。和更多" in evaluated[0]["text"]


@browser
def test_a_page_that_misbehaves_is_taken_and_gets_nowhere(needs_chromium, crawler, server):
    scripts = [*hostile.MISBEHAVING.values(), hostile.SHOWS_A_NOTICE, hostile.SHOWS_NOTHING]
    for mid, script in enumerate(scripts):
        server.serve(pages.path(mid), Reply(hostile.page(mid, script)))
    server.serve("/mp/file.zip", Reply(b"PK", headers={"Content-Type": "application/zip"}))
    crawl = crawler.crawl([pages.url(mid) for mid in range(len(scripts))])
    assert crawl.counts["outcomes"] == {"article": len(scripts) - 1, "deleted": 1}, crawl.output
    assert (crawl.exit_code, crawl.verdict) == (0, "done")
    drawn = crawler.rows("SELECT count(*) FROM versions WHERE text = '脚本画出的正文。\r'")
    assert drawn == [(len(hostile.MISBEHAVING),)]
    files = [path for path in server.paths if not path.startswith("/s?")]
    assert sum(path.startswith("/mp/poll") for path in files) <= MAX_FILES
    assert {path.partition("?")[0] for path in files} <= {"/mp/poll", "/mp/worker.js", "/mp/shared.js"}
    assert crawl.output.count('"event": "render_disagrees"') == 1
    assert left_over(crawler) == []


@browser
def test_a_page_without_hope_costs_its_time_and_not_the_next_page(needs_chromium, crawler, server):
    urls = []
    for mid, (script, _) in enumerate(hostile.HOPELESS.values()):
        server.serve(pages.path(mid), Reply(hostile.page(mid, script)))
        urls += [pages.url(mid), *serve_drawn(server, 100 + mid)]
    crawl = crawler.crawl(urls, RENDER_TIMEOUT=10)
    number = len(hostile.HOPELESS)
    assert crawl.counts["outcomes"] == {"article": number, "unknown": number}, crawl.output
    assert crawl.counts["browser_failed"] == number
    for mid, (_, reason) in enumerate(hostile.HOPELESS.values()):
        (told,) = [line for line in crawl.output.splitlines() if f"mid={mid}&" in line and "failed" in line]
        assert reason in told
    assert crawler.rows("SELECT count(*) FROM captures WHERE NOT rendered") == [(2 * number,)]
    assert left_over(crawler) == []


@browser
def test_a_browser_that_is_killed_is_started_anew_and_the_page_asked_again(
    needs_chromium, crawler, server, temporary
):
    killed = []

    def kill_once(path: str) -> None:
        if path == "/mp/more" and not killed:
            killed.extend(chromiums(crawler))
            for process in killed:
                with suppress(psutil.Error):
                    process.kill()

    server.on_request = kill_once
    crawl = crawler.crawl(serve_drawn(server, 1, 2), environment={"TMPDIR": str(temporary)})
    assert killed
    assert (crawl.verdict, crawl.counts["outcomes"]) == ("done", {"article": 2}), crawl.output
    assert crawler.rows("SELECT count(*) FROM captures WHERE rendered") == [(2,)]
    assert left_over(crawler) == []
    assert list(temporary.iterdir()) == []


@browser
def test_a_crawl_that_is_killed_takes_its_browser_along(needs_chromium, crawler, server, temporary):
    (url,) = serve_drawn(server, 1)
    hanging = "fetch('/mp/more').then(() => { for (;;); });"
    server.serve(pages.path(1), Reply(hostile.page(1, hanging)))
    seen, began = set(), threading.Event()

    def tell(path: str) -> None:
        if path == "/mp/more":
            seen.update(chromiums(crawler))
            began.set()

    server.on_request = tell
    environment = crawler.environment() | {"TMPDIR": str(temporary)}
    running = subprocess.Popen(crawler.command([url]), env=environment, stderr=subprocess.DEVNULL)
    assert began.wait(60), "the page is being drawn"
    running.kill()
    running.wait()
    assert seen
    assert left_over(crawler) == []
    assert [one for one in temporary.iterdir() if not one.name.startswith("mparchive-process-")] == []
    server.serve(pages.path(2), Reply(pages.article(2)))
    assert crawler.crawl([pages.url(2)], environment={"TMPDIR": str(temporary)}).verdict == "done"
    assert list(temporary.iterdir()) == []


@browser
def test_files_of_other_hosts_are_loaded_only_when_asked_for(needs_chromium, crawler, server):
    more = "document.getElementById('js_content').append('来自别处。');"
    server.serve(
        "/_host/elsewhere.example/x.js", Reply(more.encode(), headers={"Content-Type": "text/javascript"})
    )
    urls = serve_drawn(server, 1)
    crawl = crawler.crawl(urls, environment={"MPARCHIVE_BROWSER_HOSTS": "res.example, elsewhere.example"})
    assert crawl.verdict == "done", crawl.output
    assert crawler.rows(f"SELECT text LIKE '%来自别处。%' FROM {CURRENT}") == [(True,)]
    assert not [path for path in server.paths if "mmbiz" in path or "forbidden" in path]


def test_without_chromium_the_post_stays_what_its_plain_answer_says(crawler, server):
    serve_drawn(server, 1, 2)
    server.serve(pages.path(3), Reply(pages.article(3)))
    nowhere = {"MPARCHIVE_CHROMIUM": "/nonexistent/chromium"}
    crawl = crawler.crawl([pages.url(mid) for mid in (1, 2, 3)], environment=nowhere)
    assert (crawl.exit_code, crawl.verdict) == (3, "partly_failed"), crawl.output
    assert crawl.counts["browser_missing"] == 2
    assert crawl.output.count('"event": "browser_missing"') == 1
    assert "apt-get install chromium" in crawl.output


def test_the_sandbox_is_given_up_only_for_root_and_where_told(monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert launch_options()["chromium_sandbox"] is False
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert launch_options()["chromium_sandbox"] is True
    assert launch_options(sandbox=False)["chromium_sandbox"] is False


def test_a_configured_chromium_comes_first():
    assert launch_options("/opt/chromium")["executable_path"] == "/opt/chromium"
