"""An archive with media to download, for crawls of media."""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from tests.crawler.crawling import Crawl, Crawler, plain

CDN = "https://mmbiz.qpic.cn"
ALL_TYPES = "image,audio,video"
INSERT = "INSERT INTO media (key, url, type, next_fetch_at, expires_at) VALUES (%s, %s, %s, now(), %s)"
STATES = """
    SELECT media.key, last_outcome, last_reason, media_type, path FROM media
    LEFT JOIN files ON files.id = file_id ORDER BY media.id
"""


def png(name: str) -> str:
    return f"{CDN}/mmbiz_png/synthetic_{name}/0?wx_fmt=png"


@dataclass
class Gallery:
    """An archive with media to download, a folder for them, and a server that has them."""

    crawler: Crawler
    folder: Path

    def add(self, *urls: str, kind: str = "image", expires: str | None = None) -> None:
        with psycopg.connect(plain(self.crawler.database_url)) as connection:
            for url in urls:
                connection.execute(INSERT, (url, url, kind, expires))

    @property
    def environment(self) -> dict[str, str]:
        return {"MPARCHIVE_MEDIA": str(self.folder)}

    def crawl(self, **settings: object) -> Crawl:
        return self.crawler.crawl(environment=self.environment, spider="media", **settings)

    def start(self, **settings: object) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            self.crawler.command(spider="media", **settings),
            env=self.crawler.environment(**self.environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    @property
    def states(self) -> dict[str, tuple[Any, ...]]:
        return {key: tuple(rest) for key, *rest in self.crawler.rows(STATES)}

    @property
    def outcomes(self) -> dict[str, str]:
        return {key: outcome for key, (outcome, *_) in self.states.items()}

    @property
    def files(self) -> list[Path]:
        return sorted(path for path in self.folder.rglob("*.*") if path.is_file())
