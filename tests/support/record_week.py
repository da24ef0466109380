"""Record the synthetic week: `python -m tests.support.record_week [FOLDER]`, by default into cassettes/.

The stand-in serves the week and the real spiders visit it three times, each time with an empty archive so
that every picture is requested. Each visit is written to one cassette, with the list of the week's addresses.
The archives are discarded.
"""

import os
import sys
import tempfile
from pathlib import Path

from tests.crawler.crawling import forked
from tests.standin import Standin
from tests.standin.week import CHALLENGED, STATES, VISITS, address_list

ROOT = Path(__file__).resolve().parents[2]
# Seconds between two pages of the first visit: the drawn one is known to be one before the challenge comes.
PAUSE = 0.5
WEIGHT = 8_000  # bytes of script in a page: a cassette is kept in git
CRAWL = 180  # seconds; a visit takes about five
STOPPED_BY_CHALLENGE = 5  # exit code


def record_week(folder: Path) -> None:
    """Write week.txt and week-1.yaml to week-3.yaml into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "week.txt").write_text(address_list(), encoding="utf-8")
    with Standin(week=True, weight=WEIGHT) as standin:
        standin.fault("verification", post=CHALLENGED, times=1)
        for visit in VISITS:
            for post, what in STATES[visit].items():
                standin.show(post, what)
            with tempfile.TemporaryDirectory() as home:
                _visit(folder, visit, standin.origin, home)


def _visit(folder: Path, visit: int, origin: str, home: str) -> None:
    cassette = folder / f"week-{visit}.yaml"
    cassette.unlink(missing_ok=True)
    pause = PAUSE if visit == 1 else 0
    environment = _environment(origin, home, cassette.resolve()) | {"MPARCHIVE_DOWNLOAD_DELAY": str(pause)}
    addresses = (folder / "week.txt").resolve()
    wanted = STOPPED_BY_CHALLENGE if visit == 1 else 0
    for spider, expected in (["posts", "-a", f"urls={addresses}"], wanted), (["media"], 0):
        done = forked(["crawl", *spider], environment, CRAWL)
        if done.exit_code != expected:
            sys.stderr.write(done.output)
            raise SystemExit(f"visit {visit} ended with exit code {done.exit_code}, {expected} was expected")


def _environment(origin: str, home: str, cassette: Path) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MPARCHIVE_")}
    return {
        **inherited,
        "SCRAPY_SETTINGS_MODULE": "crawler.settings",
        "MPARCHIVE_HOME": home,
        "MPARCHIVE_LOOPBACK": origin,
        "MPARCHIVE_MEDIA_DELAY": "0",
        "MPARCHIVE_CASSETTE": str(cassette),
        "MPARCHIVE_CASSETTE_MODE": "record",
    }


if __name__ == "__main__":
    record_week(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "cassettes")
