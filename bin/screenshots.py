"""Take the pictures in docs/screenshots, of web pages and a terminal, with made-up data: `make screenshots`.

`bin/screenshots.py terminal` takes only those of the terminal.
"""

import io
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright
from rich.console import Console

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # the made-up archive is that of the tests

from archive.db.engine import open_archive  # noqa: E402
from archive.db.settings import ArchiveSettings  # noqa: E402 - as above
from archive.storage.media_files import MediaFolder  # noqa: E402
from crawler.browser.launch_options import find_chromium  # noqa: E402
from tests.archive.making import BIZ  # noqa: E402
from tests.standin import Standin  # noqa: E402
from tests.standin.week import ALBUM, WEEK  # noqa: E402
from tests.web.seeding import EDITED, LATER, fill  # noqa: E402
from tests.web.served import served  # noqa: E402

FOLDER = ROOT / "docs" / "screenshots"
MOST = 150_000  # bytes of one
DAYS = 480  # of the made-up account
COLUMNS = 110  # of the terminal
POSTS_SHOWN = 4
QUALITY = 80  # of WebP
DESK, PHONE = (1280, 800), (390, 760)
IMAGES_SECONDS = 20  # until those in sight are drawn, on a busy machine
OTHER = "Mzk5OTAwMDAwMQ=="


@dataclass(frozen=True)
class Shot:
    """One screenshot: page, language, colour scheme, size."""

    name: str
    path: str
    lang: str = "en"
    scheme: str = "light"
    size: tuple[int, int] = DESK


SHOTS = (
    Shot("stream-en", f"/accounts/{OTHER}"),
    Shot("stream-zh-dark", "/", "zh", "dark"),
    Shot("stream-zh-phone", f"/accounts/{OTHER}", "zh", size=PHONE),
    Shot("post-zh", f"/posts/{OTHER}/2650000101_1", "zh"),
    Shot("page-en-phone-dark", f"/posts/{OTHER}/2650000101_1/page", scheme="dark", size=PHONE),
    Shot("history-en", f"/posts/{BIZ}/{EDITED}/history"),
    Shot("search-zh", "/search?q=%E5%90%88%E6%88%90&since=2025", "zh"),
    Shot("compare-zh", f"/compare?account={BIZ}&account={OTHER}&since=2025", "zh"),
    Shot("changes-en", "/changes"),
    Shot("inbox-zh-phone", "/inbox", "zh", size=PHONE),
    Shot("calendar-en", f"/accounts/{BIZ}/calendar"),
    Shot("calendar-zh-phone-dark", f"/accounts/{BIZ}/calendar", "zh", "dark", PHONE),
    Shot("health-en-dark", "/health", scheme="dark"),
)


_IMAGES_IN_SIGHT = """() => [...document.images].every(one =>
    one.complete || !one.getClientRects().length || one.getBoundingClientRect().top > innerHeight)"""


def main(only: Sequence[str] = sys.argv[1:]) -> None:
    """Take all pictures, or only those of the terminal."""
    FOLDER.mkdir(exist_ok=True)
    for language in ("en", "zh"):
        (FOLDER / f"terminal-{language}.svg").write_text(_terminal(language), encoding="utf-8")
    if list(only) == ["terminal"]:
        return
    with _invented() as origin, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        _want_chinese(browser)
        for shot in SHOTS:
            width, height = shot.size
            page = browser.new_page(
                viewport={"width": width, "height": height},
                locale="zh-CN" if shot.lang == "zh" else "en-GB",
                color_scheme="dark" if shot.scheme == "dark" else "light",
            )
            page.goto(f"{origin}{shot.path}{'&' if '?' in shot.path else '?'}lang={shot.lang}")
            page.wait_for_function(_IMAGES_IN_SIGHT, timeout=IMAGES_SECONDS * 1000)
            _save(page.screenshot(), FOLDER / f"{shot.name}.webp")
            page.close()


def _terminal(language: str) -> str:
    """Return a picture of the first minute: init, run until the posts are there, a search."""
    folder = tempfile.TemporaryDirectory(prefix="mparchive-screenshots-", ignore_cleanup_errors=True)
    with folder as home, Standin(week=True) as standin:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("MPARCHIVE_")},
            "MPARCHIVE_HOME": home,
            "MPARCHIVE_LOOPBACK": standin.origin,
            "MPARCHIVE_DOWNLOAD_DELAY": "0",
            "MPARCHIVE_MEDIA_TYPES": "audio",
            "MPARCHIVE_LANG": language,
            "MPARCHIVE_LOG_FORMAT": "plain",
            "COLUMNS": str(COLUMNS),
        }
        first, *_ = (post for post in WEEK if post.album == ALBUM)
        written = _ran(environment, home, "init", first.short_url).splitlines()[-11:]
        lines = [f"$ mparchive init {first.short_url}", *written]
        lines += ["$ mparchive run", *_run_until_archived(environment, home)]
        lines += ["$ mparchive search 截止", *_ran(environment, home, "search", "截止").splitlines()]
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), highlight=False)
    for line in lines:
        console.print(line, markup=False, style="bold" if line.startswith("$") else "", soft_wrap=False)
    drawn = console.export_svg(title="mparchive")
    return re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL)  # they are on another server


def _ran(environment: dict[str, str], home: str, *arguments: str) -> str:
    """Return what a command wrote, to both outputs."""
    command = [Path(sys.executable).with_name("mparchive"), *arguments]
    done = subprocess.run(  # noqa: S603 - ours
        command, env=environment, cwd=home, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True
    )
    return done.stdout.decode()


def _run_until_archived(environment: dict[str, str], home: str) -> list[str]:
    """Return the lines of the daemon until it has archived a few posts."""
    command = [Path(sys.executable).with_name("mparchive"), "run"]
    daemon = subprocess.Popen(command, env=environment, cwd=home, stdout=subprocess.PIPE, text=True)  # noqa: S603 - ours
    with daemon:
        assert daemon.stdout is not None  # noqa: S101 - a pipe
        lines = []
        while sum("(265" in line or "（265" in line for line in lines) < POSTS_SHOWN:
            lines.append(daemon.stdout.readline().rstrip())
        daemon.terminate()
        for _ in daemon.stdout:  # the rest is not shown
            pass
    return lines


@contextmanager
def _invented() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="mparchive-screenshots-", ignore_cleanup_errors=True) as home:
        settings = ArchiveSettings(home=Path(home), database_url=None)
        folder = MediaFolder(settings)
        with open_archive(settings) as engine:
            fill(engine, folder, DAYS)
            with served(engine, now=LATER, folder=folder) as client:
                yield client.origin


def _want_chinese(browser: Browser) -> None:
    """Fail where no font has Chinese characters, which would all be shown as empty boxes."""
    page = browser.new_page(viewport={"width": 40, "height": 40})
    drawn = set()
    for sign in "上海":
        page.set_content(f'<p lang="zh">{sign}')
        drawn.add(page.screenshot())
    page.close()
    if len(drawn) == 1:
        raise SystemExit("there is no Chinese font; install one, such as Debian's fonts-noto-cjk")


def _save(drawn: bytes, path: Path) -> None:
    Image.open(io.BytesIO(drawn)).save(path, "WEBP", quality=QUALITY, method=6)
    if path.stat().st_size > MOST:
        raise SystemExit(f"{path} has over {MOST} bytes; lower QUALITY, or show less")


if __name__ == "__main__":
    main()
