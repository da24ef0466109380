"""At a crawl's end: what it got, and the verdict on it, for the log, the run's row and the exit code."""

import asyncio
import logging
import os
import signal
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from scrapy import signals
from scrapy.crawler import Crawler
from scrapy.exceptions import NotConfigured
from sqlalchemy.exc import SQLAlchemyError

from archive.domain.errors import ArchiveError
from archive.system import clock
from archive.system.parent_watch import LIFELINE_VARIABLE
from crawler import log
from crawler.run_stats import VERDICT, verdict_of
from crawler.worker import tasks
from crawler.worker.pool import WorkerDied

if TYPE_CHECKING:
    from crawler.spiders.base import ArchiveSpider

logger = logging.getLogger("crawler")


class RunVerdict:
    """Says at the end how the run went, in the log and in the run's row, and lets the worker go."""

    def __init__(self, crawler: Crawler):
        self._crawler = crawler
        crawler.signals.connect(self._closed, signals.spider_closed)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> "RunVerdict":
        """Scrapy's way in."""
        return cls(crawler)

    async def _closed(self, spider: "ArchiveSpider", reason: str) -> None:
        counts = spider.tally.counts(spider.wanted)
        verdict = verdict_of(reason, counts)
        if spider.run_id:
            verdict = await self._noted(spider, verdict, counts)
        assert self._crawler.stats is not None  # noqa: S101 - Scrapy has set it
        self._crawler.stats.set_value(VERDICT, verdict)
        log.run_finished(verdict, counts | {"run": spider.run_id, "reason": reason})
        await spider.archive.close()

    @staticmethod
    async def _noted(spider: "ArchiveSpider", verdict: str, counts: dict[str, Any]) -> str:
        try:
            now = clock.now()
            await spider.archive.call(tasks.close_run, spider.run_id, verdict, counts, now)
        except (ArchiveError, SQLAlchemyError, WorkerDied) as error:
            logger.error("action=database_failed reason=%s", str(error).partition("\n")[0])
            return "database"
        return verdict


class ParentWatch:
    """Waits for the end of the pipe, and then kills the crawl's whole process group.

    The parent made the group, so the crawl, its worker and its browser's driver are all that is in it.
    """

    def __init__(self, descriptor: int):
        threading.Thread(target=self._watch, args=(descriptor,), daemon=True).start()

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> "ParentWatch":
        """Scrapy's way in; not configured when nobody holds the other end."""
        descriptor = os.environ.get(LIFELINE_VARIABLE, "")
        if not descriptor.isdecimal():
            raise NotConfigured
        return cls(int(descriptor))

    @staticmethod
    def _watch(descriptor: int) -> None:
        while os.read(descriptor, 1):
            pass
        os.killpg(0, signal.SIGKILL)


POLL = 0.25  # seconds; how soon it notices


class DrainOnStop:
    """Once the crawl stops, pauses no more: the transport then refuses whatever still waits."""

    def __init__(self, crawler: Crawler):
        self._crawler = crawler
        self._task: asyncio.Task[None] | None = None
        crawler.signals.connect(self._started, signals.engine_started)
        crawler.signals.connect(self._closed, signals.spider_closed)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Scrapy's way in."""
        return cls(crawler)

    def _started(self) -> None:
        self._task = asyncio.ensure_future(self._watch())

    async def _closed(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _watch(self) -> None:
        await asyncio.sleep(POLL)  # the engine runs a moment after it says so, and may have stopped by then
        while self._running and not self._stopping:
            await asyncio.sleep(POLL)
        while True:  # until closed: an answer under way may still queue a browser's request
            self._let_go()
            await asyncio.sleep(POLL)

    @property
    def _running(self) -> bool:
        return bool(self._crawler.engine and self._crawler.engine.running)

    @property
    def _stopping(self) -> bool:
        return bool(getattr(self._crawler.spider, "stopping", ""))

    def _let_go(self) -> None:
        downloader = self._crawler.engine.downloader
        for slot in downloader.slots.values():
            slot.delay = 0.0
            if slot.latercall:
                slot.latercall.cancel()
                slot.latercall = None
            downloader._process_queue(slot)
