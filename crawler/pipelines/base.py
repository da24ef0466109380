"""The base class of all pipelines, and the parsing of captures that an earlier worker did not get to."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

import structlog
from scrapy.crawler import Crawler
from scrapy.exceptions import DropItem
from scrapy.http import Request
from sqlalchemy.exc import SQLAlchemyError

from archive.domain.errors import ArchiveError, MediaFolderError
from archive.repository.media import DueMedium
from crawler import log
from crawler.discovery.source import SourceFindings
from crawler.parse.response import FetchedPage
from crawler.run_stats import Tally
from crawler.worker import tasks
from crawler.worker.page_parser import PROCESS_DIED
from crawler.worker.pool import Worker, WorkerDied


@dataclass(frozen=True, slots=True)
class FetchFailure:
    """A request that got no response, and why."""

    request: Request
    error: BaseException


@dataclass(frozen=True, slots=True)
class SourceResult:
    """The findings of one source, by its name."""

    name: str
    findings: SourceFindings


@dataclass(frozen=True, slots=True)
class MediaDownload:
    """The response to a request for a medium; `max_bytes` bounds it, as received and as unpacked."""

    medium: DueMedium
    response: FetchedPage
    max_bytes: int


if TYPE_CHECKING:
    from crawler.spiders.base import ArchiveSpider

MAX_WORKER_DEATHS = 5  # of one run; more is no accident

logger = structlog.get_logger("crawler")


async def parse_unparsed(archive: Worker, run_id: int, now: datetime) -> int:
    """Parse the captures that were stored but not parsed, one at a time; returns their number.

    A page that kills the worker is recorded as unreadable. Raises WorkerDied when even that fails.
    """
    captures = await archive.call(tasks.unparsed)
    for capture_id in captures:
        try:
            await archive.call(tasks.parse_stored, run_id, capture_id, now)
        except WorkerDied:
            logger.error("capture unreadable", action="unreadable", capture=capture_id)
            await archive.call(tasks.record_unreadable, run_id, capture_id, PROCESS_DIED, now)
    if captures:
        logger.info("captures recovered", action="recovered", captures=len(captures))
    return len(captures)


class Pipeline:
    """Passes items to the worker; a failure of the database or the media folder stops the crawl."""

    def __init__(self, crawler: Crawler):
        self._crawler = crawler
        self._deaths = 0

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Create the pipeline for Scrapy."""
        return cls(crawler)

    @property
    def _spider(self) -> "ArchiveSpider":
        return self._crawler.spider  # type: ignore[return-value]  # all spiders of this project are

    @property
    def _tally(self) -> Tally:
        return self._spider.tally

    async def process_item(self, item: Any) -> Any:
        """Process one item; returns when it is stored. Raises DropItem when that fails."""
        try:
            await self._process(item)
        except MediaFolderError as error:
            log.crawl_failed("media_folder_failed", error)
            self._spider.stop("media_folder")
            raise DropItem("the media folder failed") from error
        except (SQLAlchemyError, ArchiveError) as error:
            log.crawl_failed("database_failed", error)
            self._spider.stop("database")
            raise DropItem("the database failed") from error
        return item

    async def _process(self, item: Any) -> None:
        raise NotImplementedError

    def _may_continue_after_death(self, lost: int) -> bool:
        """Count a death of the worker, with `lost` items; tells whether the crawl may continue."""
        self._deaths += 1
        logger.error("worker died", action="worker_died", deaths=self._deaths, batch=lost)
        if self._deaths > MAX_WORKER_DEATHS:
            self._spider.stop("worker_died")
        return self._deaths <= MAX_WORKER_DEATHS
