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

from sqlalchemy import Engine, select

from archive.db.engine import transaction
from archive.db.models import Capture, Medium, Post
from archive.db.settings import ArchiveSettings
from archive.export.wacz import write_wacz
from archive.repository.capture_selection import Selection
from archive.storage.media_files import MediaFolder
from tests.archive.filled import fill

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


def test_pywb_shows_a_post_and_its_pictures(engine: Engine, tmp_path: Path) -> None:
    folder, wacz = MediaFolder(ArchiveSettings(home=tmp_path)), tmp_path / "posts.wacz"
    fill(engine, folder)
    with transaction(engine) as session:
        with wacz.open("w+b") as out:
            write_wacz(session, Selection(), folder, out)
        kept = select(Post.text, Capture.requested_url).join(Capture, Capture.id == Post.capture_id)
        posts = session.execute(kept.where(Post.kind == "article")).all()
        picture = session.scalars(select(Medium.url).where(Medium.file_id.is_not(None))).first()
    with replaying(tmp_path, wacz) as posts_at:
        for text, url in posts:
            page = fetched(f"{posts_at}/mp_/{url}").decode()
            words = re.split(r"[\s&;]+", text.strip())
            assert max(words, key=len) in re.sub(r"<[^>]*>", "", page)
        assert fetched(f"{posts_at}/id_/{picture}").startswith(b"\x89PNG")
