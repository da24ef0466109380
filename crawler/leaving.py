"""A crawl that stops lets go at once of what only waits for its turn at a host.

Scrapy would first keep the pause before each of them, up to a minute with AutoThrottle.
"""

import asyncio
from contextlib import suppress
from typing import Self

from scrapy import signals
from scrapy.crawler import Crawler

POLL = 0.25  # seconds; how soon it notices


class Leaving:
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
