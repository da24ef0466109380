"""At a crawl's end: what it got, and the verdict on it, for the log, the run's row and the exit code."""

import logging
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from scrapy import signals
from scrapy.crawler import Crawler
from sqlalchemy.exc import SQLAlchemyError

from archive.errors import ArchiveError
from archive.vocabulary import BLOCKING, Outcome
from crawler import clock, report, worker
from crawler.offload import WorkerDied

if TYPE_CHECKING:
    from crawler.spiders.base import ArchiveSpider

logger = logging.getLogger("crawler")

NOT_FETCHED = BLOCKING | {"failed", str(Outcome.UNKNOWN)}
VERDICT = "verdict"  # the stats key; crawler.commands makes an exit code of it
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
    """What became of each address so far. A rendered answer takes the place of the plain one."""

    addresses: dict[int | None, tuple[str, str]] = field(default_factory=dict)
    events: Counter[str] = field(default_factory=Counter)

    @property
    def done(self) -> int:
        """How many addresses have come to something."""
        return len(self.addresses)

    def settle(self, address_id: int | None, outcome: str, stored: str) -> None:
        """Note what an address came to. Of a post that was new first and then rendered, `new` stays."""
        _, before = self.addresses.get(address_id, ("", ""))
        self.addresses[address_id] = (outcome, before if before == "new" else stored)

    def count(self, event: str) -> None:
        """Note something else that happened."""
        self.events[event] += 1

    def counts(self, wanted: int) -> dict[str, Any]:
        """The run's counts, as they go into its row."""
        outcomes = Counter(outcome for outcome, _ in self.addresses.values())
        stored = Counter(what for _, what in self.addresses.values() if what)
        failed = sum(outcomes[name] for name in NOT_FETCHED)
        fetched = len(self.addresses) - failed
        numbers = {"wanted": wanted, "fetched": fetched, "failed": failed}
        return {**numbers, "outcomes": dict(outcomes), "stored": dict(stored), **self.events}


def verdict_of(reason: str, counts: dict[str, Any]) -> str:
    """One word on the run, from why it ended and what it got; an empty run is not taken for a good one."""
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


class Verdict:
    """Says at the end how the run went, in the log and in the run's row, and lets the worker go."""

    def __init__(self, crawler: Crawler):
        self._crawler = crawler
        crawler.signals.connect(self._closed, signals.spider_closed)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> "Verdict":
        """Scrapy's way in."""
        return cls(crawler)

    async def _closed(self, spider: "ArchiveSpider", reason: str) -> None:
        counts = spider.tally.counts(spider.wanted)
        verdict = verdict_of(reason, counts)
        if spider.run_id:
            verdict = await self._noted(spider, verdict, counts)
        assert self._crawler.stats is not None  # noqa: S101 - Scrapy has set it
        self._crawler.stats.set_value(VERDICT, verdict)
        report.run_finished(verdict, counts | {"run": spider.run_id, "reason": reason})
        await spider.archive.close()

    @staticmethod
    async def _noted(spider: "ArchiveSpider", verdict: str, counts: dict[str, Any]) -> str:
        try:
            now = clock.now()
            await spider.archive.call(worker.close_run, spider.run_id, verdict, counts, now)
        except (ArchiveError, SQLAlchemyError, WorkerDied) as error:
            logger.error("action=database_failed reason=%s", str(error).partition("\n")[0])
            return "database"
        return verdict
