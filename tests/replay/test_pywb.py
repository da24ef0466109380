"""What is exported, replayed by pywb as any web archive: a post's text is found at its address."""

import random
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.error import HTTPError, URLError

import pytest
from playwright.sync_api import Browser, expect

from archive.export.replay_pages import MADE_PAGES
from tests.replay.conftest import BOUND, Exported, Reader

PYWB = Path(sys.prefix) / "pywb" / "bin"  # made by bin/setup --dev: it needs older packages than ours
WAIT = 100  # seconds for pywb to serve
PORTS = range(
    20_000, 32_000
)  # below those that Linux gives to connections, of which other tests have thousands


@contextmanager
def replaying(place: Path, wacz: Path) -> Iterator[str]:
    """pywb with one collection that holds the file; yields the address below which its pages are."""
    for command in (["init", "posts"], ["add", "--unpack-wacz", "posts", str(wacz)]):
        subprocess.run([PYWB / "wb-manager", *command], cwd=place, check=True, capture_output=True)
    port = _free_port()
    command = [PYWB / "wayback", "--bind", "127.0.0.1", "--port", str(port)]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, cwd=place, stdout=quiet, stderr=quiet) as server:
        try:
            yield f"http://127.0.0.1:{port}/posts"
        finally:
            server.kill()


def _free_port() -> int:
    """One that nobody has, and nobody gets by chance until pywb takes it."""
    for port in random.sample(PORTS, len(PORTS)):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise RuntimeError("no port is free")


def fetched(url: str) -> bytes:
    """Return its response, once it responds."""
    deadline = time.monotonic() + WAIT
    while True:
        try:
            with urllib.request.urlopen(url, timeout=WAIT) as answer:
                return answer.read()
        except HTTPError:
            raise  # it answers, and has no such page
        except (ConnectionError, URLError):
            pass
        assert time.monotonic() < deadline, f"pywb does not answer for {url}"
        time.sleep(0.1)


def test_pywb_has_each_captured_page_and_the_pictures_at_their_addresses(exported: Exported) -> None:
    with replaying(exported.folder, exported.wacz) as posts_at:
        for post in exported.posts:
            if post.kind == "article":
                page = fetched(f"{posts_at}/mp_/{post.captured_url}").decode()
                words = re.split(r"[\s&;]+", post.text.strip())
                assert max(words, key=len) in re.sub(r"<[^>]*>", "", page)
        assert fetched(f"{posts_at}/id_/{exported.picture_url}").startswith(b"\x89PNG")


@pytest.mark.browser
def test_pywb_shows_the_page_of_each_post_with_its_pictures_and_asks_nobody_else(
    exported: Exported, chromium: Browser
) -> None:
    with replaying(exported.folder, exported.wacz) as posts_at:
        fetched(f"{posts_at}/id_/{MADE_PAGES}")
        with Reader.opened(chromium, posts_at.removesuffix("/posts")) as reader:
            for post in exported.posts:
                reader.page.goto(f"{posts_at}/{post.page_url}", timeout=BOUND)
                reader.check(reader.page.frame_locator("iframe"), post)
            reader.page.goto(f"{posts_at}/{MADE_PAGES}")
            listed = reader.page.frame_locator("iframe").locator(".days a")
            expect(listed).to_have_count(len(exported.posts), timeout=BOUND)
            assert (reader.outside, reader.failed) == ([], [])
            reader.page.goto(f"{posts_at}/{exported.posts[0].captured_url}")
            reader.check_style(reader.page.frame_locator("iframe"))
        assert reader.outside == []
