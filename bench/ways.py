"""Fetch the same pages in several ways, and measure the rate of each."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import requests

from archive.db.engine import open_archive
from archive.db.settings import ArchiveSettings

ROOT = Path(__file__).resolve().parents[1]
CONCURRENCY = 16
Way = Callable[[str, list[str], Path], float]
TIME_LIMIT = 600  # seconds for one variant
# From the first request to the end of the last page: the start-up is left out.
_BARE = ["-s", "LOG_FORMAT=%(created)f %(message)s"]
_BEGIN = re.compile(
    r"^([0-9.]+) Spider opened|^\{\"at\": \"([^\"]+)\".* \"event\": \"run_started\"", re.MULTILINE
)
_END = re.compile(
    r"^([0-9.]+) Closing spider \(finished\)"
    r"|^\{\"at\": \"([^\"]+)\".* \"message\": \"Closing spider \(finished\)\"",
    re.MULTILINE,
)


def bare_scrapy(origin: str, addresses: list[str], folder: Path) -> float:
    """Fetch with Scrapy alone, with the same network settings, and return pages per second."""
    listed = folder / "bare.txt"
    listed.write_text("\n".join(_on(origin, address) for address in addresses))
    spider = ["runspider", str(ROOT / "bench" / "bare.py"), "-a", f"listed={listed}", *_BARE]
    return _pages_per_second(spider, folder, {"PYTHONPATH": str(ROOT)}, len(addresses))


def full_crawl(origin: str, addresses: list[str], folder: Path) -> float:
    """Run a crawl of mparchive, with everything it stores, and return pages per second."""
    spider, environment = crawl_of(origin, addresses, folder)
    with open_archive(ArchiveSettings(home=folder / "home")):  # a database server is there before a crawl
        return _pages_per_second(spider, ROOT, environment, len(addresses))


def crawl_of(origin: str, addresses: list[str], folder: Path) -> tuple[list[str], dict[str, str]]:
    """Return the arguments of `scrapy` and the variables for a crawl whose archive is below a folder."""
    listed = folder / "full.txt"
    listed.write_text("\n".join(addresses))
    environment = {
        "MPARCHIVE_HOME": str(folder / "home"),
        "MPARCHIVE_LOOPBACK": origin,
        "MPARCHIVE_DOWNLOAD_DELAY": "0",
        "MPARCHIVE_CONCURRENCY": str(CONCURRENCY),
        "MPARCHIVE_LOG_FORMAT": "json",
    }
    return ["crawl", "posts", "-a", f"urls={listed}"], environment


def _pages_per_second(spider: list[str], where: Path, environment: dict[str, str], number: int) -> float:
    done = subprocess.run(
        [sys.executable, "-m", "scrapy", *spider],
        cwd=where,  # bare Scrapy runs outside the project, with nothing of its settings
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIME_LIMIT,
        check=False,
    )
    begun, ended = _BEGIN.findall(done.stdout), _END.findall(done.stdout)
    if done.returncode or not begun or not ended:
        raise SystemExit(f"{spider[0]} failed:\n{done.stdout[-4000:]}")
    return number / (_seconds(ended[0]) - _seconds(begun[-1]))


def _seconds(found: tuple[str, str]) -> float:
    """Return a time that a log line has, as a number or in ISO 8601, in seconds since 1970."""
    return float(found[0]) if found[0] else datetime.fromisoformat(found[1]).timestamp()


def old_script(origin: str, addresses: list[str], folder: Path) -> float:
    """Fetch as users' scripts did: sequential requests, regular expressions, one JSON file.

    Such a script takes everything after the body's tag, removes all tags, collapses white space and cuts
    at the word `var`; after each page it writes the whole file again. Returns pages per second.
    """
    output = folder / "old.json"
    records: list[dict[str, str]] = []
    start = time.perf_counter()
    for address in addresses:
        page = requests.get(_on(origin, address), timeout=60).text
        records.append(_by_regular_expressions(page, address))
        output.write_text(json.dumps(records, ensure_ascii=False), encoding="utf-8")
    return len(addresses) / (time.perf_counter() - start)


def _by_regular_expressions(page: str, address: str) -> dict[str, str]:
    title = re.findall(r'<meta property="og:title" content="(.*?)"', page)
    account = re.findall(r"var nickname = (?:htmlDecode\()?[\"'](.*?)[\"']", page)
    instant = re.findall(r'var ct = "(\d+)"', page)
    body = page.rpartition('id="js_content"')[2].partition(">")[2]
    text = re.sub(r"<(?!/p)[^>]*>", "", body)
    text = re.sub(r"\s+", " ", text).strip().replace("</p>", "\r").partition("var ")[0]
    day = time.strftime("%Y-%m-%d", time.localtime(int(instant[0]))) if instant else ""
    return {
        "title": "".join(title[:1]),
        "url": address,
        "time": day,
        "account": "".join(account[:1]),
        "text": text,
    }


def _on(origin: str, address: str) -> str:
    return address.replace("http://mp.weixin.qq.com", origin).partition("#")[0]
