"""Scrapy extensions: one records how the crawl went, one keeps nothing waiting once the crawl stops."""

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from scrapy import signals
from scrapy.crawler import Crawler
from sqlalchemy.exc import SQLAlchemyError

from archive.domain.errors import ArchiveError
from archive.domain.outcomes import BLOCKING, Outcome
from archive.system import clock
from crawler import log
from crawler.discovery.source import SourceFindings
from crawler.worker import tasks
from crawler.worker.pool import WorkerDied

NOT_FETCHED = BLOCKING | {"failed", str(Outcome.UNKNOWN)}

VERDICT = "verdict"  # key in Scrapy's stats, which crawler.commands.crawl turns into the exit code

EXIT_CODES = {
    "done": 0,
    "nothing_due": 0,
    "failed": 1,
    "usage": 2,
    "partly_failed": 3,
    "stopped": 3,
    "nothing_fetched": 4,
    "verification": 5,
    "rate_limited": 5,
    "database": 6,
}


@dataclass
class Tally:
    """The outcome of each address so far. A rendered page replaces the outcome of the plain one."""

    addresses: dict[int | None, tuple[str, str]] = field(default_factory=dict)
    events: Counter[str] = field(default_factory=Counter)

    @property
    def done(self) -> int:
        """Return how many addresses have an outcome."""
        return len(self.addresses)

    def record(self, address_id: int | None, outcome: str, stored: str) -> None:
        """Set the outcome of an address. A post that was new stays new when its rendered page follows."""
        _, before = self.addresses.get(address_id, ("", ""))
        self.addresses[address_id] = (outcome, before if before == "new" else stored)

    def count(self, event: str) -> None:
        """Count something that is no outcome of an address."""
        self.events[event] += 1

    def counts(self, wanted: int) -> dict[str, Any]:
        """Return the counts as they go into the run's row."""
        outcomes = Counter(outcome for outcome, _ in self.addresses.values())
        stored = Counter(what for _, what in self.addresses.values() if what)
        failed = sum(outcomes[name] for name in NOT_FETCHED)
        fetched = len(self.addresses) - failed
        numbers = {"wanted": wanted, "fetched": fetched, "failed": failed}
        return {**numbers, "outcomes": dict(outcomes), "stored": dict(stored), **self.events}


def verdict_of(reason: str, counts: dict[str, Any]) -> str:
    """Return the verdict on a run from why it ended and what it fetched; an empty run is no success."""
    if reason in BLOCKING or reason in ("database", "usage"):
        return reason
    if reason == "shutdown":
        return "stopped"
    if reason not in ("finished", "unreachable"):
        return "failed"
    if not counts["wanted"]:
        return "nothing_due"
    if not counts["fetched"]:
        return "nothing_fetched"
    whole = not counts["failed"] and counts["fetched"] >= counts["wanted"]
    return "done" if whole else "partly_failed"


class SourceTally(Tally):
    """The result of each source so far: the run is as good as its sources."""

    def __init__(self) -> None:
        super().__init__()
        self.states: dict[str, SourceFindings] = {}

    @property
    def done(self) -> int:
        """Return how many sources have been asked."""
        return len(self.states)

    def counts(self, wanted: int) -> dict[str, Any]:
        """Return the counts as they go into the run's row."""
        good = sum(found.state.good for found in self.states.values())
        states = Counter(str(found.state) for found in self.states.values())
        numbers = {"wanted": wanted, "fetched": good, "failed": wanted - good}
        return {**numbers, "states": dict(states), **self.events}


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
