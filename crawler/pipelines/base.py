"""Captures that were kept but never read: a worker or a whole crawl died in between."""

import logging
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from scrapy.crawler import Crawler
from scrapy.exceptions import DropItem
from sqlalchemy.exc import SQLAlchemyError

from archive.domain.errors import ArchiveError, MediaFolderError
from crawler.run_stats import Tally
from crawler.worker import tasks
from crawler.worker.page_reader import DEADLY
from crawler.worker.pool import Worker, WorkerDied

if TYPE_CHECKING:
    from crawler.spiders.base import ArchiveSpider

logger = logging.getLogger("crawler")


async def read_what_was_kept(archive: Worker, run_id: int, now: datetime) -> int:
    """Read each of them, one at a time; one that kills the worker is put down as unknown.

    Returns how many were read. Raises WorkerDied only when a fresh worker cannot even note that.
    """
    captures = await archive.call(tasks.unread)
    for capture_id in captures:
        try:
            await archive.call(tasks.read_kept, run_id, capture_id, now)
        except WorkerDied:
            logger.error("action=unreadable capture=%d", capture_id)
            await archive.call(tasks.give_up, run_id, capture_id, DEADLY, now)
    if captures:
        logger.info("action=recovered captures=%d", len(captures))
    return len(captures)


MAX_WORKER_DEATHS = 5  # of one run; more is no accident


class Pipeline:
    """What the ways of all answers share: a database or media folder that fails ends the crawl."""

    def __init__(self, crawler: Crawler):
        self._crawler = crawler
        self._deaths = 0

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Scrapy's way in."""
        return cls(crawler)

    @property
    def _spider(self) -> "ArchiveSpider":
        return self._crawler.spider  # type: ignore[return-value]  # all spiders of this project are

    @property
    def _tally(self) -> Tally:
        return self._spider.tally

    async def process_item(self, item: Any) -> Any:
        """Settle one answer, or one that did not come; returns when it is stored."""
        try:
            await self._settle(item)
        except MediaFolderError as error:
            self._stop("media_folder", error)
            raise DropItem("the media folder failed") from error
        except (SQLAlchemyError, ArchiveError) as error:
            self._stop("database", error)
            raise DropItem("the database failed") from error
        return item

    def _stop(self, what: str, error: Exception) -> None:
        logger.error("action=%s_failed reason=%s", what, str(error).partition("\n")[0])
        self._spider.stop(what)

    async def _settle(self, item: Any) -> None:
        raise NotImplementedError

    def _worker_died(self, waiting: int) -> bool:
        """Count one death; whether the crawl may go on."""
        self._deaths += 1
        logger.error("action=worker_died deaths=%d batch=%d", self._deaths, waiting)
        if self._deaths > MAX_WORKER_DEATHS:
            self._spider.stop("worker_died")
        return self._deaths <= MAX_WORKER_DEATHS
