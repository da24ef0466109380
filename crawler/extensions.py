"""Scrapy extensions: one records how the crawl went, one keeps nothing waiting once the crawl stops."""

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from scrapy import signals
from scrapy.crawler import Crawler
from sqlalchemy.exc import SQLAlchemyError

from archive.domain.errors import ArchiveError
from archive.system import clock
from crawler import log
from crawler.run_stats import VERDICT, verdict_of
from crawler.worker import tasks
from crawler.worker.pool import WorkerDied

if TYPE_CHECKING:
    from crawler.spiders.base import ArchiveSpider

STOP_CHECK = 0.25  # seconds; how soon it is noticed that the crawl stops


class RunVerdict:
    """Writes the verdict and the counts to the run's row when the crawl ends, then closes the worker."""

    def __init__(self, crawler: Crawler):
        self._crawler = crawler
        crawler.signals.connect(self._close, signals.spider_closed)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> "RunVerdict":
        """Create the extension for Scrapy."""
        return cls(crawler)

    async def _close(self, spider: "ArchiveSpider", reason: str) -> None:
        counts = spider.tally.counts(spider.wanted)
        verdict = verdict_of(reason, counts)
        if spider.run_id:
            verdict = await self._record(spider, verdict, counts)
        assert self._crawler.stats is not None  # noqa: S101 - Scrapy has set it
        self._crawler.stats.set_value(VERDICT, verdict)
        log.run_finished(verdict, counts | {"run": spider.run_id, "reason": reason})
        await spider.archive.close()

    @staticmethod
    async def _record(spider: "ArchiveSpider", verdict: str, counts: dict[str, Any]) -> str:
        try:
            await spider.archive.call(tasks.end_run, spider.run_id, verdict, counts, clock.now())
        except (ArchiveError, SQLAlchemyError, WorkerDied) as error:
            log.crawl_failed("database_failed", error)
            return "database"
        return verdict


class DrainOnStop:
    """Ends all pauses between requests once the crawl stops: the middlewares then refuse what still waits."""

    def __init__(self, crawler: Crawler):
        self._crawler = crawler
        self._task: asyncio.Task[None] | None = None
        crawler.signals.connect(self._start, signals.engine_started)
        crawler.signals.connect(self._close, signals.spider_closed)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Create the extension for Scrapy."""
        return cls(crawler)

    def _start(self) -> None:
        self._task = asyncio.ensure_future(self._watch())

    async def _close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _watch(self) -> None:
        # The engine runs a moment after it says so, and may have stopped by then.
        await asyncio.sleep(STOP_CHECK)
        while self._running and not self._stopping:
            await asyncio.sleep(STOP_CHECK)
        while True:  # until closed: a response being processed may still queue a browser's request
            self._end_pauses()
            await asyncio.sleep(STOP_CHECK)

    @property
    def _running(self) -> bool:
        return bool(self._crawler.engine and self._crawler.engine.running)

    @property
    def _stopping(self) -> bool:
        return bool(getattr(self._crawler.spider, "stopping", ""))

    def _end_pauses(self) -> None:
        assert self._crawler.engine is not None  # noqa: S101 - it has started
        downloader = self._crawler.engine.downloader
        for slot in downloader.slots.values():
            slot.delay = 0.0
            if slot.latercall:
                slot.latercall.cancel()
                slot.latercall = None
            downloader._process_queue(slot)
