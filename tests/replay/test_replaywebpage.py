"""What is exported, shown by replayweb.page in Chromium: each post has its text and its pictures."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import quote, urlsplit

import pytest
from playwright.sync_api import Browser, expect

from archive.export.replay_pages import MADE_PAGES
from tests.replay.conftest import BOUND, Exported, Reader

PACKAGE = Path(sys.prefix) / "replaywebpage" / "package"
WACZ = "/posts.wacz"
START = 60_000  # milliseconds for its own program to start
_TYPES = {".js": "text/javascript", ".html": "text/html", ".wacz": "application/zip"}

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not PACKAGE.exists(),
        reason="replayweb.page is not unpacked: run `bin/replaywebpage`, which needs npm",
    ),
]


class Handler(BaseHTTPRequestHandler):
    """Serves the player and the export, whole or in part, as any server of files does."""

    protocol_version = "HTTP/1.1"
    wacz: Path

    def log_message(self, *_: object) -> None:
        """Write no log."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        file = self.wacz if path == WACZ else PACKAGE / (path.lstrip("/") or "index.html")
        content = file.read_bytes() if file.is_file() else b""
        part = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if part and content:
            begin = int(part[1]) if part[1] else len(content) - int(part[2])
            end = min(int(part[2]) + 1, len(content)) if part[1] and part[2] else len(content)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{len(content)}")
            content = content[begin:end]
        else:
            self.send_response(200 if content else 404)
        self.send_header("Content-Type", _TYPES.get(file.suffix, "application/octet-stream"))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)


@contextmanager
def player(wacz: Path) -> Iterator[str]:
    """Serve replayweb.page and a file on loopback; yield the address of the server."""
    handler = type("HandlerOfFile", (Handler,), {"wacz": wacz})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_replaywebpage_shows_each_post_with_its_pictures_and_asks_nobody_else(
    exported: Exported, chromium: Browser
) -> None:
    with player(exported.wacz) as origin, Reader.opened(chromium, origin) as reader:
        page, source = reader.page, quote(f"{origin}{WACZ}", safe="")
        page.goto(f"{origin}/?source={source}#view=pages")
        # Its list has the posts, and not the captured pages a second time.
        page.get_by_text(f"{len(exported.posts)} Pages", exact=True).first.wait_for(timeout=START)
        for post in exported.posts:
            page.goto(f"{origin}/?source={source}#view=pages&url={quote(post.page_url, safe='')}")
            reader.check(page.frame_locator("iframe"), post)
        page.goto(f"{origin}/?source={source}#view=pages&url={quote(MADE_PAGES, safe='')}")
        listed = page.frame_locator("iframe").locator(".days a")
        expect(listed).to_have_count(len(exported.posts), timeout=BOUND)
        page.goto(
            f"{origin}/?source={source}#view=pages&url={quote(exported.posts[0].captured_url, safe='')}"
        )
        reader.check_style(page.frame_locator("iframe"))
    assert reader.outside == []
