"""Runs real crawls, each in a process of its own, against a server on loopback and a real database."""

import json
import os
import re
import sys
import threading
from dataclasses import dataclass, field
from typing import Any

import psycopg

from scheduler.crawl_process import CrawlProcess

TIMEOUT = 100  # seconds; a crawl of these tests takes about three


@dataclass
class Crawl:
    """How one crawl ended: exit code, verdict, counts, all it wrote."""

    exit_code: int
    output: str
    counts: dict[str, Any] = field(default_factory=dict)
    verdict: str = ""


@dataclass
class Crawler:
    """Starts crawls that share a database and a server."""

    database_url: str
    loopback: str

    def environment(self, **more: str) -> dict[str, str]:
        return {
            **os.environ,
            "SCRAPY_SETTINGS_MODULE": "crawler.settings",
            "MPARCHIVE_DATABASE_URL": self.database_url,
            "MPARCHIVE_LOOPBACK": self.loopback,
            "MPARCHIVE_DOWNLOAD_DELAY": "0",
            **more,
        }

    def command(self, urls: list[str] | None = None, spider: str = "posts", **settings: object) -> list[str]:
        chosen = [piece for name, value in settings.items() for piece in ("-s", f"{name}={value}")]
        asked = ["-a", "urls=" + ",".join(urls)] if urls else []
        return [sys.executable, "-m", "scrapy", "crawl", spider, *asked, *chosen]

    def crawl(
        self, urls: list[str] | None = None, environment: dict[str, str] | None = None, **settings: object
    ) -> Crawl:
        _, _, _, *arguments = self.command(urls, **settings)
        return forked(arguments, self.environment(**(environment or {})))

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(plain(self.database_url)) as connection:
            return connection.execute(query).fetchall()


def forked(arguments: list[str], environment: dict[str, str], timeout: float = TIMEOUT) -> Crawl:
    """Run `scrapy` with these arguments, as a fork of a warm process, as the daemon does."""
    reading, writing = os.pipe()
    child = CrawlProcess(arguments, environment, reading)
    late = threading.Timer(timeout, child.kill_group)
    late.start()
    try:
        with child.output as output, child.progress:
            said = output.read()
        return ended(child.wait(timeout), said)
    finally:
        late.cancel()
        os.close(reading)
        os.close(writing)


def ended(exit_code: int, output: str) -> Crawl:
    """Read a crawl's closing line."""
    closing = [json.loads(line) for line in output.splitlines() if '"event": "run_finished"' in line]
    counts, verdict = (closing[-1]["counts"], closing[-1]["verdict"]) if closing else ({}, "")
    return Crawl(exit_code, output, counts, verdict)


def plain(url: str) -> str:
    """Return the address as psycopg takes it, without SQLAlchemy's driver."""
    return re.sub(r"^postgresql\+psycopg:", "postgresql:", url)
