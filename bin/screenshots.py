"""Take the screenshots in docs/screenshots, of the web interface with made-up data: `make screenshots`."""

import io
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # the made-up archive is that of the tests

from archive.db.engine import open_archive  # noqa: E402
from archive.db.settings import ArchiveSettings  # noqa: E402 - as above
from archive.storage.media_files import MediaFolder  # noqa: E402
from crawler.browser.launch_options import find_chromium  # noqa: E402
from tests.archive.making import BIZ  # noqa: E402
from tests.web.seeding import EDITED, LATER, fill  # noqa: E402
from tests.web.served import served  # noqa: E402

FOLDER = ROOT / "docs" / "screenshots"
MOST = 150_000  # bytes of one
DAYS = 480  # of the made-up account
QUALITY = 80  # of WebP
DESK, PHONE = (1100, 760), (390, 760)
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
    Shot("search-zh", "/search?q=%E6%88%AA%E6%AD%A2%E6%97%B6%E9%97%B4", "zh"),
    Shot("calendar-en", f"/accounts/{BIZ}/calendar"),
    Shot("calendar-zh-phone-dark", f"/accounts/{BIZ}/calendar", "zh", "dark", PHONE),
    Shot("health-en-dark", "/health", scheme="dark"),
)


def main() -> None:
    """Take all screenshots."""
    FOLDER.mkdir(exist_ok=True)
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
            _save(page.screenshot(), FOLDER / f"{shot.name}.webp")
            page.close()


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
